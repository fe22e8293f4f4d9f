"""What an answer of Binance means: by its 503 message, else by its code, else by its HTTP status."""

import re
from typing import Any

from schemas.base import Milliseconds
from worker.venues.binance.codes import CODES, SERVER_ERROR, STATUSES, UNAVAILABLE
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import Throttled, VenueError
from worker.venues.port.response import VenueResponse

_BANNED_UNTIL = re.compile(r"until (\d{13})\b")

LONGEST_BAN: Milliseconds = 3 * 24 * 3_600_000
"""Bans last from two minutes to three days (general info, "IP Limits")."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where the tables say nothing, as for a success.

    Binance's codes are negative; a positive one, such as the 200 of marginType, is no error in itself.
    """
    code = code_of(answer.body)
    if answer.status < 400 and code is None:
        return None
    meaning = _meaning(answer, code)
    if meaning is None:
        return None
    facts: dict[str, Any] = {"venue_code": None if code is None else str(code), "raw": answer.body}
    if issubclass(meaning.error, Throttled):
        facts["retry_after"] = retry_after(answer)
    return meaning.error(_words(answer, code, meaning), **facts)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait: by the header, which counts seconds, or by the end of a ban in the message."""
    if (told := answer.retry_after(LONGEST_BAN)) is not None:
        return told
    until = _BANNED_UNTIL.search(answer.text)
    return answer.until(int(until[1]), LONGEST_BAN) if until else None


def code_of(body: Any) -> int | None:
    """Binance's code of an error; None where there is none."""
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) and code < 0 else None


def message_of(answer: VenueResponse) -> str:
    """What Binance says of an error; what else it answered where that is not in its shape."""
    message = answer.body.get("msg") if isinstance(answer.body, dict) else answer.text
    return message if isinstance(message, str) else ""


def _meaning(answer: VenueResponse, code: int | None) -> ErrorRule | None:
    if answer.status == 503 and (meaning := UNAVAILABLE.get(message_of(answer))):
        return meaning
    family = answer.path.lstrip("/").partition("/")[0]
    if code is not None and (meaning := CODES.get((family, code))):
        return meaning
    return SERVER_ERROR if answer.status >= 500 else STATUSES.get(answer.status)


def _words(answer: VenueResponse, code: int | None, meaning: ErrorRule) -> str:
    if code is None:
        return f"Binance answered with HTTP {answer.status}: {meaning.advice}"
    return f"Binance says {message_of(answer)!r} ({code}): {meaning.advice}"
