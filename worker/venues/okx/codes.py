"""OKX's codes and what they mean for us, as data.

Source: the REST part of the error code page, https://www.okx.com/docs-v5/en/#error-code. Codes are text. What concerns
placing orders only is left out, for no order is ever placed here.
"""

from collections.abc import Mapping
from types import MappingProxyType

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
)

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

_GENERAL: dict[str, ErrorRule] = {
    "1": ErrorRule(Refused, "see OKX's message"),
    "2": ErrorRule(Ambiguous, "only a part of it was carried out, and OKX does not say which"),
    "50000": ErrorRule(ValueRefused, _PARAMETER),
    "50001": ErrorRule(Ambiguous, "the service is unavailable for now; " + _UNSURE),
    "50002": ErrorRule(ValueRefused, _PARAMETER),
    "50004": ErrorRule(Ambiguous, "it timed out; " + _UNSURE),
    "50005": ErrorRule(NotSupported, "OKX does not offer this endpoint now"),
    "50006": ErrorRule(ValueRefused, _PARAMETER),
    "50007": ErrorRule(AccessDenied, _ACCOUNT),
    "50008": ErrorRule(AccessDenied, _KEY),
    "50009": ErrorRule(PreconditionFailed, "the account is being liquidated; " + _FROZEN),
    "50010": ErrorRule(AccessDenied, _KEY),
    "50011": ErrorRule(Throttled, "too many requests; " + _LATER),
    "50012": ErrorRule(AccessDenied, _ACCOUNT),
    "50013": ErrorRule(Ambiguous, "OKX is busy; " + _UNSURE),
    "50014": ErrorRule(ValueRefused, _PARAMETER),
    "50015": ErrorRule(ValueRefused, _PARAMETER),
    "50016": ErrorRule(ValueRefused, _PARAMETER),
    "50017": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the position; " + _FROZEN),
    "50018": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the currency; " + _FROZEN),
    "50019": ErrorRule(PreconditionFailed, "auto-deleveraging has frozen the account; " + _FROZEN),
    "50020": ErrorRule(PreconditionFailed, "a liquidation has frozen the position; " + _FROZEN),
    "50021": ErrorRule(PreconditionFailed, "a liquidation has frozen the currency; " + _FROZEN),
    "50022": ErrorRule(PreconditionFailed, "a liquidation has frozen the account; " + _FROZEN),
    "50023": ErrorRule(PreconditionFailed, "funding fees are frozen; " + _FROZEN),
    "50024": ErrorRule(ValueRefused, _PARAMETER),
    "50025": ErrorRule(ValueRefused, _PARAMETER),
    "50026": ErrorRule(Ambiguous, "OKX has a system error; " + _UNSURE),
    "50027": ErrorRule(AccessDenied, _ACCOUNT),
    "50028": ErrorRule(Refused, "ask OKX's support"),
    "50029": ErrorRule(AccessDenied, _ACCOUNT),
    "50030": ErrorRule(AccessDenied, _PERMISSION),
    "50032": ErrorRule(PreconditionFailed, "the account's settings forbid this currency"),
    "50033": ErrorRule(PreconditionFailed, "the account's settings forbid this instrument"),
    "50035": ErrorRule(AccessDenied, "this endpoint wants a key that is bound to an address"),
    "50038": ErrorRule(NotSupported, "demo trading does not have this"),
    "50039": ErrorRule(ValueRefused, _PARAMETER),
    "50040": ErrorRule(Throttled, "too many operations; " + _LATER),
    "50041": ErrorRule(AccessDenied, _PERMISSION),
    "50042": ErrorRule(Ambiguous, "OKX takes it for a repetition; " + _UNSURE),
    "50046": ErrorRule(NotSupported, "OKX has switched this off for now"),
    "50051": ErrorRule(AccessDenied, "OKX does not offer this in the owner's country"),
    "50052": ErrorRule(AccessDenied, "OKX does not offer this in the owner's country"),
    "50053": ErrorRule(NotSupported, "only demo trading has this"),
    "50059": ErrorRule(AccessDenied, _ACCOUNT),
    "50060": ErrorRule(AccessDenied, _ACCOUNT),
    "50061": ErrorRule(Throttled, "the account's limit is used up; " + _LATER),
    "50062": ErrorRule(NotSupported, "OKX has switched this off for now"),
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
    "50108": ErrorRule(AccessDenied, _KEY),
    "50109": ErrorRule(AccessDenied, _KEY),
    "50110": ErrorRule(AccessDenied, "our address is not on the key's list"),
    "50111": ErrorRule(AccessDenied, _KEY),
    "50112": ErrorRule(AccessDenied, "the timestamp is not in the form that OKX reads"),
    "50113": ErrorRule(AccessDenied, _KEY),
    "50114": ErrorRule(AccessDenied, _KEY),
    "50115": ErrorRule(NotSupported, "OKX has no such endpoint"),
    "50118": ErrorRule(AccessDenied, _PERMISSION),
    "50119": ErrorRule(AccessDenied, "OKX has no such key"),
    "50120": ErrorRule(AccessDenied, _PERMISSION),
    "50121": ErrorRule(AccessDenied, _PERMISSION),
}

_TRADING: dict[str, ErrorRule] = {
    "51000": ErrorRule(ValueRefused, _PARAMETER),
    "51001": ErrorRule(UnknownSymbol, "OKX lists no such instrument"),
    "51002": ErrorRule(UnknownSymbol, "the instrument does not belong to its index"),
    "51008": ErrorRule(PreconditionFailed, "the margin is not sufficient; " + _MARGIN),
    "51009": ErrorRule(AccessDenied, _ACCOUNT),
    "51010": ErrorRule(PreconditionFailed, "the account mode does not allow it; change the account mode first"),
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
    "51040": ErrorRule(NotSupported, "a portfolio margin account does not have this"),
    "51041": ErrorRule(NotSupported, "a portfolio margin account is in net mode only"),
}

_SETTINGS: dict[str, ErrorRule] = {
    "59000": ErrorRule(PreconditionFailed, "close the positions and cancel the open orders first"),
    "59001": ErrorRule(PreconditionFailed, "repay what is borrowed first"),
    "59002": ErrorRule(PreconditionFailed, "a sub-account has open orders, positions or bots; end them first"),
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
    "59113": ErrorRule(AccessDenied, _ACCOUNT),
    "59128": ErrorRule(ValueRefused, "it is above the highest leverage of a lead trader"),
    "59200": ErrorRule(PreconditionFailed, "the balance is not sufficient; " + _MARGIN),
    "59201": ErrorRule(PreconditionFailed, "the balance is negative; " + _MARGIN),
    "59216": ErrorRule(Refused, "there is no such position"),
}

CODES: Mapping[str, ErrorRule] = MappingProxyType(_GENERAL | _KEYS | _TRADING | _SETTINGS)
"""What a code means, whether it stands for the whole answer (`code`) or for an item of it (`sCode`)."""

UNKNOWN_CODE = ErrorRule(Unlisted, "see OKX's message")
"""Any other code but 0."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _KEY),
        403: ErrorRule(AccessDenied, "OKX does not let our address in"),
        404: ErrorRule(NotSupported, "OKX has no such endpoint"),
        405: ErrorRule(NotSupported, "OKX has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        429: ErrorRule(Throttled, "too many requests; " + _LATER),
    }
)
"""What an HTTP status means where there is no code in the answer."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on, whatever code comes with it."""
