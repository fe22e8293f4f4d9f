"""OKX's codes and what they mean for us, as data.

Source: the REST part of the error code page, https://www.okx.com/docs-v5/en/#error-code. Codes are text. What concerns
placing orders only is left out, for no order is ever placed here.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from worker.venues.errors import (
    AccessDenied,
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


_UNSURE = "OKX itself can't say whether it was carried out"
_LATER = "it was not processed; try again later"
_KEY = "check the API key, its secret, its passphrase and its list of allowed addresses"
_PERMISSION = "the key or its account lacks a permission; check both with OKX"
_PARAMETER = "OKX does not take this parameter"
_FROZEN = "wait until OKX has finished it, then try again"
_ACCOUNT = "OKX restricts this account; ask its support"
_MARGIN = "add margin, reduce positions or take a higher leverage"
_ORDERS = "cancel the open orders of this market first"
_CONTRACT = "the contract can't be changed in its present state"

_GENERAL: dict[str, Meaning] = {
    "1": Meaning(Refused, "see OKX's message"),
    "2": Meaning(Ambiguous, "only a part of it was carried out, and OKX does not say which"),
    "50000": Meaning(ValueRefused, _PARAMETER),
    "50001": Meaning(Ambiguous, "the service is unavailable for now; " + _UNSURE),
    "50002": Meaning(ValueRefused, _PARAMETER),
    "50004": Meaning(Ambiguous, "it timed out; " + _UNSURE),
    "50005": Meaning(NotSupported, "OKX does not offer this endpoint now"),
    "50006": Meaning(ValueRefused, _PARAMETER),
    "50007": Meaning(AccessDenied, _ACCOUNT),
    "50008": Meaning(AccessDenied, _KEY),
    "50009": Meaning(PreconditionFailed, "the account is being liquidated; " + _FROZEN),
    "50010": Meaning(AccessDenied, _KEY),
    "50011": Meaning(Throttled, "too many requests; " + _LATER),
    "50012": Meaning(AccessDenied, _ACCOUNT),
    "50013": Meaning(Ambiguous, "OKX is busy; " + _UNSURE),
    "50014": Meaning(ValueRefused, _PARAMETER),
    "50015": Meaning(ValueRefused, _PARAMETER),
    "50016": Meaning(ValueRefused, _PARAMETER),
    "50017": Meaning(PreconditionFailed, "auto-deleveraging has frozen the position; " + _FROZEN),
    "50018": Meaning(PreconditionFailed, "auto-deleveraging has frozen the currency; " + _FROZEN),
    "50019": Meaning(PreconditionFailed, "auto-deleveraging has frozen the account; " + _FROZEN),
    "50020": Meaning(PreconditionFailed, "a liquidation has frozen the position; " + _FROZEN),
    "50021": Meaning(PreconditionFailed, "a liquidation has frozen the currency; " + _FROZEN),
    "50022": Meaning(PreconditionFailed, "a liquidation has frozen the account; " + _FROZEN),
    "50023": Meaning(PreconditionFailed, "funding fees are frozen; " + _FROZEN),
    "50024": Meaning(ValueRefused, _PARAMETER),
    "50025": Meaning(ValueRefused, _PARAMETER),
    "50026": Meaning(Ambiguous, "OKX has a system error; " + _UNSURE),
    "50027": Meaning(AccessDenied, _ACCOUNT),
    "50028": Meaning(Refused, "ask OKX's support"),
    "50029": Meaning(AccessDenied, _ACCOUNT),
    "50030": Meaning(AccessDenied, _PERMISSION),
    "50032": Meaning(PreconditionFailed, "the account's settings forbid this currency"),
    "50033": Meaning(PreconditionFailed, "the account's settings forbid this instrument"),
    "50035": Meaning(AccessDenied, "this endpoint wants a key that is bound to an address"),
    "50038": Meaning(NotSupported, "demo trading does not have this"),
    "50039": Meaning(ValueRefused, _PARAMETER),
    "50040": Meaning(Throttled, "too many operations; " + _LATER),
    "50041": Meaning(AccessDenied, _PERMISSION),
    "50042": Meaning(Ambiguous, "OKX takes it for a repetition; " + _UNSURE),
    "50046": Meaning(NotSupported, "OKX has switched this off for now"),
    "50051": Meaning(AccessDenied, "OKX does not offer this in the owner's country"),
    "50052": Meaning(AccessDenied, "OKX does not offer this in the owner's country"),
    "50053": Meaning(NotSupported, "only demo trading has this"),
    "50059": Meaning(AccessDenied, _ACCOUNT),
    "50060": Meaning(AccessDenied, _ACCOUNT),
    "50061": Meaning(Throttled, "the account's limit is used up; " + _LATER),
    "50062": Meaning(NotSupported, "OKX has switched this off for now"),
    "63999": Meaning(Ambiguous, "OKX has an internal error; " + _UNSURE),
}

_KEYS: dict[str, Meaning] = {
    "50100": Meaning(AccessDenied, "the key is frozen; ask OKX's support"),
    "50101": Meaning(AccessDenied, "the key belongs to another environment: live and demo keys differ"),
    "50102": Meaning(ClockSkewed, "our timestamp is more than 30 seconds off"),
    "50103": Meaning(AccessDenied, _KEY),
    "50104": Meaning(AccessDenied, _KEY),
    "50105": Meaning(AccessDenied, "the passphrase is wrong: it is the one chosen when the key was made"),
    "50106": Meaning(AccessDenied, _KEY),
    "50107": Meaning(AccessDenied, _KEY),
    "50108": Meaning(AccessDenied, _KEY),
    "50109": Meaning(AccessDenied, _KEY),
    "50110": Meaning(AccessDenied, "our address is not on the key's list"),
    "50111": Meaning(AccessDenied, _KEY),
    "50112": Meaning(AccessDenied, "the timestamp is not in the form that OKX reads"),
    "50113": Meaning(AccessDenied, _KEY),
    "50114": Meaning(AccessDenied, _KEY),
    "50115": Meaning(NotSupported, "OKX has no such endpoint"),
    "50118": Meaning(AccessDenied, _PERMISSION),
    "50119": Meaning(AccessDenied, "OKX has no such key"),
    "50120": Meaning(AccessDenied, _PERMISSION),
    "50121": Meaning(AccessDenied, _PERMISSION),
}

_TRADING: dict[str, Meaning] = {
    "51000": Meaning(ValueRefused, _PARAMETER),
    "51001": Meaning(UnknownSymbol, "OKX lists no such instrument"),
    "51002": Meaning(UnknownSymbol, "the instrument does not belong to its index"),
    "51008": Meaning(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "51009": Meaning(AccessDenied, _ACCOUNT),
    "51010": Meaning(PreconditionFailed, "the account mode does not allow it; change the account mode first"),
    "51012": Meaning(UnknownSymbol, "OKX lists no such currency"),
    "51014": Meaning(UnknownSymbol, "OKX has no such index"),
    "51015": Meaning(UnknownSymbol, "the instrument is of another type"),
    "51021": Meaning(Refused, "the contract is not listed yet; " + _CONTRACT),
    "51022": Meaning(Refused, "the contract is suspended; " + _CONTRACT),
    "51023": Meaning(Refused, "there is no such position"),
    "51024": Meaning(AccessDenied, _ACCOUNT),
    "51027": Meaning(Refused, "the contract has expired; " + _CONTRACT),
    "51028": Meaning(Refused, "the contract is being delivered; " + _CONTRACT),
    "51029": Meaning(Refused, "the contract is being settled; " + _CONTRACT),
    "51030": Meaning(Refused, "its funding fee is being settled; " + _CONTRACT),
    "51039": Meaning(NotSupported, "a portfolio margin account has no leverage for cross positions"),
    "51040": Meaning(NotSupported, "a portfolio margin account does not have this"),
    "51041": Meaning(NotSupported, "a portfolio margin account is in net mode only"),
}

_SETTINGS: dict[str, Meaning] = {
    "59000": Meaning(PreconditionFailed, "close the positions and cancel the open orders first"),
    "59001": Meaning(PreconditionFailed, "repay what is borrowed first"),
    "59002": Meaning(PreconditionFailed, "a sub-account has open orders, positions or bots; end them first"),
    "59100": Meaning(PreconditionFailed, "close the positions in this market first"),
    "59101": Meaning(PreconditionFailed, "isolated orders are open; " + _ORDERS),
    "59102": Meaning(ValueRefused, "it is above the highest leverage of this market"),
    "59103": Meaning(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59104": Meaning(PreconditionFailed, "the position is too large for this leverage; reduce it first"),
    "59105": Meaning(ValueRefused, "it is below the lowest leverage of this market"),
    "59106": Meaning(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59107": Meaning(PreconditionFailed, _ORDERS),
    "59108": Meaning(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "59109": Meaning(PreconditionFailed, "the equity is not sufficient; " + _MARGIN),
    "59111": Meaning(NotSupported, "a portfolio margin account has no leverage to be read"),
    "59112": Meaning(PreconditionFailed, _ORDERS),
    "59113": Meaning(AccessDenied, _ACCOUNT),
    "59128": Meaning(ValueRefused, "it is above the highest leverage of a lead trader"),
    "59200": Meaning(PreconditionFailed, "the balance is not sufficient; " + _MARGIN),
    "59201": Meaning(PreconditionFailed, "the balance is negative; " + _MARGIN),
    "59216": Meaning(Refused, "there is no such position"),
}

CODES: Mapping[str, Meaning] = MappingProxyType(_GENERAL | _KEYS | _TRADING | _SETTINGS)
"""What a code means, whether it stands for the whole answer (`code`) or for an item of it (`sCode`)."""

UNKNOWN_CODE = Meaning(Refused, "see OKX's message")
"""Any code but 0 is a refusal by the documents, so one that is not in the table is too."""

STATUSES: Mapping[int, Meaning] = MappingProxyType(
    {
        401: Meaning(AccessDenied, _KEY),
        403: Meaning(AccessDenied, "OKX does not let our address in"),
        404: Meaning(NotSupported, "OKX has no such endpoint"),
        405: Meaning(NotSupported, "OKX has no such endpoint"),
        408: Meaning(Ambiguous, _UNSURE),
        429: Meaning(Throttled, "too many requests; " + _LATER),
    }
)
"""What an HTTP status means where there is no code in the answer."""

SERVER_ERROR = Meaning(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever code comes with it."""
