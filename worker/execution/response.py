"""What is told of a finished command, to its sender and to everybody."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from schemas.events import result_key
from worker.ledger.commands import Record
from worker.messages.wire import Outgoing, Reply


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
