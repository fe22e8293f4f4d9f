"""Binance's codes and what they mean for us, as data.

Sources: the error code pages of the USDⓈ-M, COIN-M and Portfolio Margin documentation, and their general-info pages for
HTTP statuses and the three meanings of a 503.
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


FAMILIES = ("fapi", "dapi", "papi", "sapi")
"""USDⓈ-M futures, COIN-M futures, Portfolio Margin and the wallet: the first segment of every path."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Binance itself can't say whether it was carried out"
_PARAMETER = "Binance does not take this parameter"
_RISK = "close or reduce positions, or add margin"
_LIMITED = "Binance limits the leverage of this account"
_FAILED = "Binance says that it failed"

_EVERYWHERE: dict[int, Meaning] = {
    -1000: Meaning(Ambiguous, _UNSURE),
    -1001: Meaning(Ambiguous, _UNSURE),
    -1002: Meaning(AccessDenied, _KEY),
    -1003: Meaning(Throttled, "too many requests; " + _BUSY),
    -1004: Meaning(Refused, "this address is on the list already"),
    -1005: Meaning(AccessDenied, "this address is not on the key's list"),
    -1006: Meaning(Ambiguous, _UNSURE),
    -1007: Meaning(Ambiguous, _UNSURE),
    -1008: Meaning(Throttled, "Binance is overloaded; " + _BUSY),
    -1010: Meaning(Refused, "see Binance's message"),
    -1011: Meaning(AccessDenied, "our address is not allowed"),
    -1013: Meaning(ValueRefused, _PARAMETER),
    -1014: Meaning(NotSupported, "Binance knows no such order"),
    -1015: Meaning(Throttled, "too many orders; " + _BUSY),
    -1016: Meaning(Ambiguous, "this service is being shut down; " + _UNSURE),
    -1020: Meaning(NotSupported, "Binance has no such operation"),
    -1021: Meaning(ClockSkewed, "our clock and Binance's differ by more than the window allows"),
    -1022: Meaning(AccessDenied, "the signature is wrong; check the account's secret"),
    -1023: Meaning(ValueRefused, "the start lies behind the end"),
    -1099: Meaning(AccessDenied, _KEY),
    -1100: Meaning(ValueRefused, _PARAMETER),
    -1101: Meaning(ValueRefused, _PARAMETER),
    -1102: Meaning(ValueRefused, _PARAMETER),
    -1103: Meaning(ValueRefused, _PARAMETER),
    -1104: Meaning(ValueRefused, _PARAMETER),
    -1105: Meaning(ValueRefused, _PARAMETER),
    -1106: Meaning(ValueRefused, _PARAMETER),
    -1108: Meaning(ValueRefused, "Binance knows no such asset"),
    -1109: Meaning(AccessDenied, "the account is not active"),
    -1110: Meaning(UnknownSymbol, "it is no instrument of this kind"),
    -1111: Meaning(ValueRefused, "too many decimal places"),
    -1112: Meaning(PreconditionFailed, "there are no orders in the book"),
    -1113: Meaning(ValueRefused, "the amount must be negative"),
    -1114: Meaning(ValueRefused, _PARAMETER),
    -1115: Meaning(ValueRefused, _PARAMETER),
    -1116: Meaning(ValueRefused, _PARAMETER),
    -1117: Meaning(ValueRefused, _PARAMETER),
    -1118: Meaning(ValueRefused, _PARAMETER),
    -1119: Meaning(ValueRefused, _PARAMETER),
    -1120: Meaning(ValueRefused, _PARAMETER),
    -1121: Meaning(UnknownSymbol, "Binance lists no such market"),
    -1122: Meaning(PreconditionFailed, "the market is not open for trading"),
    -1125: Meaning(Refused, "the listen key does not exist"),
    -1126: Meaning(ValueRefused, "this asset is not supported"),
    -1127: Meaning(ValueRefused, "the stretch of time is too long"),
    -1128: Meaning(ValueRefused, "these parameters don't go together"),
    -1130: Meaning(ValueRefused, _PARAMETER),
    -2008: Meaning(AccessDenied, "Binance knows no such API key; " + _KEY),
    -2010: Meaning(Refused, "see Binance's message"),
    -2011: Meaning(Refused, "see Binance's message"),
    -2012: Meaning(Refused, "see Binance's message"),
    -2013: Meaning(Refused, "there is no such order"),
    -2014: Meaning(AccessDenied, "the API key is malformed; " + _KEY),
    -2015: Meaning(AccessDenied, _KEY),
    -2016: Meaning(PreconditionFailed, "the market is not open for trading"),
    -2017: Meaning(AccessDenied, "the API keys of this account are locked"),
    -2018: Meaning(PreconditionFailed, "the balance is not sufficient; " + _RISK),
    -2019: Meaning(PreconditionFailed, "the margin is not sufficient; " + _RISK),
    -2020: Meaning(PreconditionFailed, "the order can't be filled"),
    -2021: Meaning(PreconditionFailed, "the order would trigger at once"),
    -2022: Meaning(PreconditionFailed, "there is nothing to reduce"),
    -2023: Meaning(PreconditionFailed, "the account is being liquidated"),
    -2024: Meaning(PreconditionFailed, "the position is not large enough"),
    -2025: Meaning(PreconditionFailed, "cancel open orders first"),
    -2026: Meaning(NotSupported, "this order type can't be reduce-only"),
    -2027: Meaning(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    -2028: Meaning(PreconditionFailed, "the margin is too small for so low a leverage; " + _RISK),
    -2030: Meaning(Refused, "see Binance's message"),
    -4028: Meaning(ValueRefused, "the market does not allow this leverage"),
    -4046: Meaning(AlreadySo, "the margin mode is so already"),
    -4047: Meaning(PreconditionFailed, "cancel the open orders of this market first"),
    -4048: Meaning(PreconditionFailed, "close the position in this market first"),
    -4049: Meaning(PreconditionFailed, "the position is not isolated"),
    -4050: Meaning(PreconditionFailed, "the cross balance is not sufficient; " + _RISK),
    -4051: Meaning(PreconditionFailed, "the isolated balance is not sufficient; " + _RISK),
    -4056: Meaning(AccessDenied, "this is not the right type of API key"),
    -4057: Meaning(AccessDenied, "the API key is malformed"),
    -4059: Meaning(AlreadySo, "the position mode is so already"),
    -4060: Meaning(ValueRefused, "Binance knows no such position side"),
    -4061: Meaning(PreconditionFailed, "the position side does not fit the account's position mode"),
    -4067: Meaning(PreconditionFailed, "cancel all open orders of the account first"),
    -4068: Meaning(PreconditionFailed, "close all positions of the account first"),
    -4087: Meaning(PreconditionFailed, "the account may only reduce positions"),
    -4088: Meaning(PreconditionFailed, "the account may not trade at the moment"),
    -4108: Meaning(PreconditionFailed, "the contract is being delivered or settled"),
    -4109: Meaning(PreconditionFailed, "the account is not active; transfer funds into it"),
    -4140: Meaning(PreconditionFailed, "no position can be opened in this market at the moment"),
    -4141: Meaning(PreconditionFailed, "the market is closed"),
    -4144: Meaning(UnknownSymbol, "Binance lists no such pair"),
    -4161: Meaning(PreconditionFailed, "an isolated position's leverage can't be lowered; close the position first"),
    -4165: Meaning(ValueRefused, "the stretch of time is too long"),
    -4167: Meaning(PreconditionFailed, "switch all markets to cross margin first"),
    -4168: Meaning(PreconditionFailed, "switch the account from multi-assets to single-asset mode first"),
    -4169: Meaning(PreconditionFailed, "the margin is not sufficient; " + _RISK),
    -4170: Meaning(PreconditionFailed, "cancel all open orders of the account first"),
    -4171: Meaning(AlreadySo, "the multi-assets mode is so already"),
    -4192: Meaning(PreconditionFailed, "the account is in its cooling-off period"),
    -4202: Meaning(PreconditionFailed, _LIMITED + " until its owner's identity is verified"),
    -4203: Meaning(PreconditionFailed, _LIMITED + " until a month after its registration"),
    -4205: Meaning(PreconditionFailed, _LIMITED + " for some days after its registration"),
    -4206: Meaning(PreconditionFailed, _LIMITED + " in its owner's country"),
    -4208: Meaning(PreconditionFailed, _LIMITED + " while its position limit is adjusted"),
    -4209: Meaning(ValueRefused, "the market does not allow this leverage"),
    -4400: Meaning(PreconditionFailed, "the account broke a trading rule and may only reduce positions"),
    -4401: Meaning(PreconditionFailed, "the account may only reduce positions"),
    -4402: Meaning(AccessDenied, "Binance does not offer this in the owner's country"),
    -4403: Meaning(PreconditionFailed, _LIMITED + " in its owner's country"),
}

_PORTFOLIO_MARGIN: dict[int, Meaning] = {
    -4531: Meaning(PreconditionFailed, "the position modes of USDⓈ-M and COIN-M can't be brought together now"),
    -21001: Meaning(PreconditionFailed, "it is no Portfolio Margin account; enable that, or register it without"),
    -21002: Meaning(PreconditionFailed, "a Portfolio Margin account can't transfer so"),
    -21003: Meaning(PreconditionFailed, "the net assets are not sufficient; " + _RISK),
}

CODES: Mapping[tuple[str, int], Meaning] = MappingProxyType(
    {(family, code): meaning for family in FAMILIES for code, meaning in _EVERYWHERE.items()}
    | {("papi", code): meaning for code, meaning in _PORTFOLIO_MARGIN.items()}
)
"""What a code means, by endpoint family."""

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        401: Meaning(AccessDenied, _KEY),
        403: Meaning(Throttled, "Binance's web application firewall turned it away; " + _BUSY),
        404: Meaning(NotSupported, "Binance has no such endpoint"),
        408: Meaning(Ambiguous, _UNSURE),
        418: Meaning(Throttled, "our address is banned for a while; " + _BUSY),
        429: Meaning(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer, or none that we know."""

SERVER_ERROR = Meaning(Ambiguous, _UNSURE)
"""Any status from 500 on."""

UNAVAILABLE: Mapping[str, Meaning] = MappingProxyType(
    {
        "Unknown error, please check your request or try again later.": Meaning(Ambiguous, _UNSURE),
        "Service Unavailable.": Meaning(Ambiguous, _FAILED),
        "Internal error; unable to process your request. Please try again.": Meaning(Ambiguous, _FAILED),
    }
)
"""The three messages of a 503. Binance calls the last two failed; a read-back is cheap, and trusts nobody's word."""
