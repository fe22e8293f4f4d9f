"""What each failure means to the caller: the outcome of a command, and the error it is answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import orjson

from schemas import ErrorCode, Failure, Outcome, failure
from schemas.base import Milliseconds
from worker.execution.errors import Expired, Frozen, GuardrailBroken, NotConfirmed
from worker.execution.requests import Command, RequestRejected
from worker.ledger.unresolved import MARGIN_MOVES, SWEEPS, wanted_of
from worker.messages.wire import encode
from worker.venues.port import errors

KINDS: Mapping[type[Exception], tuple[Outcome, ErrorCode]] = MappingProxyType(
    {
        errors.ValueRefused: (Outcome.REJECTED, ErrorCode.REJECTED),
        errors.UnknownSymbol: (Outcome.REJECTED, ErrorCode.UNKNOWN_SYMBOL),
        errors.Throttled: (Outcome.REJECTED, ErrorCode.THROTTLED),
        errors.PreconditionFailed: (Outcome.PRECONDITION_FAILED, ErrorCode.PRECONDITION_FAILED),
        errors.AccessDenied: (Outcome.PRECONDITION_FAILED, ErrorCode.PRECONDITION_FAILED),
        errors.ClockSkewed: (Outcome.PRECONDITION_FAILED, ErrorCode.PRECONDITION_FAILED),
        errors.Misunderstood: (Outcome.REJECTED, ErrorCode.INTERNAL_ERROR),
        errors.NotSupported: (Outcome.UNSUPPORTED, ErrorCode.UNSUPPORTED),
        NotConfirmed: (Outcome.UNKNOWN, ErrorCode.UNKNOWN),
        errors.NotSent: (Outcome.EXPIRED, ErrorCode.VENUE_UNAVAILABLE),
        errors.Ambiguous: (Outcome.UNKNOWN, ErrorCode.VENUE_UNAVAILABLE),
        errors.Refused: (Outcome.REJECTED, ErrorCode.REJECTED),
        Expired: (Outcome.EXPIRED, ErrorCode.EXPIRED),
        Frozen: (Outcome.REJECTED, ErrorCode.FROZEN),
        GuardrailBroken: (Outcome.REJECTED, ErrorCode.GUARDRAIL),
    }
)


@dataclass(frozen=True, slots=True)
class CommandFailure:
    """A failure, told: the outcome, the envelope, and what goes beside it."""

    outcome: Outcome
    envelope: Failure
    venue_code: str | None = None
    venue_response: Any = None
    retry_after_ms: Milliseconds | None = None

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After` in whole seconds, where the venue named a time."""
        if self.retry_after_ms is None:
            return {}
        return {"Retry-After": str(-(-self.retry_after_ms // 1000))}


def refusal(error: Exception) -> CommandFailure:
    """Tell a failure. The nearest class of the error decides."""
    if isinstance(error, RequestRejected):
        return CommandFailure(Outcome.REJECTED, error.envelope)
    outcome, code = next(KINDS[kind] for kind in type(error).__mro__ if kind in KINDS)
    venue_code = getattr(error, "venue_code", None)
    envelope = failure(code, str(error), venue_code=venue_code, details=getattr(error, "details", None))
    return CommandFailure(
        outcome, envelope, venue_code, getattr(error, "raw", None), getattr(error, "retry_after", None)
    )


def fault(command_id: str, *, sent: bool) -> CommandFailure:
    """A fault of our own. When something may have been sent, nobody knows what became of it."""
    code = ErrorCode.UNKNOWN if sent else ErrorCode.INTERNAL_ERROR
    what = "what was sent may or may not be in force" if sent else "nothing was sent"
    message = f"this service failed while carrying it out, and {what}; the log tells more under command {command_id}"
    return CommandFailure(Outcome.UNKNOWN if sent else Outcome.REJECTED, failure(code, message))


LOOK_AGAIN = (
    "; the venue is asked again until it tells: GET /doubts (`perps-dma doubts`) lists it, "
    "and a control.doubt event will say what is in force"
)
LOOK_YOURSELF = (
    "; it is never sent again: look at the balances with pm_get_balance (GET /portfolio-margin/balance); "
    "a control.doubt event will carry them as they are read afterwards"
)

LOOK_AT_THE_MARGIN = (
    "; it is never sent again: look at the position with get_positions (GET /positions, `collateral`); "
    "a control.doubt event will carry its margin as it is read afterwards"
)


def doubt_about(command: Command) -> dict[str, Any]:
    """What is in doubt once a command has ended as unknown: its symbol or asset, and what was wanted."""
    request = orjson.loads(encode(command.request.model_dump(exclude_none=True)))
    named = {name: request[name] for name in ("symbol", "asset") if name in request}
    return {**named, "wanted": wanted_of(command.operation.name, request)}


def in_doubt(ended: CommandFailure, command: Command, since: Milliseconds) -> CommandFailure:
    """A command that ended as unknown, with all that helps its caller to find out."""
    envelope, error = ended.envelope, ended.envelope.error
    named = {"exchange_account_id": command.account.id, "operation": command.operation.name, "since": since}
    told = error.model_copy(update={"details": error.details | named | doubt_about(command)})
    name = command.operation.name
    how = LOOK_YOURSELF if name in SWEEPS else LOOK_AT_THE_MARGIN if name in MARGIN_MOVES else LOOK_AGAIN
    return replace(ended, envelope=envelope.model_copy(update={"message": envelope.message + how, "error": told}))


def held_elsewhere(*, was_sent: bool) -> CommandFailure:
    """A command whose account was another worker's until the deadline."""
    if was_sent:
        message = "another worker has sent it, or was about to, and has not told how it ended"
        return CommandFailure(Outcome.UNKNOWN, failure(ErrorCode.UNKNOWN, message))
    message = "another worker held the account until the deadline; nothing was sent"
    return CommandFailure(Outcome.EXPIRED, failure(ErrorCode.EXPIRED, message))


def forgotten(last_known: str | None = None) -> CommandFailure:
    """A command whose record is gone; `last_known` is what was known of it, in words."""
    message = (
        "the ledger has lost its record, by a failover or a restore, and it may have been sent; see what is in force"
    )
    details = None if last_known is None else {"last_known": last_known}
    return CommandFailure(Outcome.UNKNOWN, failure(ErrorCode.UNKNOWN, message, details=details))


def conflict(command_id: str) -> Failure:
    """The error for a command id that belongs to another command."""
    message = f"the command id {command_id} was used for another command; nothing was sent, take a new id"
    return failure(ErrorCode.CONFLICT, message, details={"command_id": command_id})
