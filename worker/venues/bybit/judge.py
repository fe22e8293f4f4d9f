"""What an answer of Bybit means: by its `retCode`, for nearly all come with HTTP 200, else by its HTTP status."""

from typing import Any

from schemas.base import Milliseconds
from worker.venues.bybit.codes import CODES, MARGIN_MODE_FAILED, NO_CODE, SERVER_ERROR, STATUSES, UNKNOWN
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import Throttled, VenueError
from worker.venues.port.response import LONGEST_WAIT, VenueResponse

BAN: Milliseconds = 600_000
"""How long an address that is turned away with 403 has to keep quiet, at least (Rate Limit Rules)."""

RESET = "x-bapi-limit-reset-timestamp"
"""When the limit of this endpoint is fresh again, in ms of Bybit's clock (Rate Limit Rules)."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None for a success and where the tables say nothing."""
    code = code_of(answer.body)
    meaning = _meaning(answer, code)
    if meaning is None:
        return None
    facts: dict[str, Any] = {"venue_code": None if code is None else str(code), "raw": answer.body}
    if issubclass(meaning.error, Throttled):
        facts["retry_after"] = retry_after(answer)
    if code == MARGIN_MODE_FAILED:
        facts["details"] = {"reasons": reasons_in(answer.body)}
    return meaning.error(_words(answer, code, meaning), **facts)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long until the limit is fresh again, by Bybit's own clock where the answer tells it."""
    if answer.status == 403:
        return BAN
    if (reset := answer.number(RESET)) is None:
        return None
    told = answer.body.get("time") if isinstance(answer.body, dict) else None
    if isinstance(told, int) and told > 0:
        return min(max(0, reset - told), LONGEST_WAIT)
    return answer.until(reset)


def reasons_in(body: Any) -> list[dict[str, Any]]:
    """Why an account-wide switch was refused, in Bybit's words."""
    result = body.get("result") if isinstance(body, dict) else None
    reasons = result.get("reasons") if isinstance(result, dict) else None
    return [reason for reason in reasons if isinstance(reason, dict)] if isinstance(reasons, list) else []


def code_of(body: Any) -> int | None:
    """The `retCode` of an answer, 0 for a success; None where there is none."""
    code = body.get("retCode") if isinstance(body, dict) else None
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _meaning(answer: VenueResponse, code: int | None) -> ErrorRule | None:
    if answer.status >= 500:
        return SERVER_ERROR
    if code:
        return CODES.get(code, UNKNOWN)
    if answer.status >= 400:
        return STATUSES.get(answer.status)
    return NO_CODE if code is None and answer.body is not None else None


def _words(answer: VenueResponse, code: int | None, meaning: ErrorRule) -> str:
    if not code:
        return f"Bybit answered with HTTP {answer.status}: {meaning.advice}"
    told = "; ".join(str(reason.get("reasonMsg")) for reason in reasons_in(answer.body))
    message = answer.body.get("retMsg")
    return f"Bybit says {message!r} ({code}): {meaning.advice}" + (f": {told}" if told else "")
