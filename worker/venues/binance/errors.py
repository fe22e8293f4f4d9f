"""What an answer of Binance means: by its 503 message, by its code in its family's table, or by its HTTP status."""

import re
from collections.abc import Mapping
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.binance.codes import BUSY, BY_FAMILY, KEY, UNSURE
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    Misunderstood,
    NotSupported,
    PreconditionFailed,
    Throttled,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

_FAILED = "Binance says that it failed"

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, KEY),
        403: ErrorRule(Throttled, "Binance's web application firewall turned it away; " + BUSY),
        404: ErrorRule(NotSupported, "Binance has no such endpoint"),
        408: ErrorRule(Ambiguous, UNSURE),
        418: ErrorRule(Throttled, "our address is banned for a while; " + BUSY),
        429: ErrorRule(Throttled, "too many requests; " + BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer (general info). A 451 is the same at every venue."""

SAY_ENOUGH = frozenset({403, 418, 429})
"""Statuses of which Binance documents that nothing was done (general info, "HTTP Return Codes"), whatever the code."""

SERVER_ERROR = ErrorRule(Ambiguous, UNSURE)
"""Any status from 500 on."""

UNKNOWN_CODE = ErrorRule(Unlisted, "that is a code that no table has; see Binance's message")
"""A code that its family's table does not have."""

UNAVAILABLE: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "Unknown error, please check your request or try again later.": ErrorRule(Ambiguous, UNSURE),
        "Service Unavailable.": ErrorRule(Ambiguous, _FAILED),
        "Internal error; unable to process your request. Please try again.": ErrorRule(Ambiguous, _FAILED),
    }
)
"""The three messages of a 503. Binance calls the last two failed; a read-back is cheap, and trusts nobody's word."""

NOT_PROCESSED_BY_503 = -1008
"""The one code of a 503 that says for certain that nothing was done (general info, "HTTP Return Codes")."""

INVALID_LEVERAGE = -4028
_EXISTS = re.compile(r"\balready exist", re.IGNORECASE)
LEVERAGE_EXISTS = ErrorRule(PreconditionFailed, "Binance has this leverage already")
"""-4028 has three documented messages, and "Leverage %s already exist with %s" refuses no value: it is read back."""

OF_THE_CALLER = frozenset({"symbol", "pair", "leverage", "asset"})
"""Parameters whose value is the caller's; all others are ours."""

_NAMED = re.compile(r"[Pp]aram(?:eter)? '(\w+)'")
_BANNED_UNTIL = re.compile(r"until (\d{13})\b")

LONGEST_BAN: Milliseconds = 3 * 24 * 3_600_000
"""Bans last from two minutes to three days (general info, "IP Limits")."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where the tables say nothing, as for a success.

    Binance's codes are negative; a positive one, such as the 200 of marginType, is an error only where the status is.
    """
    code = code_of(answer)
    if answer.status < 400 and code is None:
        return None
    meaning = _meaning(answer, code)
    if meaning is None:
        return None
    number = None if code is None else str(code)
    return meaning.error_in(answer, _words(answer, code, meaning), number, retry_after)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait: by the header, which counts seconds, or by the end of a ban in the message."""
    if (told := answer.retry_after(LONGEST_BAN)) is not None:
        return told
    until = _BANNED_UNTIL.search(answer.text)
    return answer.until(int(until[1]), LONGEST_BAN) if until else None


def code_of(answer: VenueResponse) -> int | None:
    """Binance's code of an error; None where there is none."""
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    return code if code < 0 or answer.status >= 400 else None


def message_of(answer: VenueResponse) -> str:
    """What Binance says of an error; what else it answered where that is not in its shape."""
    message = answer.body.get("msg") if isinstance(answer.body, dict) else answer.text
    return message if isinstance(message, str) else ""


def _meaning(answer: VenueResponse, code: int | None) -> ErrorRule | None:
    if answer.status == 503 and (meaning := UNAVAILABLE.get(message_of(answer))):
        return meaning
    if answer.status >= 500 and code != NOT_PROCESSED_BY_503:
        return SERVER_ERROR
    if code is None:
        return STATUSES.get(answer.status)
    family = answer.path.lstrip("/").partition("/")[0]
    known = BY_FAMILY.get(family, {}).get(code)
    if known is None:
        return STATUSES[answer.status] if answer.status in SAY_ENOUGH else UNKNOWN_CODE
    return _by_its_message(known, code, message_of(answer))


def _by_its_message(known: ErrorRule, code: int, message: str) -> ErrorRule:
    """The few codes that mean one thing or another."""
    if code == INVALID_LEVERAGE and _EXISTS.search(message):
        return LEVERAGE_EXISTS
    if known.error is Misunderstood and (named := _NAMED.search(message)) and named[1] in OF_THE_CALLER:
        return ErrorRule(ValueRefused, f"Binance does not take this {named[1]}")
    return known


def _words(answer: VenueResponse, code: int | None, meaning: ErrorRule) -> str:
    if code is None:
        return f"Binance answered with HTTP {answer.status}: {meaning.advice}"
    return f"Binance says {message_of(answer)!r} ({code}): {meaning.advice}"
