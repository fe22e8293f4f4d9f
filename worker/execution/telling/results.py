"""From how a command ended to the envelope its sender gets and the event everybody gets."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, NamedTuple

import orjson

from schemas import CommandResult, ErrorCode, Failure, Outcome, ResultEvent, Success, failure
from schemas.base import Milliseconds, utc_text
from schemas.events import Timings, event_id, result_key
from worker.execution.calls import VenueCalls
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.handlers.plan import Applied, QueryResult
from worker.ledger.commands import CommandEnding, Record
from worker.messages.wire import EXCHANGE_HEADER, Outgoing, Reply, outgoing_result, reply_of
from worker.telemetry import tracing
from worker.telemetry.stages import STAGES, Stage

ONE_MOMENT_MS: Milliseconds = 2
"""What instants of two clocks, each rounded to a millisecond, may be apart."""


def reply_to(command_id: str | None, ending: QueryResult | CommandFailure, exchange: str | None = None) -> Reply:
    """The reply to a query, or to what is refused on receipt. `exchange` is that of the account asked about."""
    headers = {} if command_id is None else {"Command-Id": command_id}
    if exchange is not None:
        headers[EXCHANGE_HEADER] = exchange
    if isinstance(ending, CommandFailure):
        return reply_of(ending.envelope, headers | {"Outcome": ending.outcome, **ending.headers})
    return reply_of(Success(message=ending.message, statusCode=200, data=ending.data), headers | {**ending.headers})


def no_answer_yet(command: Command) -> Reply:
    """Nothing that only a record could tell: no outcome, for none is recorded."""
    message = (
        "the ledger can't be used, so that it is not known yet how the command ended; nothing more of it is sent, "
        "its result event will tell"
    )
    headers = {"Command-Id": command.id, EXCHANGE_HEADER: command.account.exchange}
    return reply_of(failure(ErrorCode.TIMEOUT, message, details={"command_id": command.id}), headers)


class _Told(NamedTuple):
    """An ending as it is told: the documented body, the headers beside it, and what shows the setting, or why not."""

    outcome: Outcome
    envelope: Success | Failure
    headers: dict[str, str]
    evidence: dict[str, Any]


def _told_of(ending: Applied | CommandFailure) -> _Told:
    if isinstance(ending, CommandFailure):
        evidence = {"venue_code": ending.venue_code, "venue_response": ending.venue_response}
        unconfirmed = {"applied": None, "confirmed_by": None, "scope": None}
        return _Told(ending.outcome, ending.envelope, ending.headers, evidence | unconfirmed)
    confirmed = ending.confirmed
    evidence = {
        "applied": ending.applied,
        "confirmed_by": confirmed.confirmed_by,
        "scope": confirmed.scope,
        "venue_code": confirmed.venue_code,
        "venue_response": confirmed.raw,
    }
    envelope = Success(message=ending.message, statusCode=ending.status, data=ending.data)
    return _Told(confirmed.outcome, envelope, {"Confirmed-By": confirmed.confirmed_by}, evidence)


def ending_of(
    command: Command, ending: Applied | CommandFailure, calls: VenueCalls, finished: Milliseconds, epoch: int
) -> CommandEnding:
    """What is recorded of a command that has ended: what its sender is answered, and what everybody is told."""
    told = _told_of(ending)
    headers = {"Command-Id": command.id, EXCHANGE_HEADER: command.account.exchange, "Outcome": told.outcome}
    if calls.policy is not None:
        headers["Policy"] = calls.policy
    reply = reply_of(told.envelope, headers | told.headers)
    event = outgoing_result(_result_event(command, told, calls, finished, epoch), reply)
    return CommandEnding(told.outcome, finished, calls.attempts, reply, event)


def _result_event(command: Command, told: _Told, calls: VenueCalls, finished: Milliseconds, epoch: int) -> ResultEvent:
    """What became of it. What a ledger has forgotten and does again is another event."""
    result = CommandResult(
        command_id=command.id,
        operation=command.operation.name,
        exchange=command.account.exchange,
        exchange_account_id=command.account.id,
        actor=command.actor,
        outcome=told.outcome,
        requested=command.request.model_dump(exclude_none=True),
        attempts=calls.attempts,
        timings=_timings(command, calls, finished),
        policy=calls.policy,
        envelope=told.envelope,
        **told.evidence,
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
    now, ends = perf_counter(), defaultdict[Stage, list[Milliseconds]](list)
    for stage, _, ended in STAGES.get().intervals:
        ends[stage].append(finished - round((now - ended) * 1000))
    # The last of the permits before it was sent; two clocks may differ by a moment about which of both came first.
    latest = finished if calls.sent is None else calls.sent
    permits = [min(at, latest) for at in ends[Stage.LIMITER] if at <= latest + ONE_MOMENT_MS]
    return Timings(
        received=command.received,
        sent=calls.sent,
        finished=finished,
        deadline=command.deadline,
        venue=round(calls.venue_ms, 3),
        turn=max(ends[Stage.LANE], default=None),
        permit=max(permits, default=None),
        answered=max(ends[Stage.VENUE], default=None),
    )


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
