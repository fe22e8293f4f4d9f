"""From how a command ended to the envelope its sender gets and the event everybody gets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from schemas import CommandResult, Failure, Outcome, ResultEvent, Success
from schemas.base import Milliseconds, utc_text
from schemas.events import Timings, event_id, result_key
from worker.execution.calls import VenueCalls
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.handlers.plan import Applied, QueryResult
from worker.ledger.commands import Record
from worker.messages.wire import EXCHANGE_HEADER, Outgoing, Reply, reply_of
from worker.telemetry import tracing

Ending = Applied | QueryResult | CommandFailure


def outcome_of(ending: Applied | CommandFailure) -> Outcome:
    """The one outcome in which a command ended."""
    return ending.confirmed.outcome if isinstance(ending, Applied) else ending.outcome


def envelope_of(ending: Ending) -> Success | Failure:
    """The documented body."""
    if isinstance(ending, CommandFailure):
        return ending.envelope
    return Success(message=ending.message, data=ending.data)


def reply_to(command_id: str | None, ending: Ending, exchange: str | None = None) -> Reply:
    """The reply, with the headers that keep the documented body as documented. `exchange` is its account's."""
    headers = {} if command_id is None else {"Command-Id": command_id}
    if exchange is not None:
        headers[EXCHANGE_HEADER] = exchange
    if not isinstance(ending, QueryResult):
        headers["Outcome"] = outcome_of(ending)
    if not isinstance(ending, Applied):
        headers |= ending.headers
    return reply_of(envelope_of(ending), headers)


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
        requested=command.request.model_dump(),
        attempts=calls.attempts,
        timings=Timings(
            received=command.received,
            sent=calls.sent,
            finished=finished,
            deadline=command.deadline,
            venue=round(calls.venue_ms, 3),
        ),
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
