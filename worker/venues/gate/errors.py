"""What an answer of Gate means: by its label, else by its HTTP status, from tables kept as data.

Sources: APIv4 documentation v4.106.88 of 2026-05-26, label list and "Return format", checked 2026-11-29. The rows of
AUTHENTICATION_FAILED and RISK_LIMIT_TOO_LOW are from ccxt's table. Labels of orders, loans, withdrawals and conversions
have no row: nothing that is asked here is answered with them, and were it so, it would be in doubt.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.gate.hosts import without_derivatives
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Refused,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

NO_ACCOUNT = "USER_NOT_FOUND"
"""Nothing was ever paid into the account of this settle currency, so there is none yet."""

NEVER_HELD = "POSITION_NOT_FOUND"
"""The account never held the contract and never set anything for it."""

FORBIDDEN = "FORBIDDEN"
"""The key is known, but lacks a right."""

INVALID = "INVALID_PARAM_VALUE"
"""The message names the parameter; it is the caller's only where something is changed (`CHANGES`)."""

CHANGES = ("/leverage", "/set_leverage", "/cross_mode", "/margin")
"""The ends of the paths whose values are a caller's. Those of every question are ours."""

HAS_ORDERS, HOLDS_POSITION = "ORDER_PENDING", "POSITION_HOLDING"
"""Refusals of a change because of open orders, or of an open position."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_OTHER_HOUSE = (
    f"{_KEY}; a key of Gate's European or American house ({without_derivatives()}) is unknown here, and those list no "
    "derivatives"
)
_BUSY = "it was not processed; try again later"
_UNSURE = "Gate itself can't say whether it was carried out"
_PARAMETER = "Gate does not take this value"
_OURS = "Gate does not take the request as this service makes it, whatever its values"
_RISK = "close or reduce positions, or add margin"

CODES: Mapping[str, ErrorRule] = MappingProxyType(
    {
        INVALID: ErrorRule(ValueRefused, _PARAMETER),
        "INVALID_PROTOCOL": ErrorRule(Refused, _OURS),
        "INVALID_ARGUMENT": ErrorRule(Refused, _OURS),
        "INVALID_REQUEST_BODY": ErrorRule(Refused, _OURS),
        "MISSING_REQUIRED_PARAM": ErrorRule(Refused, _OURS),
        "BAD_REQUEST": ErrorRule(Refused, _OURS),
        "INVALID_CONTENT_TYPE": ErrorRule(Refused, _OURS),
        "NOT_ACCEPTABLE": ErrorRule(Refused, _OURS),
        "METHOD_NOT_ALLOWED": ErrorRule(NotSupported, "Gate has no such operation"),
        "NOT_FOUND": ErrorRule(NotSupported, "Gate has no such endpoint"),
        "AUTHENTICATION_FAILED": ErrorRule(AccessDenied, _KEY),
        "INVALID_CREDENTIALS": ErrorRule(AccessDenied, _KEY),
        "INVALID_KEY": ErrorRule(AccessDenied, _OTHER_HOUSE),
        "IP_FORBIDDEN": ErrorRule(AccessDenied, "our address is not on the key's list"),
        "READ_ONLY": ErrorRule(AccessDenied, "the key may read only"),
        "INVALID_SIGNATURE": ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
        "MISSING_REQUIRED_HEADER": ErrorRule(AccessDenied, "Gate serves no such path here, or " + _KEY),
        "REQUEST_EXPIRED": ErrorRule(ClockSkewed, "our clock and Gate's differ by more than a minute"),
        "ACCOUNT_LOCKED": ErrorRule(AccessDenied, "the account is locked"),
        "ACCOUNT_EXCEPTION": ErrorRule(PreconditionFailed, "the account is in an abnormal state; ask Gate"),
        "SUB_ACCOUNT_LOCKED": ErrorRule(AccessDenied, "the sub-account is locked"),
        "SUB_ACCOUNT_NOT_FOUND": ErrorRule(AccessDenied, "there is no such sub-account"),
        FORBIDDEN: ErrorRule(AccessDenied, "the key lacks a right"),
        "REQUEST_FORBIDDEN": ErrorRule(AccessDenied, "the account may not do this"),
        "TRADE_RESTRICTED": ErrorRule(PreconditionFailed, "the account's debt is too high; " + _RISK),
        "TOO_FAST": ErrorRule(Throttled, "too many requests; " + _BUSY),
        "TOO_MANY_REQUESTS": ErrorRule(Throttled, "too many requests; " + _BUSY),
        NO_ACCOUNT: ErrorRule(PreconditionFailed, "transfer funds into this futures account, which opens it"),
        "CONTRACT_NO_COUNTER": ErrorRule(PreconditionFailed, "there are no orders in the book"),
        "CONTRACT_NOT_FOUND": ErrorRule(UnknownSymbol, "Gate lists no such contract in this settle currency"),
        "CONTRACT_IN_DELISTING": ErrorRule(PreconditionFailed, "the contract is being delisted; positions only shrink"),
        "RISK_LIMIT_EXCEEDED": ErrorRule(PreconditionFailed, "the position is too large for this leverage; reduce it"),
        "RISK_LIMIT_NOT_MULTIPLE": ErrorRule(ValueRefused, "the risk limit must be a multiple of its step"),
        "RISK_LIMIT_TOO_HIGH": ErrorRule(ValueRefused, "the risk limit is too high"),
        "RISK_LIMIT_TOO_LOW": ErrorRule(ValueRefused, "the risk limit is too low"),
        "RISK_LIMIT_TOO_lOW": ErrorRule(ValueRefused, "the risk limit is too low"),
        "INSUFFICIENT_AVAILABLE": ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        "BALANCE_NOT_ENOUGH": ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _RISK),
        "FUTURES_BALANCE_NOT_ENOUGH": ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _RISK),
        "MARGIN_BALANCE_NOT_ENOUGH": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK),
        "INITIAL_MARGIN_TOO_LOW": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK),
        "LIQUIDATE_IMMEDIATELY": ErrorRule(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        "LEVERAGE_TOO_HIGH": ErrorRule(
            ValueRefused, "the contract or the position's size does not allow this leverage"
        ),
        "LEVERAGE_TOO_LOW": ErrorRule(ValueRefused, "the contract does not allow this leverage"),
        "POSITION_CROSS_MARGIN": ErrorRule(PreconditionFailed, "a cross position has no margin of its own"),
        "POSITION_IN_LIQUIDATION": ErrorRule(PreconditionFailed, "the position is being liquidated"),
        "POSITION_IN_CLOSE": ErrorRule(PreconditionFailed, "the position is being closed; wait for it"),
        "POSITION_EMPTY": ErrorRule(PreconditionFailed, "there is no open position"),
        NEVER_HELD: ErrorRule(PreconditionFailed, "the account never held this contract"),
        "POSITION_DUAL_MODE": ErrorRule(PreconditionFailed, "switch the account from hedge mode to one-way mode first"),
        HOLDS_POSITION: ErrorRule(PreconditionFailed, "close the position first"),
        HAS_ORDERS: ErrorRule(PreconditionFailed, "cancel the open orders first"),
        "TOO_MANY_ORDERS": ErrorRule(PreconditionFailed, "cancel some open orders first"),
        "REMOVE_TOO_MUCH": ErrorRule(ValueRefused, "the position needs this margin"),
        "NO_CHANGE": ErrorRule(AlreadySo, "it is so already"),
        "DUPLICATE_REQUEST": ErrorRule(Ambiguous, "it repeats a request that may have been carried out"),
        "INTERNAL": ErrorRule(Ambiguous, _UNSURE),
        "SERVER_ERROR": ErrorRule(Ambiguous, _UNSURE),
        "INTERNAL_SERVER_ERROR": ErrorRule(Ambiguous, _UNSURE),
        "SERVER_TIMEOUT": ErrorRule(Ambiguous, _UNSURE),
        "TOO_BUSY": ErrorRule(Ambiguous, _UNSURE),
    }
)
"""What a label means; the same on all futures endpoints. One of them is documented with a small letter in it."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        202: ErrorRule(Ambiguous, "it is accepted, but not carried out yet"),
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(AccessDenied, "Gate does not serve our location, or " + _KEY),
        404: ErrorRule(NotSupported, "Gate has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        429: ErrorRule(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no label in the answer, or none that we know."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever the label: a server error is no refusal."""

NOT_AS_ASKED = ErrorRule(Refused, _OURS)
"""A value that Gate does not take in a question, where all values are ours."""

PREFIX = "/api/v4"
"""What all paths begin with."""

RESET = "x-gate-ratelimit-reset-timestamp"
"""When a used-up limit is free again: the next window, in seconds since 1970 (the Chinese documents say so, the English
ones name no unit). By its size it is taken for ms or µs too, in which Gate writes other headers."""

IN_MICROSECONDS = 10**14
"""A time since 1970 beyond this is in µs: in ms it would be later than the year 5000."""

LONGEST_WAIT: Milliseconds = 60_000
"""The longest that a reset is believed. All windows of what is asked here last ten seconds."""

UNKNOWN = ErrorRule(Unlisted, "see Gate's message")
"""A label that is in no table."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None for a success, and for a refusal without a label and a status of its own."""
    label = label_of(answer.body)
    meaning = _meaning(answer, label)
    if meaning is None:
        return None
    return meaning.error_in(answer, _words(answer, label, meaning), label or None, retry_after)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait until the limit is free again; None if Gate doesn't say."""
    if (reset := answer.number(RESET)) is None:
        return None
    return answer.until(reset // 1_000 if reset >= IN_MICROSECONDS else reset, LONGEST_WAIT)


def label_of(body: Any) -> str:
    """Gate's label of an error; empty where there is none."""
    return _text(body, "label")


def _meaning(answer: VenueResponse, label: str) -> ErrorRule | None:
    if answer.status >= 500:
        return SERVER_ERROR
    if label == INVALID and not answer.path.endswith(CHANGES):
        return NOT_AS_ASKED
    if label in CODES:
        return CODES[label]
    return STATUSES.get(answer.status) or (UNKNOWN if label else None)


def _text(body: Any, name: str) -> str:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


def _words(answer: VenueResponse, label: str, meaning: ErrorRule) -> str:
    if not label:
        return f"Gate answered {answer.path.removeprefix(PREFIX)} with HTTP {answer.status}: {meaning.advice}"
    message = _text(answer.body, "message") or _text(answer.body, "detail")
    return f"Gate says {message!r} ({label}) to {answer.path.removeprefix(PREFIX)}: {meaning.advice}"
