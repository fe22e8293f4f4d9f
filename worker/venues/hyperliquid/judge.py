"""What an answer of Hyperliquid means: by the sentence of its refusal, or by its HTTP status."""

from typing import Any

from schemas.base import Milliseconds
from worker.venues.hyperliquid.codes import SERVER_ERROR, STATUSES, TEXTS
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import Throttled, Unlisted, VenueError
from worker.venues.port.response import VenueResponse

_UNKNOWN = ErrorRule(Unlisted, "see Hyperliquid's message")


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where there is none, or the status is in no table."""
    if answer.status >= 400:
        return _by_status(answer)
    sentence = refusal_in(answer.body)
    if sentence is None:
        return None
    code, meaning = next(((part, row) for part, row in TEXTS.items() if part in sentence), (None, _UNKNOWN))
    return _error(answer, meaning, f"Hyperliquid says {sentence!r}: {meaning.advice}", code)


def _by_status(answer: VenueResponse) -> VenueError | None:
    meaning = SERVER_ERROR if answer.status >= 500 else STATUSES.get(answer.status)
    if meaning is None:
        return None
    return _error(answer, meaning, f"Hyperliquid answered with HTTP {answer.status}: {meaning.advice}", None)


def _error(answer: VenueResponse, meaning: ErrorRule, message: str, code: str | None) -> VenueError:
    facts: dict[str, Any] = {"venue_code": code, "raw": answer.body}
    if issubclass(meaning.error, Throttled):
        told = retry_after(answer)
        facts["retry_after"] = meaning.wait if told is None else told
    return meaning.error(message, **facts)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait by the header, which counts seconds."""
    return answer.retry_after()


def refusal_in(body: Any) -> str | None:
    """The sentence of `{"status": "err", "response": …}`; anything else is no refusal."""
    if not isinstance(body, dict) or body.get("status") != "err":
        return None
    sentence = body.get("response")
    return sentence if isinstance(sentence, str) else "nothing more"
