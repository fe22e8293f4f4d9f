"""What an answer of Binance means: by its 503 message, by its code in its family's table, or by its HTTP status.

There is a table of codes for each family, for each has an error page of its own. The pages agree on the general codes
and on most of those up to -4084. From there on COIN-M numbers on its own: its -4087 is a wrong pair where USDⓈ-M's is
an account that may only reduce, and its -4201 stands for USDⓈ-M's -4206.

Sources: Error Codes of the USDⓈ-M, COIN-M and Portfolio Margin documentation, and of Wallet for the general ones; the
copies that were read are of 2025, and were compared on 2026-11-29 with ccxt 4.5.90, which follows the pages. What only
reports of 2025 and 2026 show stands in `_MET`. None of it was asked of the live venue. `binance_error_codes.json`
beside the contract tests lists the codes of every page: one without a row here fails a test.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    Misunderstood,
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

Rules = dict[int, ErrorRule]

_KEY = "check the API key, its permissions and its list of allowed addresses"
_BUSY = "it was not processed; try again later"
_UNSURE = "Binance itself can't say whether it was carried out"

_RISK = "close or reduce positions, or add margin"
_LIMITED = "Binance limits the leverage of this account"
_REDUCE_ONLY = "the account may only reduce positions"


def _all(codes: Iterable[int], rule: ErrorRule) -> Rules:
    """The same rule for many codes."""
    return dict.fromkeys(codes, rule)


_OURS = ErrorRule(Misunderstood, "Binance does not take a request of this service")
_ABOUT_ORDERS = ErrorRule(Refused, "Binance's page says this of orders, and none was sent")
_ABOUT_TRANSFERS = ErrorRule(Refused, "Binance's page says this of transfers, and none was sent")
_ABOUT_OPTIONS = ErrorRule(Refused, "Binance's page says this of options")

_GENERAL: Rules = {
    **_all((-1000, -1001, -1006, -1007), ErrorRule(Ambiguous, _UNSURE)),
    -1002: ErrorRule(AccessDenied, _KEY),
    -1003: ErrorRule(Throttled, "too many requests; " + _BUSY),
    -1004: ErrorRule(Refused, "this address is on the list already"),
    -1005: ErrorRule(AccessDenied, "this address is not on the key's list"),
    -1008: ErrorRule(Throttled, "Binance is overloaded; " + _BUSY),
    -1010: ErrorRule(Refused, "see Binance's message"),
    -1011: ErrorRule(AccessDenied, "our address is not allowed"),
    -1015: ErrorRule(Throttled, "too many orders; " + _BUSY),
    -1016: ErrorRule(Ambiguous, "this service is being shut down; " + _UNSURE),
    -1020: ErrorRule(NotSupported, "Binance has no such operation"),
    -1021: ErrorRule(ClockSkewed, "our clock and Binance's differ by more than the window allows"),
    -1022: ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
    -1099: ErrorRule(AccessDenied, _KEY),
    **_all((-1013, -1023, *range(-1106, -1099), -1127, -1128, -1130, -1131), _OURS),
    -1108: ErrorRule(ValueRefused, "Binance knows no such asset"),
    -1109: ErrorRule(AccessDenied, "the account is not active"),
    -1110: ErrorRule(UnknownSymbol, "it is no instrument of this kind"),
    -1121: ErrorRule(UnknownSymbol, "Binance lists no such market"),
    -1122: ErrorRule(PreconditionFailed, "the market is not open for trading"),
    -1125: ErrorRule(Refused, "the listen key does not exist"),
    -1126: ErrorRule(ValueRefused, "this asset is not supported"),
    **_all((-1014, *range(-1120, -1110), -1134, -1136, -1145, -1151), _ABOUT_ORDERS),
    -5000: ErrorRule(NotSupported, "Binance has no such endpoint"),
    -2008: ErrorRule(AccessDenied, "Binance knows no such API key; " + _KEY),
    **_all((-2010, -2011, -2012, -2013, -2020, -2021, -2022, -2024, -2025, -2026, -2030), _ABOUT_ORDERS),
    -2014: ErrorRule(AccessDenied, "the API key is malformed; " + _KEY),
    -2015: ErrorRule(AccessDenied, _KEY),
    -2016: ErrorRule(PreconditionFailed, "the market is not open for trading"),
    -2017: ErrorRule(AccessDenied, "the API keys of this account are locked"),
    -2018: ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _RISK),
    -2019: ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK),
    -2023: ErrorRule(PreconditionFailed, "the account is being liquidated"),
    -2027: ErrorRule(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    -2028: ErrorRule(PreconditionFailed, "the margin is too small for so low a leverage; " + _RISK),
}
"""The same on every page that has them. -5000, a path that is none, was met and is on none."""

_FUTURES: Rules = {
    **_all(chain(range(-4026, -3999), range(-4033, -4028), (-4045, -4058, -4062)), _ABOUT_ORDERS),
    -4027: ErrorRule(PreconditionFailed, "it is no account of the right type"),
    -4028: ErrorRule(ValueRefused, "the market does not allow this leverage"),
    -4044: _ABOUT_TRANSFERS,
    -4046: ErrorRule(AlreadySo, "the margin mode is so already"),
    -4047: ErrorRule(PreconditionFailed, "cancel the open orders of this market first"),
    -4048: ErrorRule(PreconditionFailed, "close the position in this market first"),
    -4049: ErrorRule(PreconditionFailed, "the position is not isolated"),
    -4050: ErrorRule(PreconditionFailed, "the cross balance is not sufficient; " + _RISK),
    -4051: ErrorRule(PreconditionFailed, "the isolated balance is not sufficient; " + _RISK),
    **_all((-4052, -4053, -4054, -4055), ErrorRule(Refused, "Binance's page says this of added margin")),
    -4056: ErrorRule(AccessDenied, "this is not the right type of API key"),
    -4057: ErrorRule(AccessDenied, "the API key is malformed"),
    -4059: ErrorRule(AlreadySo, "the position mode is so already"),
    -4060: ErrorRule(Refused, "Binance knows no such position side"),
    -4061: ErrorRule(PreconditionFailed, "the position side does not fit the account's position mode"),
    -4067: ErrorRule(PreconditionFailed, "cancel all open orders of the account first"),
    -4068: ErrorRule(PreconditionFailed, "close all positions of the account first"),
    **_all((-4082, -4083, -4104, -4120, -4135, -4136, -4137, -4138, -4139, -4142), _ABOUT_ORDERS),
    -4084: ErrorRule(NotSupported, "Binance does not offer this yet"),
    -4086: _ABOUT_ORDERS,
    -4108: ErrorRule(PreconditionFailed, "the contract is not trading: it is being delivered or settled, or is closed"),
    -4192: ErrorRule(PreconditionFailed, "the account is in its cooling-off period"),
    -4531: ErrorRule(
        PreconditionFailed,
        "USDⓈ-M and COIN-M share one position mode, which can't be brought together now: close positions and orders "
        "of the other side first",
    ),
}
"""The same on the pages of the three kinds of futures accounts; -4108 and -4531 were met by others, and are on none."""

_USDS: Rules = {
    **_all(chain(range(-4066, -4062), range(-4081, -4068)), _ABOUT_OPTIONS),
    -4085: _ABOUT_ORDERS,
    -4087: ErrorRule(PreconditionFailed, _REDUCE_ONLY),
    -4088: ErrorRule(PreconditionFailed, "the account may not trade at the moment"),
    -4109: ErrorRule(PreconditionFailed, "the account is not active; transfer funds into it"),
    **_all((-4114, -4115), _ABOUT_TRANSFERS),
    **_all((-4116, -4117, -4118, -4131, -4164, -4183, -4184, -4210, -4211), _ABOUT_ORDERS),
    -4140: ErrorRule(PreconditionFailed, "no position can be opened in this market at the moment"),
    -4141: ErrorRule(PreconditionFailed, "the market is closed"),
    -4144: ErrorRule(UnknownSymbol, "Binance lists no such pair"),
    -4161: ErrorRule(PreconditionFailed, "an isolated position's leverage can't be lowered; close the position first"),
    -4165: _OURS,
    -4167: ErrorRule(PreconditionFailed, "switch all markets to cross margin first"),
    -4168: ErrorRule(PreconditionFailed, "switch the account from multi-assets to single-asset mode first"),
    **_all((-4169, -4172), ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _RISK)),
    -4170: ErrorRule(PreconditionFailed, "cancel all open orders of the account first"),
    -4171: ErrorRule(AlreadySo, "the multi-assets mode is so already"),
    -4202: ErrorRule(PreconditionFailed, _LIMITED + " to 20x until its owner's identity is verified"),
    -4203: ErrorRule(PreconditionFailed, _LIMITED + " to 20x until a month after its registration"),
    -4205: ErrorRule(PreconditionFailed, _LIMITED + " to 20x for some days after its registration"),
    -4206: ErrorRule(PreconditionFailed, _LIMITED + " in its owner's country"),
    -4208: ErrorRule(PreconditionFailed, _LIMITED + " to 20x while its position limit is adjusted"),
    -4209: ErrorRule(ValueRefused, "the market does not allow this leverage"),
    -4400: ErrorRule(PreconditionFailed, "the account broke a trading rule and may only reduce positions"),
    -4401: ErrorRule(PreconditionFailed, "the position is too large: " + _REDUCE_ONLY),
    -4402: ErrorRule(AccessDenied, "Binance does not offer this in the owner's country"),
    -4403: ErrorRule(PreconditionFailed, _LIMITED + " in its owner's country"),
    **_all((*range(-5027, -5020), -5029, *range(-5041, -5036), -5043, -5047), _ABOUT_ORDERS),
    -5028: ErrorRule(ClockSkewed, "our clock and Binance's differ by more than the window allows"),
}
"""As USDⓈ-M numbers them, and Portfolio Margin after it."""

_MET: Rules = {
    -4408: ErrorRule(
        PreconditionFailed,
        "by regulation this market may only be reduced; see Binance's notices to the account's owner",
    ),
    -4411: ErrorRule(
        PreconditionFailed,
        "sign Binance's TradFi-Perps agreement first: in its app or web site, or once with "
        "POST /fapi/v1/stock/contract (Portfolio Margin: POST /papi/v1/um/stock/contract)",
    ),
}
"""On no page that was read: -4408 by ccxt #24717, -4411 by freqtrade #12900 and hummingbot #8010."""

_COIN: Rules = {
    -4087: ErrorRule(UnknownSymbol, "Binance lists no such pair"),
    -4088: _OURS,
    -4089: ErrorRule(PreconditionFailed, _REDUCE_ONLY),
    -4090: ErrorRule(PreconditionFailed, "the account may not trade at the moment"),
    **_all((-4110, -4111), _ABOUT_TRANSFERS),
    **_all(
        (-4112, -4113, -4151, -4152, -4154, -4155, -4178, -4196, -4197, -4198, -4199),
        _ABOUT_ORDERS,
    ),
    -4150: ErrorRule(PreconditionFailed, "an isolated position's leverage can't be lowered; close the position first"),
    -4188: ErrorRule(ClockSkewed, "our clock and Binance's differ by more than the window allows"),
    -4194: ErrorRule(PreconditionFailed, _LIMITED + " to 20x until its owner's identity is verified"),
    -4195: ErrorRule(PreconditionFailed, _LIMITED + " to 20x until a month after its registration"),
    -4200: ErrorRule(PreconditionFailed, _LIMITED + " to 20x for some days after its registration"),
    -4201: ErrorRule(PreconditionFailed, _LIMITED + " in its owner's country"),
    -4202: ErrorRule(PreconditionFailed, _LIMITED + " to 20x while its position limit is adjusted"),
}
"""As COIN-M numbers them."""

_PORTFOLIO: Rules = {
    -21001: ErrorRule(PreconditionFailed, "it is no Portfolio Margin account; enable that, or register it without"),
    -21002: ErrorRule(PreconditionFailed, "a Portfolio Margin account can't transfer so"),
    -21003: ErrorRule(PreconditionFailed, "the net assets are not sufficient; " + _RISK),
}
"""Of Portfolio Margin alone. The codes -210xx are Wallet's (Error Codes, "21XXX - Portfolio Margin Account")."""

BY_FAMILY: Mapping[str, Mapping[int, ErrorRule]] = MappingProxyType(
    {
        "fapi": _GENERAL | _FUTURES | _USDS | _MET,
        "dapi": _GENERAL | _FUTURES | _COIN,
        "papi": _GENERAL | _FUTURES | _USDS | _MET | _PORTFOLIO,
        "sapi": _GENERAL | _PORTFOLIO,
    }
)
"""What a code means, by the family whose endpoint answered with it. What is not here means nothing for certain."""

_FAILED = "Binance says that it failed"

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
"""What an HTTP status means where there is no code in the answer (general info). A 451 is the same at every venue."""

SAY_ENOUGH = frozenset({403, 418, 429})
"""Statuses of which Binance documents that nothing was done (general info, "HTTP Return Codes"), whatever the code."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on."""

UNKNOWN_CODE = ErrorRule(Unlisted, "that is a code that no table has; see Binance's message")
"""A code that its family's table does not have."""

UNAVAILABLE: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "Unknown error, please check your request or try again later.": ErrorRule(Ambiguous, _UNSURE),
        "Service Unavailable.": ErrorRule(Ambiguous, _FAILED),
        "Internal error; unable to process your request. Please try again.": ErrorRule(Ambiguous, _FAILED),
    }
)
"""The three messages of a 503. Binance calls the last two failed; a read-back is cheap, and trusts nobody's word."""

NOT_PROCESSED_BY_503 = -1008
"""The one code of a 503 that says for certain that nothing was done (general info, "HTTP Return Codes")."""

INVALID_LEVERAGE = -4028
_EXISTS = re.compile(r"\balready exist", re.IGNORECASE)
LEVERAGE_EXISTS = ErrorRule(PreconditionFailed, "Binance has this leverage already")
"""-4028 has three documented messages, and "Leverage %s already exist with %s" refuses no value: it is read back."""

OF_THE_CALLER = frozenset({"symbol", "pair", "leverage", "asset"})
"""Parameters whose value is the caller's; all others are ours."""

_NAMED = re.compile(r"[Pp]aram(?:eter)? '(\w+)'")
_BANNED_UNTIL = re.compile(r"until (\d{13})\b")

LONGEST_BAN: Milliseconds = 3 * 24 * 3_600_000
"""Bans last from two minutes to three days (general info, "IP Limits")."""


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where the tables say nothing, as for a success.

    Binance's codes are negative; a positive one, such as the 200 of marginType, is an error only where the status is.
    """
    code = code_of(answer)
    if answer.status < 400 and code is None:
        return None
    meaning = _meaning(answer, code)
    if meaning is None:
        return None
    number = None if code is None else str(code)
    return meaning.error_in(answer, _words(answer, code, meaning), number, retry_after)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait: by the header, which counts seconds, or by the end of a ban in the message."""
    if (told := answer.retry_after(LONGEST_BAN)) is not None:
        return told
    until = _BANNED_UNTIL.search(answer.text)
    return answer.until(int(until[1]), LONGEST_BAN) if until else None


def code_of(answer: VenueResponse) -> int | None:
    """Binance's code of an error; None where there is none."""
    code = answer.body.get("code") if isinstance(answer.body, dict) else None
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    return code if code < 0 or answer.status >= 400 else None


def message_of(answer: VenueResponse) -> str:
    """What Binance says of an error; what else it answered where that is not in its shape."""
    message = answer.body.get("msg") if isinstance(answer.body, dict) else answer.text
    return message if isinstance(message, str) else ""


def _meaning(answer: VenueResponse, code: int | None) -> ErrorRule | None:
    if answer.status == 503 and (meaning := UNAVAILABLE.get(message_of(answer))):
        return meaning
    if answer.status >= 500 and code != NOT_PROCESSED_BY_503:
        return SERVER_ERROR
    if code is None:
        return STATUSES.get(answer.status)
    family = answer.path.lstrip("/").partition("/")[0]
    known = BY_FAMILY.get(family, {}).get(code)
    if known is None:
        return STATUSES[answer.status] if answer.status in SAY_ENOUGH else UNKNOWN_CODE
    return _by_its_message(known, code, message_of(answer))


def _by_its_message(known: ErrorRule, code: int, message: str) -> ErrorRule:
    """The few codes that mean one thing or another."""
    if code == INVALID_LEVERAGE and _EXISTS.search(message):
        return LEVERAGE_EXISTS
    if known.error is Misunderstood and (named := _NAMED.search(message)) and named[1] in OF_THE_CALLER:
        return ErrorRule(ValueRefused, f"Binance does not take this {named[1]}")
    return known


def _words(answer: VenueResponse, code: int | None, meaning: ErrorRule) -> str:
    if code is None:
        return f"Binance answered with HTTP {answer.status}: {meaning.advice}"
    return f"Binance says {message_of(answer)!r} ({code}): {meaning.advice}"
