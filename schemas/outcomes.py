"""How a command can end, and every error a caller can meet, each with its HTTP status."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple


class Outcome(StrEnum):
    """The one way in which a command ended."""

    APPLIED = "applied"
    UNCHANGED = "unchanged"
    REJECTED = "rejected"
    PRECONDITION_FAILED = "precondition_failed"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"
    EXPIRED = "expired"
    PARTIAL = "partial"
    """Of a command about many symbols alone: some are as wanted now, and some are not."""

    @property
    def succeeded(self) -> bool:
        """Whether the setting now is what was asked for."""
        return self in (Outcome.APPLIED, Outcome.UNCHANGED)


class Scope(StrEnum):
    """How far a change reaches: one market, all of one settle currency, or the whole account."""

    SYMBOL = "symbol"
    SETTLE = "settle"
    ACCOUNT = "account"


class ErrorCode(StrEnum):
    """The `error.code` of an envelope. Programs branch on it; messages are for people."""

    INVALID_REQUEST = "invalid_request"
    REJECTED = "rejected"
    UNSUPPORTED = "unsupported"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    GUARDRAIL = "guardrail"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_SYMBOL = "unknown_symbol"
    UNKNOWN_OPERATION = "unknown_operation"
    UNKNOWN_COMMAND = "unknown_command"
    UNKNOWN_DEAD_LETTER = "unknown_dead_letter"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    PRECONDITION_FAILED = "precondition_failed"
    CONFLICT = "conflict"
    FROZEN = "frozen"
    PAYLOAD_TOO_LARGE = "payload_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    URI_TOO_LONG = "uri_too_long"
    HEADERS_TOO_LARGE = "headers_too_large"
    THROTTLED = "throttled"
    RATE_LIMITED = "rate_limited"
    INTERNAL_ERROR = "internal_error"
    UNKNOWN = "unknown"
    VENUE_UNAVAILABLE = "venue_unavailable"
    NO_WORKER = "no_worker"
    BROKER_UNAVAILABLE = "broker_unavailable"
    LEDGER_UNAVAILABLE = "ledger_unavailable"
    KEYS_UNAVAILABLE = "keys_unavailable"
    OVERLOADED = "overloaded"
    EXPIRED = "expired"
    TIMEOUT = "timeout"


class ErrorKind(NamedTuple):
    """What a code means to a caller."""

    status: int
    retryable: bool
    meaning: str


ERRORS: Mapping[ErrorCode, ErrorKind] = MappingProxyType(
    {
        ErrorCode.INVALID_REQUEST: ErrorKind(400, False, "the request is not of the documented form; nothing was sent"),
        ErrorCode.REJECTED: ErrorKind(400, False, "the venue refuses this value, definitively"),
        ErrorCode.UNSUPPORTED: ErrorKind(
            400, False, "this venue or account type has no such operation; nothing was sent"
        ),
        ErrorCode.UNAUTHORIZED: ErrorKind(401, False, "no token, or one that is forged or expired"),
        ErrorCode.FORBIDDEN: ErrorKind(403, False, "the token's role may not do this, or it may not name this account"),
        ErrorCode.GUARDRAIL: ErrorKind(
            403, False, "a guardrail of the account or the token forbids it; nothing was sent, the message says which"
        ),
        ErrorCode.UNKNOWN_ACCOUNT: ErrorKind(404, False, "the registry has no such account"),
        ErrorCode.UNKNOWN_SYMBOL: ErrorKind(404, False, "the venue lists no such market"),
        ErrorCode.UNKNOWN_OPERATION: ErrorKind(404, False, "there is no such operation"),
        ErrorCode.UNKNOWN_COMMAND: ErrorKind(
            404, False, "no command with this id has reached a worker, or its record is older than the retention"
        ),
        ErrorCode.UNKNOWN_DEAD_LETTER: ErrorKind(
            404, False, "no dead letter has this id: it was sent again or dropped, or several share it"
        ),
        ErrorCode.NOT_FOUND: ErrorKind(404, False, "there is no such route"),
        ErrorCode.METHOD_NOT_ALLOWED: ErrorKind(405, False, "the route exists, with another method"),
        ErrorCode.PRECONDITION_FAILED: ErrorKind(
            409, False, "something must be closed or changed first; the message says what"
        ),
        ErrorCode.CONFLICT: ErrorKind(
            409, False, "the command id belongs to another command; nothing was sent, take a new id"
        ),
        ErrorCode.FROZEN: ErrorKind(423, False, "an admin has frozen it; nothing was sent, the message says why"),
        ErrorCode.PAYLOAD_TOO_LARGE: ErrorKind(413, False, "the body is larger than any request can be"),
        ErrorCode.REQUEST_TIMEOUT: ErrorKind(408, True, "the request did not arrive in time; nothing was sent"),
        ErrorCode.URI_TOO_LONG: ErrorKind(414, False, "path and query are longer than any request's can be"),
        ErrorCode.HEADERS_TOO_LARGE: ErrorKind(431, False, "the headers are larger than any request's can be"),
        ErrorCode.RATE_LIMITED: ErrorKind(429, True, "the token's requests come too often; see Retry-After"),
        ErrorCode.THROTTLED: ErrorKind(429, True, "the venue's limit is used up; nothing was changed, see Retry-After"),
        ErrorCode.INTERNAL_ERROR: ErrorKind(500, False, "a fault of this service; the log has it under the command id"),
        ErrorCode.UNKNOWN: ErrorKind(
            502, False, "it was sent, and neither answer nor read-back tells what became of it"
        ),
        ErrorCode.VENUE_UNAVAILABLE: ErrorKind(
            502, True, "the venue can't be reached or answers nonsense; nothing was changed"
        ),
        ErrorCode.NO_WORKER: ErrorKind(503, True, "no worker takes this operation at the moment; nothing was sent"),
        ErrorCode.BROKER_UNAVAILABLE: ErrorKind(
            503, True, "the broker can't be reached; the message says whether anything was sent"
        ),
        ErrorCode.LEDGER_UNAVAILABLE: ErrorKind(
            503, True, "the ledger can't be used; the message says whether anything may have been changed"
        ),
        ErrorCode.KEYS_UNAVAILABLE: ErrorKind(
            503, True, "the identity provider has not told its keys yet, so that no token can be checked"
        ),
        ErrorCode.OVERLOADED: ErrorKind(503, True, "too many requests run at once; nothing was sent, see Retry-After"),
        ErrorCode.EXPIRED: ErrorKind(504, True, "the deadline passed before it was sent, and it never will be"),
        ErrorCode.TIMEOUT: ErrorKind(
            504, False, "no answer in time; a command's result event will tell what became of it"
        ),
    }
)
