"""Bybit's codes and what they mean for us, as data.

Sources: the V5 documentation's pages "Error Codes", "Rate Limit Rules" and "Set Margin Mode".
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
    Refused,
    Throttled,
    UnknownSymbol,
    ValueRefused,
    VenueError,
)


class Meaning(NamedTuple):
    """The class of an answer, and what a person can do about it."""

    error: type[VenueError]
    advice: str


MARGIN_MODE_FAILED = 3400045
"""The one refusal of an account-wide switch; `result.reasons` says why."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Bybit itself can't say whether it was carried out"
_PARAMETER = "Bybit does not take these parameters"
_RISK = "close or reduce positions, or add margin"
_ORDER = "it is about an order, and none was sent"

CODES: Mapping[int, Meaning] = MappingProxyType(
    {
        -1: Meaning(ClockSkewed, "the request was under way for too long"),
        429: Meaning(Throttled, "the trading service is overloaded; " + _BUSY),
        5004: Meaning(Ambiguous, _UNSURE),
        7001: Meaning(ValueRefused, _PARAMETER),
        10000: Meaning(Ambiguous, _UNSURE),
        10001: Meaning(ValueRefused, _PARAMETER),
        10002: Meaning(ClockSkewed, "our clock and Bybit's differ by more than the window allows"),
        10003: Meaning(AccessDenied, "the API key is not valid here; " + _KEY),
        10004: Meaning(AccessDenied, "the signature is wrong; check the account's secret"),
        10005: Meaning(AccessDenied, "the API key may not do this; " + _KEY),
        10006: Meaning(Throttled, "too many requests for this account; " + _BUSY),
        10007: Meaning(AccessDenied, _KEY),
        10008: Meaning(AccessDenied, "the account is banned; ask Bybit"),
        10009: Meaning(AccessDenied, "our address is banned"),
        10010: Meaning(AccessDenied, "our address is not on the key's list"),
        10014: Meaning(Refused, "the request was sent twice"),
        10016: Meaning(Ambiguous, _UNSURE),
        10017: Meaning(NotSupported, "Bybit has no such endpoint"),
        10018: Meaning(Throttled, "too many requests from our address; " + _BUSY),
        10019: Meaning(Ambiguous, "the service is restarting; " + _UNSURE),
        10020: Meaning(PreconditionFailed, "it is no unified account; upgrade it first"),
        10024: Meaning(AccessDenied, "Bybit's compliance rules forbid it to this account"),
        10027: Meaning(AccessDenied, "trading is banned for this account; ask Bybit"),
        10028: Meaning(PreconditionFailed, "only a unified account has this; upgrade it first"),
        10029: Meaning(AccessDenied, "the symbol is not on the key's list"),
        10032: Meaning(NotSupported, "demo trading does not have this"),
        10404: Meaning(NotSupported, "Bybit has no such endpoint, or not for this category"),
        10429: Meaning(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
        33004: Meaning(AccessDenied, "the API key has expired; make a new one"),
        34036: Meaning(AlreadySo, "the leverage is so already"),
        100028: Meaning(NotSupported, "a unified account has no margin mode of its own for a symbol"),
        110001: Meaning(Refused, _ORDER),
        110003: Meaning(Refused, _ORDER),
        110004: Meaning(PreconditionFailed, "the wallet balance is not sufficient; " + _RISK),
        110005: Meaning(PreconditionFailed, "the position is being liquidated or adjusted; wait until it is normal"),
        110006: Meaning(PreconditionFailed, "the margin would not cover the position; " + _RISK),
        110007: Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110008: Meaning(Refused, _ORDER),
        110009: Meaning(PreconditionFailed, "cancel conditional orders first"),
        110010: Meaning(Refused, _ORDER),
        110011: Meaning(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        110012: Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110013: Meaning(ValueRefused, "the risk limit of this market does not allow this leverage"),
        110014: Meaning(PreconditionFailed, "the available balance is not sufficient to add margin; " + _RISK),
        110015: Meaning(PreconditionFailed, "the position is in cross margin; switch it to isolated first"),
        110016: Meaning(PreconditionFailed, "the position is beyond the risk limit; reduce it first"),
        110017: Meaning(Refused, _ORDER),
        110018: Meaning(AccessDenied, "Bybit knows no such user"),
        110019: Meaning(Refused, _ORDER),
        110020: Meaning(PreconditionFailed, "cancel open orders first"),
        110021: Meaning(PreconditionFailed, "the market's open interest is at its limit; reduce the position first"),
        110022: Meaning(Refused, _ORDER),
        110023: Meaning(PreconditionFailed, "positions in this market may only be reduced at the moment"),
        110024: Meaning(PreconditionFailed, "close the position in this market first"),
        110025: Meaning(AlreadySo, "the position mode is so already"),
        110026: Meaning(AlreadySo, "the margin mode is so already"),
        110027: Meaning(AlreadySo, "the margin is so already"),
        110028: Meaning(PreconditionFailed, "cancel the open orders of this market first"),
        110029: Meaning(NotSupported, "this market has no hedge mode"),
        110031: Meaning(ValueRefused, "there is no such risk limit"),
        110033: Meaning(PreconditionFailed, "there is no position whose margin could be set"),
        110034: Meaning(PreconditionFailed, "there is no position"),
        110035: Meaning(PreconditionFailed, "orders are still being cancelled before a liquidation; wait for that"),
        110036: Meaning(PreconditionFailed, "leverage can't be changed in cross margin; switch to isolated first"),
        110037: Meaning(UnknownSymbol, "the account has no settings for this market"),
        110038: Meaning(
            PreconditionFailed, "portfolio margin has no leverage; switch the account to cross margin first"
        ),
        110039: Meaning(PreconditionFailed, "the maintenance margin would be too high; " + _RISK),
        110040: Meaning(PreconditionFailed, "it would trigger a liquidation; " + _RISK),
        110041: Meaning(PreconditionFailed, "close the position and cancel its orders first"),
        110042: Meaning(PreconditionFailed, "the contract is about to be delivered; positions may only be reduced"),
        110043: Meaning(AlreadySo, "the leverage is so already"),
        110044: Meaning(PreconditionFailed, "the available margin is not sufficient; " + _RISK),
        110045: Meaning(PreconditionFailed, "the wallet balance is not sufficient; " + _RISK),
        110046: Meaning(PreconditionFailed, "it would liquidate the position at once; " + _RISK),
        110047: Meaning(PreconditionFailed, "the margin does not allow another risk limit; " + _RISK),
        110048: Meaning(PreconditionFailed, "the position is larger than the new risk limit; reduce it first"),
        110049: Meaning(ValueRefused, _PARAMETER),
        110050: Meaning(ValueRefused, "Bybit knows no such coin"),
        110051: Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110052: Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110053: Meaning(PreconditionFailed, "the available balance is not sufficient; " + _RISK),
        110063: Meaning(PreconditionFailed, "the market is being settled; try again afterwards"),
        110066: Meaning(PreconditionFailed, "trading is not allowed at the moment"),
        110067: Meaning(NotSupported, "a unified account does not have this"),
        110068: Meaning(AccessDenied, "a user of leveraged tokens may not do this"),
        110069: Meaning(AccessDenied, "an OTC borrower may not do this"),
        110070: Meaning(NotSupported, "this kind of symbol is not traded through the API"),
        110071: Meaning(PreconditionFailed, "Bybit upgrades no account at the moment"),
        110073: Meaning(Ambiguous, _UNSURE),
        110074: Meaning(PreconditionFailed, "the contract is not open for trading"),
        110075: Meaning(AlreadySo, "the risk limit is so already"),
        110076: Meaning(PreconditionFailed, "only isolated margin has this; switch to isolated first"),
        110077: Meaning(NotSupported, "portfolio margin does not have this"),
        3400000: Meaning(PreconditionFailed, "the equity of the account is too low"),
        3400054: Meaning(PreconditionFailed, "the account is being settled; try again afterwards"),
        MARGIN_MODE_FAILED: Meaning(PreconditionFailed, "the account's margin mode can't be switched now"),
    }
)
"""What a code means."""

UNKNOWN = Meaning(Refused, "no table has this code; see Bybit's message")
"""Any other code that is not 0."""

NO_CODE = Meaning(Ambiguous, "the answer has no code and is not the documented one")
"""A success by its HTTP status that does not say it is one."""

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        400: Meaning(Refused, _PARAMETER),
        401: Meaning(AccessDenied, _KEY),
        403: Meaning(
            Throttled, "our address sent too many requests, or is in a country Bybit does not serve; " + _BUSY
        ),
        404: Meaning(NotSupported, "Bybit has no such endpoint, or not for this type of account"),
        408: Meaning(Ambiguous, _UNSURE),
        429: Meaning(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer."""

SERVER_ERROR = Meaning(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever the answer says."""
