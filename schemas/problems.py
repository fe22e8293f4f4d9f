"""What is wrong with a request, field by field, in words that a caller can act on."""

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypedDict

from pydantic import ValidationError

from .envelope import Failure, failure, printable
from .outcomes import ErrorCode


class Problem(TypedDict):
    """One thing that is wrong. Field and problem read as a sentence; the field is `body` where the whole request is."""

    field: str
    problem: str


_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "missing": "is required",
        "extra_forbidden": "is not a known field",
        "model_type": "must be a JSON object",
    }
)
"""Our words for the kinds of trouble that pydantic describes in its own terms."""

_TURNS = ((re.compile(r"^\w+ should "), "must "), (re.compile(r"^Invalid JSON"), "is not valid JSON"))


MOST_PROBLEMS = 10
"""More of them help nobody, and a request may have thousands."""

LONGEST_FIELD = 80


def _field(location: Sequence[int | str]) -> str:
    """Where in the request, as something that can be shown: a field's name may be anything there is."""
    name = ".".join(map(str, location)) or "body"
    return printable(name if len(name) <= LONGEST_FIELD else f"{name[:LONGEST_FIELD]}…")


def _words(kind: str, message: str) -> str:
    if kind in _WORDS:
        return _WORDS[kind]
    words = message.removeprefix("Value error, ")
    for pydantic_words, ours in _TURNS:
        words = pydantic_words.sub(ours, words)
    return words


def problems_of(error: ValidationError) -> list[Problem]:
    """All that is wrong with a request. The request itself is not repeated, for it may hold a misplaced secret."""
    rows = error.errors(include_url=False, include_context=False, include_input=False)
    return [{"field": _field(row["loc"]), "problem": _words(row["type"], row["msg"])} for row in rows]


def invalid_request(problems: Sequence[Problem]) -> Failure:
    """The envelope of a request that is not of the documented form."""
    told, more = problems[:MOST_PROBLEMS], len(problems) - MOST_PROBLEMS
    message = "; ".join(f"{row['field']} {row['problem']}" for row in told) + (f"; and {more} more" if more > 0 else "")
    return failure(ErrorCode.INVALID_REQUEST, message, details={"fields": list(told)})


def unknown_account(account_id: str) -> Failure:
    """What to tell whoever names an account that is not registered."""
    message = f"no account {account_id!r} is registered; `perps-dma accounts` lists those that are"
    return failure(ErrorCode.UNKNOWN_ACCOUNT, message, details={"exchange_account_id": account_id})
