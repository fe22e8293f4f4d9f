"""What an answer of Gate means: by its label, else by its HTTP status."""

from typing import Any

from schemas.base import Milliseconds
from worker.venues.gate.codes import CODES, SERVER_ERROR, STATUSES
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import Throttled, Unlisted, VenueError
from worker.venues.port.response import VenueResponse

RESET = "x-gate-ratelimit-reset-timestamp"
"""When a used-up limit is free again. Taken for seconds since 1970, or ms by its size: no document says."""

UNKNOWN = ErrorRule(Unlisted, "see Gate's message")
"""A label that is in no table."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None for a success, and for a refusal without a label and a status of its own."""
    label = label_of(answer.body)
    meaning = _meaning(answer, label)
    if meaning is None:
        return None
    facts: dict[str, Any] = {"venue_code": label or None, "raw": answer.body}
    if issubclass(meaning.error, Throttled):
        facts["retry_after"] = retry_after(answer)
    return meaning.error(_words(answer, label, meaning), **facts)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait until the limit is free again; None if Gate doesn't say."""
    reset = answer.number(RESET)
    return None if reset is None else answer.until(reset)


def label_of(body: Any) -> str:
    """Gate's label of an error; empty where there is none."""
    return _text(body, "label")


def _meaning(answer: VenueResponse, label: str) -> ErrorRule | None:
    if label in CODES:
        return CODES[label]
    if answer.status >= 500:
        return SERVER_ERROR
    return STATUSES.get(answer.status) or (UNKNOWN if label else None)


def _text(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _words(answer: VenueResponse, label: str, meaning: ErrorRule) -> str:
    if not label:
        return f"Gate answered with HTTP {answer.status}: {meaning.advice}"
    message = _text(answer.body, "message") or _text(answer.body, "detail")
    return f"Gate says {message!r} ({label}): {meaning.advice}"
