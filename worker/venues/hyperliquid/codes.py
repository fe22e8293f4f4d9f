"""What Hyperliquid's refusals mean for us, as data. It has no codes: a refusal is HTTP 200 and a sentence.

Sources: the documentation's pages on error responses, on nonces and API wallets, and on rate limits, and what users
report on the issue pages of its SDKs.
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
    Throttled,
    ValueRefused,
)

_SIGNER = "check the account's key and addresses, and that the API wallet is approved and has not expired"
_BUSY = "it was not processed; try again later"
_UNSURE = "nothing says whether it was carried out"
_NONCE = "our clock differs from Hyperliquid's, or another process signs with the same key; give each a key of its own"

NO_ACTIONS_LEFT = "Too many cumulative requests"

TEXTS: Mapping[str, ErrorRule] = MappingProxyType(
    {
        "Invalid leverage value": ErrorRule(ValueRefused, "the market does not allow this leverage"),
        "Cross margin is not allowed for this asset": ErrorRule(ValueRefused, "the market is for isolated margin only"),
        "Cannot switch leverage type with open position": ErrorRule(
            PreconditionFailed, "close the position in this market first"
        ),
        "does not have sufficient margin available to decrease leverage": ErrorRule(
            PreconditionFailed, "reduce the position or add margin first"
        ),
        "Must deposit before performing actions": ErrorRule(
            PreconditionFailed, "the account must have received a deposit; if it has, the signer is wrong"
        ),
        "User or API Wallet": ErrorRule(AccessDenied, _SIGNER),
        "Vault not registered": ErrorRule(
            AccessDenied, "vault_address must be a vault or a sub-account, not the account's own address"
        ),
        "duplicate nonce": ErrorRule(ClockSkewed, _NONCE),
        "Invalid nonce": ErrorRule(ClockSkewed, _NONCE),
        NO_ACTIONS_LEFT: ErrorRule(
            Throttled, "the address has used up its actions; it may send one every ten seconds", 10_000
        ),
    }
)
"""What a refusal means, by a part of its sentence. The first that fits counts."""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _SIGNER),
        403: ErrorRule(AccessDenied, "our address was turned away"),
        404: ErrorRule(NotSupported, "Hyperliquid has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        422: ErrorRule(ValueRefused, "it can't read the request; check the account's addresses"),
        429: ErrorRule(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on."""
