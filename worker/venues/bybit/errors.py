"""What an answer of Bybit means: by its `retCode`, for nearly all come with HTTP 200, else by its HTTP status.

Sources: the V5 documentation's pages "Error Codes" (of 2026-01-16), "Rate Limit Rules" (of 2026-07-29) and "Set Margin
Mode".
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
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
from worker.venues.port.response import LONGEST_WAIT, VenueResponse

MARGIN_MODE_FAILED = 3400045
"""The one refusal of an account-wide switch; `result.reasons` says why."""

_KEY = "check the API key, its permissions and its list of allowed addresses"
_HOUSE = (
    "each of Bybit's houses (bybit.com, bybit.eu, bybit.kz ...) knows its own keys only: see the account's `region`"
)
_BUSY = "it was not processed; try again later"
_UNSURE = "Bybit itself can't say whether it was carried out"
_OURS = "Bybit does not take parameters that this service chose"
_RISK = "close or reduce positions, or add margin"
_BALANCE = "the available balance is not sufficient; " + _RISK
_LIQUIDATES = "it would liquidate the position at once; " + _RISK
_LENDING = "the terms of an institutional loan forbid it"

_ABOUT_ORDERS = (
    *(30208, 40004, 110001, 110003, 110008, 110010, 110017, 110019, 110022, 110030, 110032),
    *(110064, 110072, 110079, 110085, 110092, 110093, 110094, 110098, 110099),
    *(110103, 110108, 110109, 110118, 110119, 110120, 110121, 3200403),
)

CODES: Mapping[int, ErrorRule] = MappingProxyType(
    dict.fromkeys(_ABOUT_ORDERS, ErrorRule(Refused, "it is about an order, and none was sent"))
    | {
        -2015: ErrorRule(AccessDenied, "the API key has expired; make a new one"),
        -1: ErrorRule(ClockSkewed, "the request was under way for too long"),
        429: ErrorRule(Throttled, "the trading service is overloaded; " + _BUSY),
        5004: ErrorRule(Ambiguous, _UNSURE),
        10000: ErrorRule(Ambiguous, _UNSURE),
        10002: ErrorRule(ClockSkewed, "our clock and Bybit's differ by more than the window allows"),
        10003: ErrorRule(
            AccessDenied, "the API key is not known here; compare it and the account's `network`; " + _HOUSE
        ),
        10004: ErrorRule(AccessDenied, "the signature is wrong; check the account's secret"),
        10005: ErrorRule(AccessDenied, "the API key may not do this; " + _KEY),
        10006: ErrorRule(Throttled, "too many requests for this account; " + _BUSY),
        10007: ErrorRule(AccessDenied, _KEY),
        10008: ErrorRule(AccessDenied, "the account is banned, or of a mode that may not do this; ask Bybit"),
        10009: ErrorRule(AccessDenied, "our address is banned"),
        10010: ErrorRule(AccessDenied, "our address is not on the key's list"),
        10014: ErrorRule(Ambiguous, "Bybit has had this request before, and does not say what became of it"),
        10016: ErrorRule(Ambiguous, _UNSURE),
        10017: ErrorRule(NotSupported, "Bybit has no such endpoint"),
        10018: ErrorRule(Throttled, "too many requests from our address; " + _BUSY),
        10019: ErrorRule(Ambiguous, "the service is restarting; " + _UNSURE),
        10020: ErrorRule(PreconditionFailed, "it is no unified account; upgrade it first"),
        10024: ErrorRule(
            AccessDenied, "Bybit's compliance rules forbid it to this account or in its region; " + _HOUSE
        ),
        10027: ErrorRule(AccessDenied, "trading is banned for this account; ask Bybit"),
        10028: ErrorRule(PreconditionFailed, "only a unified account has this; upgrade it first"),
        10029: ErrorRule(AccessDenied, "the symbol is not on the key's list"),
        10032: ErrorRule(NotSupported, "demo trading does not have this"),
        10404: ErrorRule(NotSupported, "Bybit has no such endpoint, or not for this category"),
        10429: ErrorRule(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
        30133: ErrorRule(AccessDenied, _LENDING),
        30134: ErrorRule(AccessDenied, _LENDING),
        30135: ErrorRule(ValueRefused, "the terms of an institutional loan do not allow this leverage"),
        30136: ErrorRule(ValueRefused, "the terms of an institutional loan do not allow this leverage"),
        33004: ErrorRule(AccessDenied, "the API key has expired; make a new one"),
        34036: ErrorRule(AlreadySo, "the leverage is so already"),
        100028: ErrorRule(NotSupported, "a unified account has no margin mode of its own for a symbol"),
        110004: ErrorRule(PreconditionFailed, "the wallet balance is not sufficient; " + _RISK),
        110005: ErrorRule(PreconditionFailed, "the position is being liquidated or adjusted; wait until it is normal"),
        110006: ErrorRule(PreconditionFailed, "the margin would not cover the position; " + _RISK),
        110007: ErrorRule(PreconditionFailed, _BALANCE),
        110009: ErrorRule(PreconditionFailed, "cancel conditional orders first"),
        110011: ErrorRule(PreconditionFailed, _LIQUIDATES),
        110012: ErrorRule(PreconditionFailed, _BALANCE),
        110013: ErrorRule(ValueRefused, "the risk limit of this market does not allow this leverage"),
        110014: ErrorRule(PreconditionFailed, "the available balance is not sufficient to add margin; " + _RISK),
        110015: ErrorRule(PreconditionFailed, "the position is in cross margin; switch it to isolated first"),
        110016: ErrorRule(PreconditionFailed, "the position is beyond the risk limit; reduce it first"),
        110018: ErrorRule(AccessDenied, "Bybit knows no such user"),
        110020: ErrorRule(PreconditionFailed, "cancel open orders first"),
        110021: ErrorRule(PreconditionFailed, "the market's open interest is at its limit; reduce the position first"),
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
        110046: ErrorRule(PreconditionFailed, _LIQUIDATES),
        110047: ErrorRule(PreconditionFailed, "the margin does not allow another risk limit; " + _RISK),
        110048: ErrorRule(PreconditionFailed, "the position is larger than the new risk limit; reduce it first"),
        110049: ErrorRule(Refused, _OURS),
        110050: ErrorRule(Refused, "Bybit knows no such coin"),
        110051: ErrorRule(PreconditionFailed, _BALANCE),
        110052: ErrorRule(PreconditionFailed, _BALANCE),
        110053: ErrorRule(PreconditionFailed, _BALANCE),
        110063: ErrorRule(PreconditionFailed, "the market is being settled; try again afterwards"),
        110066: ErrorRule(PreconditionFailed, "trading is not allowed at the moment"),
        110067: ErrorRule(NotSupported, "a unified account does not have this"),
        110068: ErrorRule(AccessDenied, "this account may not trade with leverage"),
        110069: ErrorRule(AccessDenied, _LENDING),
        110070: ErrorRule(NotSupported, "this kind of symbol is not traded through the API"),
        110071: ErrorRule(PreconditionFailed, "Bybit upgrades no account at the moment"),
        110073: ErrorRule(PreconditionFailed, "the account's margin mode can't be switched now"),
        110074: ErrorRule(PreconditionFailed, "the contract is not open for trading"),
        110075: ErrorRule(AlreadySo, "the risk limit is so already"),
        110076: ErrorRule(PreconditionFailed, "only isolated margin has this; switch to isolated first"),
        110077: ErrorRule(NotSupported, "portfolio margin does not have this"),
        110080: ErrorRule(PreconditionFailed, "an institutional loan is being liquidated"),
        110086: ErrorRule(ValueRefused, "the risk limit of the position does not allow this leverage"),
        110087: ErrorRule(ValueRefused, "the terms of an institutional loan do not allow this leverage"),
        110088: ErrorRule(PreconditionFailed, "only a unified account has this; upgrade it first"),
        110089: ErrorRule(ValueRefused, "there is no such risk limit"),
        110090: ErrorRule(PreconditionFailed, "the position would be too large for this leverage; choose a lower one"),
        110095: ErrorRule(PreconditionFailed, "the market is in its opening auction; try again afterwards"),
        110096: ErrorRule(PreconditionFailed, "portfolio margin has no pre-market contracts; switch to cross first"),
        110097: ErrorRule(PreconditionFailed, "only a unified account has pre-market contracts; upgrade it first"),
        110100: ErrorRule(NotSupported, "demo trading has no pre-market contracts"),
        110101: ErrorRule(PreconditionFailed, "let the contract's settle coin count as collateral at Bybit first"),
        110102: ErrorRule(NotSupported, "this account has no inverse contracts"),
        110104: ErrorRule(PreconditionFailed, _LENDING),
        110105: ErrorRule(PreconditionFailed, _LENDING),
        110106: ErrorRule(AccessDenied, _LENDING),
        110107: ErrorRule(ValueRefused, "the terms of an institutional loan do not allow this leverage"),
        170346: ErrorRule(PreconditionFailed, "let the contract's settle coin count as collateral at Bybit first"),
        3100181: ErrorRule(AccessDenied, "Bybit knows no such user"),
        3100197: ErrorRule(PreconditionFailed, "the account is being upgraded; wait until it is unified"),
        3100326: ErrorRule(Refused, _OURS),
        3100419: ErrorRule(PreconditionFailed, "close pre-market positions and cancel their orders first"),
        3200320: ErrorRule(PreconditionFailed, "an institutional loan is being liquidated"),
        3400000: ErrorRule(PreconditionFailed, "the equity of the account is too low"),
        3400052: ErrorRule(PreconditionFailed, "cancel the orders of USDC perpetuals first"),
        3400053: ErrorRule(PreconditionFailed, "cancel the orders of options first"),
        3400054: ErrorRule(PreconditionFailed, "cancel the orders of USDT perpetuals first"),
        3400071: ErrorRule(PreconditionFailed, "the net asset value of the account is too low"),
        3400139: ErrorRule(PreconditionFailed, "positions and orders are beyond the risk limit; reduce them first"),
        3400214: ErrorRule(Ambiguous, _UNSURE),
        3401010: ErrorRule(PreconditionFailed, "a master trader of copy trading can't switch to portfolio margin"),
        MARGIN_MODE_FAILED: ErrorRule(PreconditionFailed, "the account's margin mode can't be switched now"),
    }
)
"""What a code means, by the page "Error Codes" (section UTA) as it was on 2026-01-16."""

PARAMETERS = frozenset({7001, 10001})
"""Codes for a parameter that Bybit does not take. Which one only the message says, and most are ours."""

CHANGES = ("/set-leverage", "/set-margin-mode", "/switch-isolated", "/switch-mode")
CHANGES = ("/set-leverage", "/set-margin-mode", "/switch-isolated", "/add-margin")
"""How the paths end of what changes something."""

UNKNOWN = ErrorRule(Unlisted, "no table has this code, so it refuses nothing for certain")
"""Any other code that is not 0."""

NO_CODE = ErrorRule(Ambiguous, "the answer has no code and is not the documented one")
"""A success by its HTTP status that does not say it is one."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        400: ErrorRule(Refused, _OURS),
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(
            Throttled, "our address sent too many requests, or is in a country Bybit does not serve; " + _BUSY
        ),
        404: ErrorRule(NotSupported, "Bybit has no such endpoint, or not for this type of account"),
        408: ErrorRule(Ambiguous, _UNSURE),
        429: ErrorRule(Throttled, "Bybit protects itself against too many requests; " + _BUSY),
    }
)
"""What an HTTP status means where there is no code in the answer ("Error Codes", section HTTP Code)."""

ELSEWHERE = ErrorRule(AccessDenied, "Bybit does not serve the country of our address; " + _HOUSE)
"""A 403 that speaks of a country. "Error Codes" names an address of the USA as a cause, beside too many requests."""

_COUNTRY = re.compile(r"countr|region|location|jurisdiction", re.IGNORECASE)

UNKNOWN_STATUS = ErrorRule(Unlisted, "no table has this status, so it refuses nothing for certain")
"""Any other status from 400 on, without a code."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever the answer says."""

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
    number = None if code is None else str(code)
    facts = {"details": {"reasons": reasons_in(answer.body)}} if code == MARGIN_MODE_FAILED else {}
    return meaning.error_in(answer, _words(answer, code, meaning), number, retry_after, **facts)


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


def is_elsewhere(answer: VenueResponse) -> bool:
    """Whether we are turned away for the country we are in, and not for how much we ask."""
    return answer.status == 403 and code_of(answer.body) is None and bool(_COUNTRY.search(answer.text))


def _meaning(answer: VenueResponse, code: int | None) -> ErrorRule | None:
    if answer.status >= 500:
        return SERVER_ERROR
    if code in PARAMETERS:
        return _parameters(answer)
    if code:
        return CODES.get(code, UNKNOWN)
    if is_elsewhere(answer):
        return ELSEWHERE
    if answer.status >= 400:
        return STATUSES.get(answer.status, UNKNOWN_STATUS)
    return NO_CODE if code is None and answer.body is not None else None


def _parameters(answer: VenueResponse) -> ErrorRule:
    """What a refused parameter means: of those that a caller chooses there are two, and only changes carry them.

    Whatever else is refused was chosen here: a change was not made then, and a question has no answer.
    """
    told = str(answer.body.get("retMsg")).lower()
    if not answer.path.endswith(CHANGES):
        return ErrorRule(Ambiguous, _OURS)
    if "leverage" in told:
        return ErrorRule(ValueRefused, "Bybit does not take this leverage")
    return (
        ErrorRule(UnknownSymbol, "Bybit does not know this market") if "symbol" in told else ErrorRule(Refused, _OURS)
    )


def _words(answer: VenueResponse, code: int | None, meaning: ErrorRule) -> str:
    if not code:
        return f"Bybit answered with HTTP {answer.status}: {meaning.advice}"
    told = "; ".join(str(reason.get("reasonMsg")) for reason in reasons_in(answer.body))
    message = answer.body.get("retMsg")
    return f"Bybit says {message!r} ({code}): {meaning.advice}" + (f": {told}" if told else "")
