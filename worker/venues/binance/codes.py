"""Binance's codes and what they mean for us, as data.

Sources: the error code pages of the USDⓈ-M, COIN-M and Portfolio Margin documentation, and their general-info pages for
HTTP statuses and the three meanings of a 503.
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
    ValueRefused,
)

FAMILIES = ("fapi", "dapi", "papi", "sapi")
"""USDⓈ-M futures, COIN-M futures, Portfolio Margin and the wallet: the first segment of every path."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Binance itself can't say whether it was carried out"
_PARAMETER = "Binance does not take this parameter"
_RISK = "close or reduce positions, or add margin"
_LIMITED = "Binance limits the leverage of this account"
_FAILED = "Binance says that it failed"

_EVERYWHERE: dict[int, ErrorRule] = {
    -1000: ErrorRule(Ambiguous, _UNSURE),
    -1001: ErrorRule(Ambiguous, _UNSURE),
    -1002: ErrorRule(AccessDenied, _KEY),
    -1003: ErrorRule(Throttled, "too many requests; " + _BUSY),
    -1004: ErrorRule(Refused, "this address is on the list already"),
    -1005: ErrorRule(AccessDenied, "this address is not on the key's list"),
    -1006: ErrorRule(Ambiguous, _UNSURE),
    -1007: ErrorRule(Ambiguous, _UNSURE),
    -1008: ErrorRule(Throttled, "Binance is overloaded; " + _BUSY),
    -1010: ErrorRule(Refused, "see Binance's message"),
    -1011: ErrorRule(AccessDenied, "our address is not allowed"),
    -1013: ErrorRule(ValueRefused, _PARAMETER),
    -1014: ErrorRule(NotSupported, "Binance knows no such order"),
    -1015: ErrorRule(Throttled, "too many orders; " + _BUSY),
    -1016: ErrorRule(Ambiguous, "this service is being shut down; " + _UNSURE),
    -1020: ErrorRule(NotSupported, "Binance has no such operation"),
    -1021: ErrorRule(ClockSkewed, "our clock and Binance's differ by more than the window allows"),
    -1022: ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
    -1023: ErrorRule(ValueRefused, "the start lies behind the end"),
    -1099: ErrorRule(AccessDenied, _KEY),
    -1100: ErrorRule(ValueRefused, _PARAMETER),
    -1101: ErrorRule(ValueRefused, _PARAMETER),
    -1102: ErrorRule(ValueRefused, _PARAMETER),
    -1103: ErrorRule(ValueRefused, _PARAMETER),
    -1104: ErrorRule(ValueRefused, _PARAMETER),
    -1105: ErrorRule(ValueRefused, _PARAMETER),
    -1106: ErrorRule(ValueRefused, _PARAMETER),
    -1108: ErrorRule(ValueRefused, "Binance knows no such asset"),
    -1109: ErrorRule(AccessDenied, "the account is not active"),
    -1110: ErrorRule(UnknownSymbol, "it is no instrument of this kind"),
    -1111: ErrorRule(ValueRefused, "too many decimal places"),
    -1112: ErrorRule(PreconditionFailed, "there are no orders in the book"),
    -1113: ErrorRule(ValueRefused, "the amount must be negative"),
    -1114: ErrorRule(ValueRefused, _PARAMETER),
    -1115: ErrorRule(ValueRefused, _PARAMETER),
    -1116: ErrorRule(ValueRefused, _PARAMETER),
    -1117: ErrorRule(ValueRefused, _PARAMETER),
    -1118: ErrorRule(ValueRefused, _PARAMETER),
    -1119: ErrorRule(ValueRefused, _PARAMETER),
    -1120: ErrorRule(ValueRefused, _PARAMETER),
    -1121: ErrorRule(UnknownSymbol, "Binance lists no such market"),
    -1122: ErrorRule(PreconditionFailed, "the market is not open for trading"),
    -1125: ErrorRule(Refused, "the listen key does not exist"),
    -1126: ErrorRule(ValueRefused, "this asset is not supported"),
    -1127: ErrorRule(ValueRefused, "the stretch of time is too long"),
    -1128: ErrorRule(ValueRefused, "these parameters don't go together"),
    -1130: ErrorRule(ValueRefused, _PARAMETER),
    -2008: ErrorRule(AccessDenied, "Binance knows no such API key; " + _KEY),
    -2010: ErrorRule(Refused, "see Binance's message"),
    -2011: ErrorRule(Refused, "see Binance's message"),
    -2012: ErrorRule(Refused, "see Binance's message"),
    -2013: ErrorRule(Refused, "there is no such order"),
    -2014: ErrorRule(AccessDenied, "the API key is malformed; " + _KEY),
    -2015: ErrorRule(AccessDenied, _KEY),
    -2016: ErrorRule(PreconditionFailed, "the market is not open for trading"),
    -2017: ErrorRule(AccessDenied, "the API keys of this account are locked"),
    -2018: ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _RISK),
    -2019: ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK),
    -2020: ErrorRule(PreconditionFailed, "the order can't be filled"),
    -2021: ErrorRule(PreconditionFailed, "the order would trigger at once"),
    -2022: ErrorRule(PreconditionFailed, "there is nothing to reduce"),
    -2023: ErrorRule(PreconditionFailed, "the account is being liquidated"),
    -2024: ErrorRule(PreconditionFailed, "the position is not large enough"),
    -2025: ErrorRule(PreconditionFailed, "cancel open orders first"),
    -2026: ErrorRule(NotSupported, "this order type can't be reduce-only"),
    -2027: ErrorRule(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    -2028: ErrorRule(PreconditionFailed, "the margin is too small for so low a leverage; " + _RISK),
    -2030: ErrorRule(Refused, "see Binance's message"),
    -4028: ErrorRule(ValueRefused, "the market does not allow this leverage"),
    -4046: ErrorRule(AlreadySo, "the margin mode is so already"),
    -4047: ErrorRule(PreconditionFailed, "cancel the open orders of this market first"),
    -4048: ErrorRule(PreconditionFailed, "close the position in this market first"),
    -4049: ErrorRule(PreconditionFailed, "the position is not isolated"),
    -4050: ErrorRule(PreconditionFailed, "the cross balance is not sufficient; " + _RISK),
    -4051: ErrorRule(PreconditionFailed, "the isolated balance is not sufficient; " + _RISK),
    -4056: ErrorRule(AccessDenied, "this is not the right type of API key"),
    -4057: ErrorRule(AccessDenied, "the API key is malformed"),
    -4059: ErrorRule(AlreadySo, "the position mode is so already"),
    -4060: ErrorRule(ValueRefused, "Binance knows no such position side"),
    -4061: ErrorRule(PreconditionFailed, "the position side does not fit the account's position mode"),
    -4067: ErrorRule(PreconditionFailed, "cancel all open orders of the account first"),
    -4068: ErrorRule(PreconditionFailed, "close all positions of the account first"),
    -4087: ErrorRule(PreconditionFailed, "the account may only reduce positions"),
    -4088: ErrorRule(PreconditionFailed, "the account may not trade at the moment"),
    -4108: ErrorRule(PreconditionFailed, "the contract is being delivered or settled"),
    -4109: ErrorRule(PreconditionFailed, "the account is not active; transfer funds into it"),
    -4140: ErrorRule(PreconditionFailed, "no position can be opened in this market at the moment"),
    -4141: ErrorRule(PreconditionFailed, "the market is closed"),
    -4144: ErrorRule(UnknownSymbol, "Binance lists no such pair"),
    -4161: ErrorRule(PreconditionFailed, "an isolated position's leverage can't be lowered; close the position first"),
    -4165: ErrorRule(ValueRefused, "the stretch of time is too long"),
    -4167: ErrorRule(PreconditionFailed, "switch all markets to cross margin first"),
    -4168: ErrorRule(PreconditionFailed, "switch the account from multi-assets to single-asset mode first"),
    -4169: ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK),
    -4170: ErrorRule(PreconditionFailed, "cancel all open orders of the account first"),
    -4171: ErrorRule(AlreadySo, "the multi-assets mode is so already"),
    -4192: ErrorRule(PreconditionFailed, "the account is in its cooling-off period"),
    -4202: ErrorRule(PreconditionFailed, _LIMITED + " until its owner's identity is verified"),
    -4203: ErrorRule(PreconditionFailed, _LIMITED + " until a month after its registration"),
    -4205: ErrorRule(PreconditionFailed, _LIMITED + " for some days after its registration"),
    -4206: ErrorRule(PreconditionFailed, _LIMITED + " in its owner's country"),
    -4208: ErrorRule(PreconditionFailed, _LIMITED + " while its position limit is adjusted"),
    -4209: ErrorRule(ValueRefused, "the market does not allow this leverage"),
    -4400: ErrorRule(PreconditionFailed, "the account broke a trading rule and may only reduce positions"),
    -4401: ErrorRule(PreconditionFailed, "the account may only reduce positions"),
    -4402: ErrorRule(AccessDenied, "Binance does not offer this in the owner's country"),
    -4403: ErrorRule(PreconditionFailed, _LIMITED + " in its owner's country"),
}

_PORTFOLIO_MARGIN: dict[int, ErrorRule] = {
    -4531: ErrorRule(PreconditionFailed, "the position modes of USDⓈ-M and COIN-M can't be brought together now"),
    -21001: ErrorRule(PreconditionFailed, "it is no Portfolio Margin account; enable that, or register it without"),
    -21002: ErrorRule(PreconditionFailed, "a Portfolio Margin account can't transfer so"),
    -21003: ErrorRule(PreconditionFailed, "the net assets are not sufficient; " + _RISK),
}

CODES: Mapping[tuple[str, int], ErrorRule] = MappingProxyType(
    {(family, code): meaning for family in FAMILIES for code, meaning in _EVERYWHERE.items()}
    | {("papi", code): meaning for code, meaning in _PORTFOLIO_MARGIN.items()}
)
"""What a code means, by endpoint family."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(Throttled, "Binance's web application firewall turned it away; " + _BUSY),
        404: ErrorRule(NotSupported, "Binance has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        418: ErrorRule(Throttled, "our address is banned for a while; " + _BUSY),
        429: ErrorRule(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer, or none that we know."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on."""

UNAVAILABLE: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "Unknown error, please check your request or try again later.": ErrorRule(Ambiguous, _UNSURE),
        "Service Unavailable.": ErrorRule(Ambiguous, _FAILED),
        "Internal error; unable to process your request. Please try again.": ErrorRule(Ambiguous, _FAILED),
    }
)
"""The three messages of a 503. Binance calls the last two failed; a read-back is cheap, and trusts nobody's word."""
