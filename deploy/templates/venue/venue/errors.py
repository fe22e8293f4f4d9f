"""What an answer of Newvenue means: by its `code`, else by its HTTP status.

Read: the list of error codes, the page about rate limits, and of each endpoint that is called the codes on its own
page. Then the enumerations of the official SDK and of ccxt, which know codes that no page has; a contract test that
compares them with this table (as `tests/contract/test_okx_enumerations.py`) finds the ones that come later.

Ask of each code: was the change carried out? Only what certainly was not is `Refused` or below it. Whatever may have
been is `Ambiguous`: it is read back then, and never sent twice. A code in no table is left to the transport, which
takes it for `Ambiguous` after a change and for `Refused` after a question.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
    Misunderstood,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"

CODES: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "INSUFFICIENT_MARGIN": ErrorRule(PreconditionFailed, "reduce the position or add margin"),
        "INVALID_KEY": ErrorRule(AccessDenied, _KEY),
        "INVALID_LEVERAGE": ErrorRule(ValueRefused, "Newvenue does not take this leverage"),
        "INVALID_PARAMETER": ErrorRule(Misunderstood, "Newvenue does not take a parameter that this program chose"),
        "INVALID_SIGNATURE": ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
        "INVALID_TIME": ErrorRule(ClockSkewed, "our clock and Newvenue's differ by more than the window allows"),
        "READ_ONLY": ErrorRule(AccessDenied, "the key may only read; give it the right to trade"),
        "TOO_MANY_REQUESTS": ErrorRule(Throttled, _BUSY),
        "UNKNOWN_INSTRUMENT": ErrorRule(UnknownSymbol, "Newvenue does not know this market"),
    }
)

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(AccessDenied, _KEY),
        429: ErrorRule(Throttled, _BUSY),
    }
)
"""What answers without a code mean."""

SERVER_ERROR = ErrorRule(Ambiguous, "nobody knows whether it was carried out")
"""Whatever code it has: a gateway's page comes with a status of 500 or more too."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error that an answer is; None for a success, and for what no table here knows."""
    code = code_of(answer.body)
    rule = _rule(answer, code)
    if rule is None:
        return None
    message = f"Newvenue answered {answer.path} with HTTP {answer.status} ({code or 'no code'}): {rule.advice}"
    return rule.error_in(answer, message, code, VenueResponse.retry_after)


def code_of(body: Any) -> str | None:
    """The code of an error; None in a success."""
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, str) and code else None


def _rule(answer: VenueResponse, code: str | None) -> ErrorRule | None:
    if answer.status >= 500:
        return SERVER_ERROR
    if code is not None:
        return CODES.get(code)
    return STATUSES.get(answer.status)
