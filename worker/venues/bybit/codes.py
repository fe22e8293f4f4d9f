"""Bybit's codes and what they mean for us, as data.

Sources: the V5 documentation's pages "Error Codes", "Rate Limit Rules" and "Set Margin Mode".
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
    Refused,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
)

MARGIN_MODE_FAILED = 3400045
"""The one refusal of an account-wide switch; `result.reasons` says why."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Bybit itself can't say whether it was carried out"
_PARAMETER = "Bybit does not take these parameters"
_RISK = "close or reduce positions, or add margin"
_ORDER = "it is about an order, and none was sent"

CODES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        -1: ErrorRule(ClockSkewed, "the request was under way for too long"),
        429: ErrorRule(Throttled, "the trading service is overloaded; " + _BUSY),
        5004: ErrorRule(Ambiguous, _UNSURE),
        7001: ErrorRule(ValueRefused, _PARAMETER),
        10000: ErrorRule(Ambiguous, _UNSURE),
        10001: ErrorRule(ValueRefused, _PARAMETER),
        10002: ErrorRule(ClockSkewed, "our clock and Bybit's differ by more than the window allows"),
        10003: ErrorRule(AccessDenied, "the API key is not valid here; " + _KEY),
        10004: ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
        10005: ErrorRule(AccessDenied, "the API key may not do this; " + _KEY),
        10006: ErrorRule(Throttled, "too many requests for this account; " + _BUSY),
        10007: ErrorRule(AccessDenied, _KEY),
        10008: ErrorRule(AccessDenied, "the account is banned; ask Bybit"),
        10009: ErrorRule(AccessDenied, "our address is banned"),
        10010: ErrorRule(AccessDenied, "our address is not on the key's list"),
        10014: ErrorRule(Refused, "the request was sent twice"),
        10016: ErrorRule(Ambiguous, _UNSURE),
        10017: ErrorRule(NotSupported, "Bybit has no such endpoint"),
        10018: ErrorRule(Throttled, "too many requests from our address; " + _BUSY),
        10019: ErrorRule(Ambiguous, "the service is restarting; " + _UNSURE),
        10020: ErrorRule(PreconditionFailed, "it is no unified account; upgrade it first"),
        10024: ErrorRule(AccessDenied, "Bybit's compliance rules forbid it to this account"),
        10027: ErrorRule(AccessDenied, "trading is banned for this account; ask Bybit"),
        10028: ErrorRule(PreconditionFailed, "only a unified account has this; upgrade it first"),
        10029: ErrorRule(AccessDenied, "the symbol is not on the key's list"),
        10032: ErrorRule(NotSupported, "demo trading does not have this"),
        10404: ErrorRule(NotSupported, "Bybit has no such endpoint, or not for this category"),
        10429: ErrorRule(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
        33004: ErrorRule(AccessDenied, "the API key has expired; make a new one"),
        34036: ErrorRule(AlreadySo, "the leverage is so already"),
        100028: ErrorRule(NotSupported, "a unified account has no margin mode of its own for a symbol"),
        110001: ErrorRule(Refused, _ORDER),
        110003: ErrorRule(Refused, _ORDER),
        110004: ErrorRule(PreconditionFailed, "the wallet balance is not sufficient; " + _RISK),
        110005: ErrorRule(PreconditionFailed, "the position is being liquidated or adjusted; wait until it is normal"),
        110006: ErrorRule(PreconditionFailed, "the margin would not cover the position; " + _RISK),
        110007: ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110008: ErrorRule(Refused, _ORDER),
        110009: ErrorRule(PreconditionFailed, "cancel conditional orders first"),
        110010: ErrorRule(Refused, _ORDER),
        110011: ErrorRule(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        110012: ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110013: ErrorRule(ValueRefused, "the risk limit of this market does not allow this leverage"),
        110014: ErrorRule(PreconditionFailed, "the available balance is not sufficient to add margin; " + _RISK),
        110015: ErrorRule(PreconditionFailed, "the position is in cross margin; switch it to isolated first"),
        110016: ErrorRule(PreconditionFailed, "the position is beyond the risk limit; reduce it first"),
        110017: ErrorRule(Refused, _ORDER),
        110018: ErrorRule(AccessDenied, "Bybit knows no such user"),
        110019: ErrorRule(Refused, _ORDER),
        110020: ErrorRule(PreconditionFailed, "cancel open orders first"),
        110021: ErrorRule(PreconditionFailed, "the market's open interest is at its limit; reduce the position first"),
        110022: ErrorRule(Refused, _ORDER),
        110023: ErrorRule(PreconditionFailed, "positions in this market may only be reduced at the moment"),
        110024: ErrorRule(PreconditionFailed, "close the position in this market first"),
        110025: ErrorRule(AlreadySo, "the position mode is so already"),
        110026: ErrorRule(AlreadySo, "the margin mode is so already"),
        110027: ErrorRule(AlreadySo, "the margin is so already"),
        110028: ErrorRule(PreconditionFailed, "cancel the open orders of this market first"),
        110029: ErrorRule(NotSupported, "this market has no hedge mode"),
        110031: ErrorRule(ValueRefused, "there is no such risk limit"),
        110033: ErrorRule(PreconditionFailed, "there is no position whose margin could be set"),
        110034: ErrorRule(PreconditionFailed, "there is no position"),
        110035: ErrorRule(PreconditionFailed, "orders are still being cancelled before a liquidation; wait for that"),
        110036: ErrorRule(PreconditionFailed, "leverage can't be changed in cross margin; switch to isolated first"),
        110037: ErrorRule(UnknownSymbol, "the account has no settings for this market"),
        110038: ErrorRule(
            PreconditionFailed, "portfolio margin has no leverage; switch the account to cross margin first"
        ),
        110039: ErrorRule(PreconditionFailed, "the maintenance margin would be too high; " + _RISK),
        110040: ErrorRule(PreconditionFailed, "it would trigger a liquidation; " + _RISK),
        110041: ErrorRule(PreconditionFailed, "close the position and cancel its orders first"),
        110042: ErrorRule(PreconditionFailed, "the contract is about to be delivered; positions may only be reduced"),
        110043: ErrorRule(AlreadySo, "the leverage is so already"),
        110044: ErrorRule(PreconditionFailed, "the available margin is not sufficient; " + _RISK),
        110045: ErrorRule(PreconditionFailed, "the wallet balance is not sufficient; " + _RISK),
        110046: ErrorRule(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        110047: ErrorRule(PreconditionFailed, "the margin does not allow another risk limit; " + _RISK),
        110048: ErrorRule(PreconditionFailed, "the position is larger than the new risk limit; reduce it first"),
        110049: ErrorRule(ValueRefused, _PARAMETER),
        110050: ErrorRule(ValueRefused, "Bybit knows no such coin"),
        110051: ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110052: ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110053: ErrorRule(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110063: ErrorRule(PreconditionFailed, "the market is being settled; try again afterwards"),
        110066: ErrorRule(PreconditionFailed, "trading is not allowed at the moment"),
        110067: ErrorRule(NotSupported, "a unified account does not have this"),
        110068: ErrorRule(AccessDenied, "a user of leveraged tokens may not do this"),
        110069: ErrorRule(AccessDenied, "an OTC borrower may not do this"),
        110070: ErrorRule(NotSupported, "this kind of symbol is not traded through the API"),
        110071: ErrorRule(PreconditionFailed, "Bybit upgrades no account at the moment"),
        110073: ErrorRule(Ambiguous, _UNSURE),
        110074: ErrorRule(PreconditionFailed, "the contract is not open for trading"),
        110075: ErrorRule(AlreadySo, "the risk limit is so already"),
        110076: ErrorRule(PreconditionFailed, "only isolated margin has this; switch to isolated first"),
        110077: ErrorRule(NotSupported, "portfolio margin does not have this"),
        3400000: ErrorRule(PreconditionFailed, "the equity of the account is too low"),
        3400054: ErrorRule(PreconditionFailed, "the account is being settled; try again afterwards"),
        MARGIN_MODE_FAILED: ErrorRule(PreconditionFailed, "the account's margin mode can't be switched now"),
    }
)
"""What a code means."""

UNKNOWN = ErrorRule(Unlisted, "no table has this code; see Bybit's message")
"""Any other code that is not 0."""

NO_CODE = ErrorRule(Ambiguous, "the answer has no code and is not the documented one")
"""A success by its HTTP status that does not say it is one."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        400: ErrorRule(Refused, _PARAMETER),
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(
            Throttled, "our address sent too many requests, or is in a country Bybit does not serve; " + _BUSY
        ),
        404: ErrorRule(NotSupported, "Bybit has no such endpoint, or not for this type of account"),
        408: ErrorRule(Ambiguous, _UNSURE),
        429: ErrorRule(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever the answer says."""
