"""From the outcomes of commands to that of their symbol, and from those of the symbols to that of the whole."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from schemas import ErrorCode, Outcome, failure
from schemas.events import ConfirmedBy
from schemas.outcomes import Scope
from schemas.terms import PlannedPositionMode, PlannedRow, PlannedState, SymbolOutcome, TermsApplied, counted
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.handlers.plan import Applied, Confirmed
from worker.ledger.commands import Record
from worker.messages.wire import Reply

OUTCOMES_OF = {
    ErrorCode.UNSUPPORTED: Outcome.UNSUPPORTED,
    ErrorCode.PRECONDITION_FAILED: Outcome.PRECONDITION_FAILED,
}
"""How a symbol ends that a plan has found impossible, by the reason; by any other as rejected."""


@dataclass(frozen=True, slots=True)
class StepEnding:
    """How a command ended, as its caller was told; `retry_after_s` where that said so."""

    command: str
    outcome: Outcome
    code: ErrorCode | None
    message: str
    confirmed_by: str | None = None
    retry_after_s: int | None = None

    @property
    def was_never_sent(self) -> bool:
        """Whether it may be tried again under another id: nothing of it can be in force."""
        return self.outcome is Outcome.EXPIRED or self.code is ErrorCode.THROTTLED


@dataclass(frozen=True, slots=True)
class SymbolEnding:
    """How a symbol ended, or a position mode, with all that its commands were told."""

    symbol: str
    outcome: Outcome
    message: str
    code: ErrorCode | None = None
    steps: tuple[StepEnding, ...] = ()
    is_mode: bool = False

    @property
    def changed(self) -> bool:
        """Whether something of it was changed, be it not all."""
        return any(step.outcome is Outcome.APPLIED for step in self.steps)

    @property
    def told(self) -> SymbolOutcome:
        """The same as the API tells it."""
        commands = tuple(step.command for step in self.steps)
        return SymbolOutcome(symbol=self.symbol, outcome=self.outcome, message=self.message, commands=commands)


def ending_of(command: str, reply: Reply) -> StepEnding | None:
    """How a command ended that was answered so; None where the answer says that nobody knows yet."""
    if (outcome := reply.headers.get("Outcome")) is None:
        return None
    envelope = orjson.loads(reply.body)
    error, retry_after = envelope.get("error"), reply.headers.get("Retry-After")
    return StepEnding(
        command=command,
        outcome=Outcome(outcome),
        code=ErrorCode(error["code"]) if error else None,
        message=str(envelope["message"]).removeprefix("Error - "),
        confirmed_by=reply.headers.get("Confirmed-By"),
        retry_after_s=None if retry_after is None else int(retry_after),
    )


def ending_in(record: Record) -> StepEnding | None:
    """How a command ended by its record; None while it has not."""
    if record.finished is None:
        return None
    headers = orjson.loads(record.headers or "{}")
    return ending_of(record.entry.id, Reply(record.status or 0, (record.reply or "").encode(), headers))


def without_steps(row: PlannedRow) -> SymbolEnding | None:
    """How a symbol ends for which there is nothing to send."""
    if row.state is PlannedState.IMPOSSIBLE:
        outcome = OUTCOMES_OF.get(row.code or ErrorCode.REJECTED, Outcome.REJECTED)
        return row_ending(row, outcome, row.reason or "", row.code)
    return None if row.changes else row_ending(row, Outcome.UNCHANGED, "it is so already", None)


def row_ending(
    row: PlannedRow, outcome: Outcome, message: str, code: ErrorCode | None, steps: tuple[StepEnding, ...] = ()
) -> SymbolEnding:
    """How a row of a plan ended."""
    return SymbolEnding(row.name, outcome, message, code, steps, is_mode=isinstance(row, PlannedPositionMode))


def symbol_ending(row: PlannedRow, steps: Sequence[StepEnding]) -> SymbolEnding:
    """How a row of a plan ended: as the first of its commands that failed, else applied if anything was changed."""
    failed = next((step for step in steps if not step.outcome.succeeded), None)
    changed = any(step.outcome is Outcome.APPLIED for step in steps)
    outcome = failed.outcome if failed else Outcome.APPLIED if changed else Outcome.UNCHANGED
    message = failed.message if failed else "; ".join(step.message for step in steps)
    return row_ending(row, outcome, message, failed.code if failed else None, tuple(steps))


def whole(command: Command, endings: Iterable[SymbolEnding], *, cancelled: bool) -> Applied | CommandFailure:
    """How all of it ended.

    Applied or unchanged where every symbol is as wanted, partial where some are changed and some are not as wanted;
    otherwise nothing was changed, and it ended as the first symbol that failed. What is in doubt may be changed.
    """
    told = tuple(endings)
    failed = [ending for ending in told if not ending.outcome.succeeded]
    changed = any(ending.changed for ending in told)
    if failed and not changed:
        return _failure(next((one for one in failed if one.outcome is Outcome.UNKNOWN), failed[0]), told, cancelled)
    outcome = Outcome.PARTIAL if failed else Outcome.APPLIED if changed else Outcome.UNCHANGED
    return Applied(
        message=_in_words(outcome, told),
        data=_data(command, told, cancelled),
        applied={"counts": counted(ending.outcome for ending in told)},
        confirmed=Confirmed(outcome, _confirmed_by(told), Scope.ACCOUNT, raw=None),
        status=PARTIAL_STATUS if failed else 200,
    )


PARTIAL_STATUS = 207
"""What became of each part is told in the body (RFC 4918, Multi-Status)."""


def _in_words(outcome: Outcome, endings: Sequence[SymbolEnding]) -> str:
    counts = counted(ending.outcome for ending in endings)
    words = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items()) or "no symbols"
    return f"Terms {outcome}: {words}"


def _data(command: Command, endings: Sequence[SymbolEnding], cancelled: bool) -> TermsApplied:
    return TermsApplied(
        exchange=command.account.exchange,
        exchange_account_id=command.account.id,
        position_modes=tuple(ending.told for ending in endings if ending.is_mode),
        symbols=tuple(ending.told for ending in endings if not ending.is_mode),
        counts=counted(ending.outcome for ending in endings),
        cancelled=cancelled,
    )


def _confirmed_by(endings: Iterable[SymbolEnding]) -> ConfirmedBy:
    """By their echoes, where all of them were; what was so already was read."""
    steps = [step for ending in endings for step in ending.steps]
    echoed = bool(steps) and all(step.confirmed_by == ConfirmedBy.ECHO for step in steps)
    return ConfirmedBy.ECHO if echoed else ConfirmedBy.READ_BACK


def _failure(first: SymbolEnding, endings: Sequence[SymbolEnding], cancelled: bool) -> CommandFailure:
    details = {
        "position_modes": [ending.told.model_dump() for ending in endings if ending.is_mode],
        "symbols": [ending.told.model_dump() for ending in endings if not ending.is_mode],
        "counts": counted(ending.outcome for ending in endings),
        "cancelled": cancelled,
    }
    envelope = failure(first.code or ErrorCode.REJECTED, f"{first.symbol}: {first.message}", details=details)
    return CommandFailure(first.outcome, envelope)
