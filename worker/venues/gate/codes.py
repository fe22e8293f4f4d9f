"""Gate's labels and what they mean for us, as data.

Source: APIv4 documentation, "Error handling", label list (requests, authentication, futures, server errors), and its
"Return format" for HTTP statuses.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from worker.venues.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    ValueRefused,
    VenueError,
)


class Meaning(NamedTuple):
    """The class of an answer, and what a person can do about it."""

    error: type[VenueError]
    advice: str


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

CODES: Mapping[str, Meaning] = MappingProxyType(
    {
        "INVALID_PARAM_VALUE": Meaning(ValueRefused, _PARAMETER),
        "INVALID_PROTOCOL": Meaning(ValueRefused, _PARAMETER),
        "INVALID_ARGUMENT": Meaning(ValueRefused, _PARAMETER),
        "INVALID_REQUEST_BODY": Meaning(ValueRefused, "Gate can't read the request's body"),
        "MISSING_REQUIRED_PARAM": Meaning(ValueRefused, "a parameter is missing"),
        "BAD_REQUEST": Meaning(ValueRefused, "Gate can't read the request"),
        "INVALID_CONTENT_TYPE": Meaning(ValueRefused, "Gate can't read the request's body"),
        "NOT_ACCEPTABLE": Meaning(ValueRefused, "Gate can't answer in the form asked for"),
        "METHOD_NOT_ALLOWED": Meaning(NotSupported, "Gate has no such operation"),
        "NOT_FOUND": Meaning(NotSupported, "Gate has no such endpoint"),
        "AUTHENTICATION_FAILED": Meaning(AccessDenied, _KEY),
        "INVALID_CREDENTIALS": Meaning(AccessDenied, _KEY),
        "INVALID_KEY": Meaning(AccessDenied, _KEY),
        "IP_FORBIDDEN": Meaning(AccessDenied, "our address is not on the key's list"),
        "READ_ONLY": Meaning(AccessDenied, "the key may read only"),
        "INVALID_SIGNATURE": Meaning(AccessDenied, "the signature is wrong; check the account's secret"),
        "MISSING_REQUIRED_HEADER": Meaning(AccessDenied, _KEY),
        "REQUEST_EXPIRED": Meaning(ClockSkewed, "our clock and Gate's differ by more than a minute"),
        "ACCOUNT_LOCKED": Meaning(AccessDenied, "the account is locked"),
        "SUB_ACCOUNT_LOCKED": Meaning(AccessDenied, "the sub-account is locked"),
        "SUB_ACCOUNT_NOT_FOUND": Meaning(AccessDenied, "there is no such sub-account"),
        FORBIDDEN: Meaning(AccessDenied, "the key lacks a right"),
        "REQUEST_FORBIDDEN": Meaning(AccessDenied, "the account may not do this"),
        "TRADE_RESTRICTED": Meaning(PreconditionFailed, "the account's debt is too high; " + _RISK),
        "TOO_FAST": Meaning(Throttled, "too many requests; " + _BUSY),
        "TOO_MANY_REQUESTS": Meaning(Throttled, "too many requests; " + _BUSY),
        NO_ACCOUNT: Meaning(PreconditionFailed, "transfer funds into this futures account, which opens it"),
        "CONTRACT_NO_COUNTER": Meaning(PreconditionFailed, "there are no orders in the book"),
        "CONTRACT_NOT_FOUND": Meaning(UnknownSymbol, "Gate lists no such contract in this settle currency"),
        "CONTRACT_IN_DELISTING": Meaning(PreconditionFailed, "the contract is being delisted; positions only shrink"),
        "RISK_LIMIT_EXCEEDED": Meaning(PreconditionFailed, "the position is too large for this leverage; reduce it"),
        "RISK_LIMIT_NOT_MULTIPLE": Meaning(ValueRefused, "the risk limit must be a multiple of its step"),
        "RISK_LIMIT_TOO_HIGH": Meaning(ValueRefused, "the risk limit is too high"),
        "RISK_LIMIT_TOO_LOW": Meaning(ValueRefused, "the risk limit is too low"),
        "RISK_LIMIT_TOO_lOW": Meaning(ValueRefused, "the risk limit is too low"),
        "INSUFFICIENT_AVAILABLE": Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        "BALANCE_NOT_ENOUGH": Meaning(PreconditionFailed, "the balance is not sufficient; " + _RISK),
        "FUTURES_BALANCE_NOT_ENOUGH": Meaning(PreconditionFailed, "the balance is not sufficient; " + _RISK),
        "MARGIN_BALANCE_NOT_ENOUGH": Meaning(PreconditionFailed, "the margin is not sufficient; " + _RISK),
        "INITIAL_MARGIN_TOO_LOW": Meaning(PreconditionFailed, "the margin is not sufficient; " + _RISK),
        "LIQUIDATE_IMMEDIATELY": Meaning(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        "LEVERAGE_TOO_HIGH": Meaning(ValueRefused, "the contract or the position's size does not allow this leverage"),
        "LEVERAGE_TOO_LOW": Meaning(ValueRefused, "the contract does not allow this leverage"),
        "POSITION_CROSS_MARGIN": Meaning(PreconditionFailed, "a cross position has no margin of its own"),
        "POSITION_IN_LIQUIDATION": Meaning(PreconditionFailed, "the position is being liquidated"),
        "POSITION_IN_CLOSE": Meaning(PreconditionFailed, "the position is being closed; wait for it"),
        "POSITION_EMPTY": Meaning(PreconditionFailed, "there is no open position"),
        NEVER_HELD: Meaning(PreconditionFailed, "the account never held this contract"),
        "POSITION_DUAL_MODE": Meaning(PreconditionFailed, "switch the account from hedge mode to one-way mode first"),
        HOLDS_POSITION: Meaning(PreconditionFailed, "close the position first"),
        HAS_ORDERS: Meaning(PreconditionFailed, "cancel the open orders first"),
        "TOO_MANY_ORDERS": Meaning(PreconditionFailed, "cancel some open orders first"),
        "REMOVE_TOO_MUCH": Meaning(ValueRefused, "the position needs this margin"),
        "NO_CHANGE": Meaning(AlreadySo, "it is so already"),
        "INTERNAL": Meaning(Ambiguous, _UNSURE),
        "SERVER_ERROR": Meaning(Ambiguous, _UNSURE),
        "INTERNAL_SERVER_ERROR": Meaning(Ambiguous, _UNSURE),
        "SERVER_TIMEOUT": Meaning(Ambiguous, _UNSURE),
        "TOO_BUSY": Meaning(Ambiguous, _UNSURE),
    }
)
"""What a label means; the same on all futures endpoints. One of them is documented with a small letter in it."""

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        202: Meaning(Ambiguous, "it is accepted, but not carried out yet"),
        401: Meaning(AccessDenied, _KEY),
        403: Meaning(AccessDenied, _KEY),
        404: Meaning(NotSupported, "Gate has no such endpoint"),
        408: Meaning(Ambiguous, _UNSURE),
        429: Meaning(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no label in the answer, or none that we know."""

SERVER_ERROR = Meaning(Ambiguous, _UNSURE)
"""Any status from 500 on."""
