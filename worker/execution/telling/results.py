"""From how a command ended to the envelope its sender gets and the event everybody gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import orjson

from schemas import CommandResult, ErrorCode, Failure, Outcome, ResultEvent, Success, failure
from schemas.base import Milliseconds, utc_text
from schemas.events import Timings, event_id, result_key
from worker.execution.calls import VenueCalls
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.handlers.plan import Applied, QueryResult
from worker.ledger.commands import Record
from worker.messages.wire import EXCHANGE_HEADER, Outgoing, Reply, reply_of
from worker.telemetry import tracing
from worker.telemetry.stages import STAGES, Stage

ONE_MOMENT_MS: Milliseconds = 2
"""What instants of two clocks, each rounded to a millisecond, may be apart."""

Ending = Applied | QueryResult | CommandFailure


def outcome_of(ending: Applied | CommandFailure) -> Outcome:
    """The one outcome in which a command ended."""
    return ending.confirmed.outcome if isinstance(ending, Applied) else ending.outcome


def envelope_of(ending: Ending) -> Success | Failure:
    """The documented body."""
    if isinstance(ending, CommandFailure):
        return ending.envelope
    status = ending.status if isinstance(ending, Applied) else 200
    return Success(message=ending.message, statusCode=status, data=ending.data)


def reply_to(command_id: str | None, ending: Ending, exchange: str | None = None, policy: str | None = None) -> Reply:
    """The reply, with the headers that keep the documented body as documented. `exchange` is its account's."""
    headers = {} if command_id is None else {"Command-Id": command_id}
    if exchange is not None:
        headers[EXCHANGE_HEADER] = exchange
    if not isinstance(ending, QueryResult):
        headers["Outcome"] = outcome_of(ending)
    if policy is not None:
        headers["Policy"] = policy
    if isinstance(ending, Applied):
        headers["Confirmed-By"] = ending.confirmed.confirmed_by
    else:
        headers |= ending.headers
    return reply_of(envelope_of(ending), headers)


def no_answer_yet(command: Command) -> Reply:
    """Nothing that only a record could tell: no outcome, for none is recorded."""
    message = (
        "the ledger can't be used, so that it is not known yet how the command ended; nothing more of it is sent, "
        "its result event will tell"
    )
    headers = {"Command-Id": command.id, EXCHANGE_HEADER: command.account.exchange}
    return reply_of(failure(ErrorCode.TIMEOUT, message, details={"command_id": command.id}), headers)


def result_event(
    command: Command, ending: Applied | CommandFailure, calls: VenueCalls, finished: Milliseconds, epoch: int
) -> ResultEvent:
    """What became of a command, for everybody. What a ledger has forgotten and does again is another event."""
    result = CommandResult(
        command_id=command.id,
        operation=command.operation.name,
        exchange=command.account.exchange,
        exchange_account_id=command.account.id,
        actor=command.actor,
        outcome=outcome_of(ending),
        requested=command.request.model_dump(exclude_none=True),
        attempts=calls.attempts,
        timings=_timings(command, calls, finished),
        policy=calls.policy,
        envelope=envelope_of(ending),
        **_evidence(ending),
    )
    return ResultEvent(
        id=event_id("result", epoch, command.id),
        subject=command.account.id,
        time=utc_text(finished),
        epoch=epoch,
        traceparent=tracing.traceparent(),
        data=result,
    )


def _timings(command: Command, calls: VenueCalls, finished: Milliseconds) -> Timings:
    """The instants of its way. What was noted by a clock that nobody sets is told by UTC, counted back from its end."""
    times, now = STAGES.get(), perf_counter()
    permits, turns, answers = (
        [finished - round((now - end) * 1000) for end in times.ends(stage)]
        for stage in (Stage.LIMITER, Stage.LANE, Stage.VENUE)
    )
    return Timings(
        received=command.received,
        sent=calls.sent,
        finished=finished,
        deadline=command.deadline,
        venue=round(calls.venue_ms, 3),
        turn=max(turns, default=None),
        permit=_permitted(permits, calls.sent),
        answered=max(answers, default=None),
    )


def _permitted(permits: list[Milliseconds], sent: Milliseconds | None) -> Milliseconds | None:
    """The last of the permits before it was sent; two clocks may differ by a moment about which of both came first."""
    if sent is None:
        return max(permits, default=None)
    return max((min(at, sent) for at in permits if at <= sent + ONE_MOMENT_MS), default=None)


def _evidence(ending: Applied | CommandFailure) -> dict[str, Any]:
    if isinstance(ending, CommandFailure):
        unconfirmed = {"applied": None, "confirmed_by": None, "scope": None}
        return {**unconfirmed, "venue_code": ending.venue_code, "venue_response": ending.venue_response}
    confirmed = ending.confirmed
    return {
        "applied": ending.applied,
        "confirmed_by": confirmed.confirmed_by,
        "scope": confirmed.scope,
        "venue_code": confirmed.venue_code,
        "venue_response": confirmed.raw,
    }


@dataclass(frozen=True, slots=True)
class CommandResponse:
    """What is told of a finished command. `outbox_id` is the event's place in the outbox while it is new there.

    It `survives_crash` where it stays true though a power failure takes its record back: a setting that is in force.
    The command, not acknowledged yet, is then delivered again and finds it so. What was refused could be done then,
    and money be moved again, so these are told when the record has reached the disk.
    """

    reply: Reply
    event: Outgoing
    outbox_id: int | None = None
    owes_snapshot: bool = False
    survives_crash: bool = False


def told_before(record: Record) -> CommandResponse:
    """What was told when it was finished."""
    headers: Mapping[str, str] = orjson.loads(record.headers or "{}")
    reply = Reply(record.status or 0, (record.reply or "").encode(), dict(headers))
    entry = record.entry
    key = result_key(entry.operation, entry.exchange, entry.account)
    event = record.event or ""
    return CommandResponse(reply, Outgoing(orjson.loads(event)["id"], "perps-dma.result.v1", key, event))
