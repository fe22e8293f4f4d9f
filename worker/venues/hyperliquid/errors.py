"""What Hyperliquid's refusals mean for us. It has no codes: a refusal is HTTP 200 and a sentence, or an HTTP status.

Sources: the documentation's pages on error responses, on nonces and API wallets, and on rate limits, and what users
report on the issue pages of its SDKs.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.port.error_rule import ErrorRule
from worker.venues.port.errors import (
    AccessDenied,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Refused,
    Throttled,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

_SIGNER = "check the account's key and addresses, and that the API wallet is approved and has not expired"
_BUSY = "it was not processed; try again later"
_UNSURE = "nothing says whether it was carried out"
_NONCE = "our clock differs from Hyperliquid's, or another process signs with the same key; give each a key of its own"

_OURS = "it can't read what was sent, which is no fault of what was asked for"

UNREADABLE = 422
"""The status of a body that is not of the shape Hyperliquid expects. What of it a caller chose was checked before."""

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
        "must deposit before performing actions": ErrorRule(
            PreconditionFailed, "the account must have received a deposit; if it has, the signer is wrong"
        ),
        "Multi-sig required": ErrorRule(
            AccessDenied, "a multi-sig account acts with the signatures of several; give this service one of its own"
        ),
        "Mainnet and testnet require different signature": ErrorRule(
            AccessDenied, "the key signs for the other network; see network in the registry"
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
"""What a refusal means, by a part of its sentence, in any case of letters. The first that fits counts.

"Error responses" documents those of orders; a change of leverage has none of its own there, so that these are what the
venue was seen to answer. Checked 2026-11-29 against the documentation and three public lists of its sentences.
"""

STATUSES: Mapping[int, ErrorRule] = MappingProxyType(
    {
        401: ErrorRule(AccessDenied, _SIGNER),
        403: ErrorRule(AccessDenied, "our address was turned away"),
        404: ErrorRule(NotSupported, "Hyperliquid has no such endpoint"),
        408: ErrorRule(Ambiguous, _UNSURE),
        UNREADABLE: ErrorRule(Refused, _OURS + "; nothing was done"),
        429: ErrorRule(Throttled, "too many requests; " + _BUSY),
    }
)
"""What an HTTP status means."""

SERVER_ERROR = ErrorRule(Ambiguous, _UNSURE)
"""Any status from 500 on."""

LONGEST_CODE = 120
"""Characters of a sentence that no table has which are kept as its code."""

_UNKNOWN = ErrorRule(Unlisted, "see Hyperliquid's message")


def judge(answer: VenueResponse) -> VenueError | None:
    """The error in an answer; None where there is none, or the status is in no table."""
    if answer.status >= 400:
        return _by_status(answer)
    sentence = refusal_in(answer.body)
    if sentence is None:
        return None
    known = ((part, row) for part, row in TEXTS.items() if says(sentence, part))
    code, meaning = next(known, (sentence[:LONGEST_CODE], _UNKNOWN))
    return _error(answer, meaning, f"Hyperliquid says {sentence!r}: {meaning.advice}", code)


def _by_status(answer: VenueResponse) -> VenueError | None:
    meaning = SERVER_ERROR if answer.status >= 500 else _status(answer)
    if meaning is None:
        return None
    return _error(
        answer, meaning, f"Hyperliquid answered with HTTP {answer.status}: {meaning.advice}", str(answer.status)
    )


def _status(answer: VenueResponse) -> ErrorRule | None:
    """What a status means; a question that it can't read has no answer, while an action was not carried out."""
    if answer.status == UNREADABLE and answer.path.endswith("/info"):
        return ErrorRule(Ambiguous, _OURS)
    return STATUSES.get(answer.status)


def _error(answer: VenueResponse, meaning: ErrorRule, message: str, code: str) -> VenueError:
    def wait(answer: VenueResponse) -> Milliseconds | None:
        told = retry_after(answer)
        return meaning.wait if told is None else told

    return meaning.error_in(answer, message, code, wait)


def retry_after(answer: VenueResponse) -> Milliseconds | None:
    """How long to wait by the header, which counts seconds."""
    return answer.retry_after()


def says(sentence: str, part: str) -> bool:
    """Whether a sentence of the venue has this part. It writes some with a capital letter and some without."""
    return part.lower() in sentence.lower()


def refusal_in(body: Any) -> str | None:
    """The sentence of `{"status": "err", "response": …}`; anything else is no refusal."""
    if not isinstance(body, dict) or body.get("status") != "err":
        return None
    sentence = body.get("response")
    return sentence if isinstance(sentence, str) else "nothing more"
