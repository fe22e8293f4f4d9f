"""Gate's labels and what they mean for us, as data.

Source: APIv4 documentation, "Error handling", label list (requests, authentication, futures, server errors), and its
"Return format" for HTTP statuses.
"""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    ValueRefused,
)

NO_ACCOUNT = "USER_NOT_FOUND"
"""Nothing was ever paid into the account of this settle currency, so there is none yet."""

NEVER_HELD = "POSITION_NOT_FOUND"
"""The account never held the contract and never set anything for it."""

FORBIDDEN = "FORBIDDEN"
"""The key is known, but lacks a right."""

HAS_ORDERS, HOLDS_POSITION = "ORDER_PENDING", "POSITION_HOLDING"
"""Refusals of a change because of open orders, or of an open position."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Gate itself can't say whether it was carried out"
_PARAMETER = "Gate does not take this parameter"
_RISK = "close or reduce positions, or add margin"

CODES: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "INVALID_PARAM_VALUE": ErrorRule(ValueRefused, _PARAMETER),
        "INVALID_PROTOCOL": ErrorRule(ValueRefused, _PARAMETER),
        "INVALID_ARGUMENT": ErrorRule(ValueRefused, _PARAMETER),
        "INVALID_REQUEST_BODY": ErrorRule(ValueRefused, "Gate can't read the request's body"),
        "MISSING_REQUIRED_PARAM": ErrorRule(ValueRefused, "a parameter is missing"),
        "BAD_REQUEST": ErrorRule(ValueRefused, "Gate can't read the request"),
        "INVALID_CONTENT_TYPE": ErrorRule(ValueRefused, "Gate can't read the request's body"),
        "NOT_ACCEPTABLE": ErrorRule(ValueRefused, "Gate can't answer in the form asked for"),
        "METHOD_NOT_ALLOWED": ErrorRule(NotSupported, "Gate has no such operation"),
        "NOT_FOUND": ErrorRule(NotSupported, "Gate has no such endpoint"),
        "AUTHENTICATION_FAILED": ErrorRule(AccessDenied, _KEY),
        "INVALID_CREDENTIALS": ErrorRule(AccessDenied, _KEY),
        "INVALID_KEY": ErrorRule(AccessDenied, _KEY),
        "IP_FORBIDDEN": ErrorRule(AccessDenied, "our address is not on the key's list"),
        "READ_ONLY": ErrorRule(AccessDenied, "the key may read only"),
        "INVALID_SIGNATURE": ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
        "MISSING_REQUIRED_HEADER": ErrorRule(AccessDenied, _KEY),
        "REQUEST_EXPIRED": ErrorRule(ClockSkewed, "our clock and Gate's differ by more than a minute"),
        "ACCOUNT_LOCKED": ErrorRule(AccessDenied, "the account is locked"),
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
        403: ErrorRule(AccessDenied, _KEY),
        404: ErrorRule(NotSupported, "Gate has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        429: ErrorRule(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no label in the answer, or none that we know."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on."""
