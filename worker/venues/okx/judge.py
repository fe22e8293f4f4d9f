"""What an answer of OKX means: a server error tells nothing, else its code counts, else its HTTP status."""

from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.venues.okx.codes import CODES, SERVER_ERROR, STATUSES, UNKNOWN_CODE
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import Throttled, VenueError
from worker.venues.port.response import VenueResponse

WINDOW: Milliseconds = 2_000
"""Every limit of the endpoints we use is so many requests in two seconds; no header says what is left of it."""

_SUCCESS = (None, "", "0")


class OkxError(NamedTuple):
    """OKX's own words for what is amiss."""

    code: str
    message: str


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where the tables say nothing, as for a success."""
    refusal = refusal_of(answer.body)
    meaning = _meaning(answer.status, refusal)
    if meaning is None:
        return None
    facts: dict[str, Any] = {"venue_code": refusal and refusal.code, "raw": answer.body}
    if issubclass(meaning.error, Throttled):
        facts["retry_after"] = retry_after(answer)
    return meaning.error(_words(answer, refusal, meaning), **facts)


def refusal_of(body: Any) -> OkxError | None:
    """What is refused, of an item first: with code 1 or 2, and even with 0, the items of `data` say what happened."""
    if not isinstance(body, dict):
        return None
    items = body["data"] if isinstance(body.get("data"), list) else []
    for item in items:
        if isinstance(item, dict) and item.get("sCode") not in _SUCCESS:
            return OkxError(str(item["sCode"]), str(item.get("sMsg", "")))
    if body.get("code") in _SUCCESS:
        return None
    return OkxError(str(body["code"]), str(body.get("msg", "")))


def _meaning(status: int, refusal: OkxError | None) -> ErrorRule | None:
    if status >= 500:
        return SERVER_ERROR
    if refusal:
        return CODES.get(refusal.code, UNKNOWN_CODE)
    return STATUSES.get(status)


def retry_after(answer: VenueResponse) -> Milliseconds:
    """How long to wait: by the header, which counts seconds, or else a window."""
    told = answer.retry_after()
    return WINDOW if told is None else told


def _words(answer: VenueResponse, refusal: OkxError | None, meaning: ErrorRule) -> str:
    if refusal is None:
        return f"OKX answered with HTTP {answer.status}: {meaning.advice}"
    return f"OKX says {refusal.message!r} ({refusal.code}): {meaning.advice}"
