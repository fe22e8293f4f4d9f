"""OKX's codes and what they mean for us, as data; and what an answer means by them.

Source: the REST part of the error code page, https://www.okx.com/docs-v5/en/#error-code-rest-api, as it was on
2026-07-13. Codes are text; one may have a sub-code behind it (`51008_1000`), which means what the code means. What
concerns placing orders and other things that are never asked for here is left out.

A server error tells nothing; else an answer's code counts, where it is known, and else its HTTP status. What neither
of them explains is in doubt: nothing says that it was not carried out.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.venues.parsing.fields import Row
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
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

_UNSURE = "OKX itself can't say whether it was carried out"
_LATER = "it was not processed; try again later"
_KEY = "check the API key, its secret, its passphrase and its list of allowed addresses"
_PERMISSION = "the key or its account lacks a permission; check both with OKX"
_OURS = "OKX does not take a parameter that this program chose; nothing was changed"
_FROZEN = "wait until OKX has finished it, then try again"
_ACCOUNT = "OKX restricts this account; ask its support"
_MARGIN = "add margin, reduce positions or take a higher leverage"
_ORDERS = "cancel the open orders of this market first"
_BOTS = "cancel its TP/SL, trailing, trigger and chase orders and stop its bots first"
_CONTRACT = "the contract can't be changed in its present state"
_HOUSE = "each of OKX's houses (www, EEA, US) knows its own keys only: see whether the account's `region` is right"
_MODE = "the account mode does not allow it; change the account mode first"
_LAW = "OKX does not offer this in the owner's country"

_GENERAL: dict[str, ErrorRule] = {
    "1": ErrorRule(Refused, "see OKX's message"),
    "2": ErrorRule(Ambiguous, "only a part of it was carried out, and OKX does not say which"),
    "50001": ErrorRule(Ambiguous, "the service is unavailable for now; " + _UNSURE),
    "50004": ErrorRule(Ambiguous, "it timed out; " + _UNSURE),
    "50005": ErrorRule(NotSupported, "OKX does not offer this endpoint now"),
    "50007": ErrorRule(AccessDenied, _ACCOUNT),
    "50008": ErrorRule(AccessDenied, _KEY),
    "50009": ErrorRule(PreconditionFailed, "the account is being liquidated; " + _FROZEN),
    "50010": ErrorRule(AccessDenied, _KEY),
    "50011": ErrorRule(Throttled, "too many requests; " + _LATER),
    "50012": ErrorRule(AccessDenied, _ACCOUNT),
    "50013": ErrorRule(Ambiguous, "OKX is busy; " + _UNSURE),
    "50017": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the position; " + _FROZEN),
    "50018": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the currency; " + _FROZEN),
    "50019": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the account; " + _FROZEN),
    "50020": ErrorRule(PreconditionFailed, "a liquidation has frozen the position; " + _FROZEN),
    "50021": ErrorRule(PreconditionFailed, "a liquidation has frozen the currency; " + _FROZEN),
    "50022": ErrorRule(PreconditionFailed, "a liquidation has frozen the account; " + _FROZEN),
    "50023": ErrorRule(PreconditionFailed, "funding fees are frozen; " + _FROZEN),
    "50026": ErrorRule(Ambiguous, "OKX has a system error; " + _UNSURE),
    "50027": ErrorRule(AccessDenied, _ACCOUNT),
    "50028": ErrorRule(Refused, "ask OKX's support"),
    "50029": ErrorRule(AccessDenied, _ACCOUNT),
    "50030": ErrorRule(AccessDenied, _PERMISSION),
    "50032": ErrorRule(PreconditionFailed, "the account's settings forbid this currency"),
    "50033": ErrorRule(PreconditionFailed, "the account's settings forbid this instrument"),
    "50035": ErrorRule(AccessDenied, "this endpoint wants a key that is bound to an address"),
    "50038": ErrorRule(NotSupported, "demo trading does not have this"),
    "50040": ErrorRule(Throttled, "too many operations; " + _LATER),
    "50041": ErrorRule(AccessDenied, _PERMISSION),
    "50042": ErrorRule(Ambiguous, "OKX takes it for a repetition; " + _UNSURE),
    "50046": ErrorRule(NotSupported, "OKX has switched this off for now"),
    "50049": ErrorRule(NotSupported, "OKX has no position tiers for this instrument"),
    "50051": ErrorRule(AccessDenied, _LAW),
    "50052": ErrorRule(AccessDenied, _LAW),
    "50053": ErrorRule(NotSupported, "only demo trading has this"),
    "50059": ErrorRule(AccessDenied, _ACCOUNT),
    "50060": ErrorRule(AccessDenied, _ACCOUNT),
    "50061": ErrorRule(Throttled, "the account's limit is used up; " + _LATER),
    "50062": ErrorRule(NotSupported, "OKX has switched this off for now"),
    "50067": ErrorRule(AccessDenied, _HOUSE),
    "50072": ErrorRule(
        PreconditionFailed,
        "multi-currency and portfolio margin accounts have no isolated margin any more; "
        "stay in cross margin, or change the account mode first",
    ),
    "50075": ErrorRule(AccessDenied, _ACCOUNT),
    "51054": ErrorRule(Ambiguous, "it timed out; " + _UNSURE),
    "63999": ErrorRule(Ambiguous, "OKX has an internal error; " + _UNSURE),
}

_KEYS: dict[str, ErrorRule] = {
    "50100": ErrorRule(AccessDenied, "the key is frozen; ask OKX's support"),
    "50101": ErrorRule(AccessDenied, "the key belongs to another environment: live and demo keys differ"),
    "50102": ErrorRule(ClockSkewed, "our timestamp is more than 30 seconds off"),
    "50103": ErrorRule(AccessDenied, _KEY),
    "50104": ErrorRule(AccessDenied, _KEY),
    "50105": ErrorRule(AccessDenied, "the passphrase is wrong: it is the one chosen when the key was made"),
    "50106": ErrorRule(AccessDenied, _KEY),
    "50107": ErrorRule(AccessDenied, _KEY),
    "50108": ErrorRule(AccessDenied, _HOUSE),
    "50109": ErrorRule(AccessDenied, _HOUSE),
    "50110": ErrorRule(AccessDenied, "our address is not on the key's list"),
    "50111": ErrorRule(AccessDenied, _KEY),
    "50112": ErrorRule(AccessDenied, "the timestamp is not in the form that OKX reads"),
    "50113": ErrorRule(AccessDenied, _KEY),
    "50114": ErrorRule(AccessDenied, _KEY),
    "50115": ErrorRule(NotSupported, "OKX has no such endpoint"),
    "50118": ErrorRule(AccessDenied, _PERMISSION),
    "50119": ErrorRule(AccessDenied, "OKX has no such key at this host; " + _HOUSE),
    "50120": ErrorRule(AccessDenied, _PERMISSION),
    "50121": ErrorRule(AccessDenied, "OKX serves nobody from this machine's address; " + _HOUSE),
}

_TRADING: dict[str, ErrorRule] = {
    "51001": ErrorRule(UnknownSymbol, "OKX lists no such instrument"),
    "51002": ErrorRule(UnknownSymbol, "the instrument does not belong to its index"),
    "51008": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "51009": ErrorRule(AccessDenied, _ACCOUNT),
    "51010": ErrorRule(PreconditionFailed, _MODE),
    "51012": ErrorRule(UnknownSymbol, "OKX lists no such currency"),
    "51014": ErrorRule(UnknownSymbol, "OKX has no such index"),
    "51015": ErrorRule(UnknownSymbol, "the instrument is of another type"),
    "51021": ErrorRule(Refused, "the contract is not listed yet; " + _CONTRACT),
    "51022": ErrorRule(Refused, "the contract is suspended; " + _CONTRACT),
    "51023": ErrorRule(Refused, "there is no such position"),
    "51024": ErrorRule(AccessDenied, _ACCOUNT),
    "51027": ErrorRule(Refused, "the contract has expired; " + _CONTRACT),
    "51028": ErrorRule(Refused, "the contract is being delivered; " + _CONTRACT),
    "51029": ErrorRule(Refused, "the contract is being settled; " + _CONTRACT),
    "51030": ErrorRule(Refused, "its funding fee is being settled; " + _CONTRACT),
    "51039": ErrorRule(NotSupported, "a portfolio margin account has no leverage for cross positions"),
    "51040": ErrorRule(NotSupported, "isolated long options have no margin to adjust"),
    "51041": ErrorRule(NotSupported, "a portfolio margin account is in net mode only"),
    "51043": ErrorRule(Refused, "there is no such position"),
}

_SETTINGS: dict[str, ErrorRule] = {
    "59000": ErrorRule(PreconditionFailed, "close the positions and cancel the open orders first"),
    "59001": ErrorRule(PreconditionFailed, "repay what is borrowed first"),
    "59002": ErrorRule(PreconditionFailed, "a sub-account has open orders, positions or bots; end them first"),
    "59005": ErrorRule(
        PreconditionFailed, "margin that is moved by hand must put more than 10,000 USDT into an isolated position"
    ),
    "59006": ErrorRule(NotSupported, "OKX is about to switch this off"),
    "59100": ErrorRule(PreconditionFailed, "close the positions in this market first"),
    "59101": ErrorRule(PreconditionFailed, "isolated orders are open; " + _ORDERS),
    "59102": ErrorRule(ValueRefused, "it is above the highest leverage of this market"),
    "59103": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59104": ErrorRule(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    "59105": ErrorRule(ValueRefused, "it is below the lowest leverage of this market"),
    "59106": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59107": ErrorRule(PreconditionFailed, _ORDERS),
    "59108": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59109": ErrorRule(PreconditionFailed, "the equity is not sufficient; " + _MARGIN),
    "59111": ErrorRule(NotSupported, "a portfolio margin account has no leverage to be read"),
    "59112": ErrorRule(PreconditionFailed, _ORDERS),
    "59113": ErrorRule(AccessDenied, _LAW),
    "59114": ErrorRule(AccessDenied, _LAW),
    "59125": ErrorRule(NotSupported, "OKX does not offer this for the instrument"),
    "59128": ErrorRule(ValueRefused, "it is above the highest leverage of a lead trader"),
    "59200": ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _MARGIN),
    "59201": ErrorRule(PreconditionFailed, "the balance is negative; " + _MARGIN),
    "59202": ErrorRule(NotSupported, "a portfolio margin account has no figure for cross positions"),
    "59216": ErrorRule(Refused, "there is no such position"),
    "59247": ErrorRule(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    "59258": ErrorRule(NotSupported, "lead traders do not have this"),
    "59283": ErrorRule(PreconditionFailed, _MODE),
    "59300": ErrorRule(Refused, "there is no such position"),
    "59301": ErrorRule(PreconditionFailed, "the margin can't be adjusted so far; " + _MARGIN),
    "59302": ErrorRule(PreconditionFailed, "orders that close the position are open; " + _ORDERS),
    "59303": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59401": ErrorRule(PreconditionFailed, "the limit of holdings is reached; reduce positions first"),
    "59402": ErrorRule(Refused, "the instrument is not live; " + _CONTRACT),
    "59500": ErrorRule(AccessDenied, "only a key of the main account may do this"),
    "59506": ErrorRule(AccessDenied, "OKX has no such key at this host; " + _HOUSE),
    "59508": ErrorRule(AccessDenied, "the sub-account is suspended; ask OKX's support"),
    "59515": ErrorRule(AccessDenied, _ACCOUNT),
    "59519": ErrorRule(AccessDenied, _ACCOUNT),
    "59523": ErrorRule(PreconditionFailed, "the delta neutral strategy forbids isolated margin; end it first"),
    "59550": ErrorRule(AccessDenied, "complete the identity verification at OKX first"),
    "59604": ErrorRule(AccessDenied, "only a key of the main account may do this"),
    "59613": ErrorRule(AccessDenied, _PERMISSION),
    "59614": ErrorRule(NotSupported, "managed sub-accounts do not have this"),
    "59668": ErrorRule(PreconditionFailed, "isolated orders or bots are in the way; " + _BOTS),
    "59669": ErrorRule(PreconditionFailed, "cross-margin orders or bots are in the way; " + _BOTS),
    "59670": ErrorRule(PreconditionFailed, "too many orders of this market are open; cancel some of them first"),
}

CODES: Mapping[str, ErrorRule] = MappingProxyType(_GENERAL | _KEYS | _TRADING | _SETTINGS)
"""What a code means, whether it stands for the whole answer (`code`) or for an item of it (`sCode`)."""

PARAMETERS = frozenset(
    {
        "50000",
        "50002",
        "50006",
        "50014",
        "50015",
        "50016",
        "50024",
        "50025",
        "50039",
        "50076",
        "50077",
        "51000",
        "59004",
    }
)
"""Codes for a request that OKX does not take as it is written."""

UNKNOWN_CODE = ErrorRule(Unlisted, "this code is not known here; see OKX's error code page")
"""OKX adds codes, some of them for what did happen in part; one that is in no table refuses nothing for certain."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(AccessDenied, "OKX does not let our address in"),
        404: ErrorRule(NotSupported, "OKX has no such endpoint"),
        405: ErrorRule(NotSupported, "OKX has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        410: ErrorRule(NotSupported, "OKX does not offer this endpoint now"),
        429: ErrorRule(Throttled, "too many requests; " + _LATER),
        451: ErrorRule(AccessDenied, "OKX may not serve this machine's address by law; " + _HOUSE),
    }
)
"""What an HTTP status means where there is no code in the answer, or none that is known."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever code comes with it."""

WINDOW: Milliseconds = 2_000
"""Every limit of the endpoints we use is so many requests in two seconds; no header says what is left of it."""

CHANGES = "/set-leverage"
_LEVERAGE = re.compile(r"\blever", re.IGNORECASE)

_SUCCESS = frozenset({"", "0"})


class OkxError(NamedTuple):
    """OKX's own words for what is amiss."""

    code: str
    message: str


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where the tables say nothing, as for a success."""
    refusal = refusal_of(answer.body)
    meaning = _meaning(answer, refusal)
    if meaning is None:
        return None
    return meaning.error_in(answer, _words(answer, refusal, meaning), refusal and refusal.code, retry_after)


def refusal_of(body: Any) -> OkxError | None:
    """What is refused, of an item first: with code 1 or 2, and even with 0, the items of `data` say what happened."""
    if not isinstance(body, dict):
        return None
    items = body["data"] if isinstance(body.get("data"), list) else []
    for item in items:
        if isinstance(item, dict) and (code := _code(item, "sCode")):
            return OkxError(code, str(item.get("sMsg", "")))
    code = _code(body, "code")
    return OkxError(code, str(body.get("msg", ""))) if code else None


def rule_of(code: str, message: str = "", path: str = "") -> ErrorRule | None:
    """What a code means, with or without its sub-code; None where it is in no table."""
    code = code.partition("_")[0]
    return _parameter(message, path) if code in PARAMETERS else CODES.get(code)


def _parameter(message: str, path: str) -> ErrorRule:
    """What a refused parameter means. Of those that a caller chooses there are two, and changes alone carry them.

    Whatever else is refused was chosen here: then a change was not made, and a question has no answer.
    """
    if not path.endswith(CHANGES):
        return ErrorRule(Ambiguous, _OURS)
    if _LEVERAGE.search(message):
        return ErrorRule(ValueRefused, "OKX does not take this leverage")
    return (
        ErrorRule(UnknownSymbol, "OKX lists no such instrument") if "instId" in message else ErrorRule(Refused, _OURS)
    )


def _code(row: Row, name: str) -> str | None:
    """A code that is no success."""
    code = str(row.get(name) or "")
    return None if code in _SUCCESS else code


def _meaning(answer: VenueResponse, refusal: OkxError | None) -> ErrorRule | None:
    if answer.status >= 500:
        return SERVER_ERROR
    if refusal:
        return rule_of(*refusal, answer.path) or STATUSES.get(answer.status, UNKNOWN_CODE)
    return STATUSES.get(answer.status)


def retry_after(answer: VenueResponse) -> Milliseconds:
    """How long to wait: by the header, which counts seconds, or else a window."""
    told = answer.retry_after()
    return WINDOW if told is None else told


def _words(answer: VenueResponse, refusal: OkxError | None, meaning: ErrorRule) -> str:
    if refusal is None:
        return f"OKX answered with HTTP {answer.status}: {meaning.advice}"
    return f"OKX says {refusal.message!r} ({refusal.code}): {meaning.advice}"
