"""Snapshots on a real ledger, with a venue and a bus in memory, and a clock that is set by hand."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from schemas import OPERATIONS, PositionSnapshot
from schemas.base import Milliseconds
from schemas.events import Trigger
from schemas.replies import Position
from schemas.requests import SetLeverage
from tests.support.hand_clock import HandClock
from tests.support.memory_venue import ACCOUNT, BTC, THEN, MemoryBus, MemoryVenue
from worker.accounts.account import Account, Accounts
from worker.execution.requests import Command
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.commands import CommandEnding, Entry
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import Outgoing, Reply
from worker.snapshots.after_commands import GATHER_MS, AfterCommands
from worker.snapshots.intervals import Interval
from worker.snapshots.margin import MarginWatch
from worker.snapshots.pacing import Pacing
from worker.snapshots.schedule import Schedule
from worker.snapshots.snapshots import Snapshots
from worker.snapshots.stream_board import StreamBoard
from worker.venues.port.adapter import Adapter

SECOND: Milliseconds = 1_000
INTERVAL = 10 * SECOND
HEARTBEAT = 60 * SECOND
RHYTHM = Interval(INTERVAL, HEARTBEAT)
LONG = MemoryVenue()._position()


@dataclass
class Desk:
    """One worker's snapshots."""

    ledger: Ledger
    bus: MemoryBus
    clock: HandClock
    snapshots: Snapshots
    after_commands: AfterCommands
    schedule: Schedule
    relay: OutboxRelay
    board: StreamBoard

    async def look(self, after: Milliseconds = INTERVAL) -> None:
        """The scheduled look of so much later."""
        self.clock.pass_(after)
        await self.schedule.look(ACCOUNT)

    async def after(self, *command_ids: str) -> None:
        """The snapshot after some commands, one after the other."""
        for command_id in command_ids:
            self.after_commands.owe(command(command_id))
            await self.after_commands.settled()

    async def begin(self, operation: str, **request: Any) -> Entry:
        """A command of ours is about to be sent to the venue."""
        body = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "market_type": "swap", **request})
        now = self.clock()
        entry = Entry(str(uuid4()), operation, ACCOUNT.exchange, ACCOUNT.id, None, "", body, now, now + 10_000)
        await self.ledger.commands.register(entry)
        await self.ledger.commands.record_intent(entry, 1, now, durable=False)
        return entry

    async def end(self, entry: Entry, outcome: str = "applied") -> None:
        """It ended, and the venue's answer was about its symbol."""
        event = json.dumps({"data": {"confirmed_by": "echo", "scope": "symbol"}})
        told = Outgoing(entry.id, "perps-dma.result.v1", "result", event)
        await self.ledger.commands.finish(entry.id, CommandEnding(outcome, self.clock(), 1, Reply(200, b"{}"), told))


@asynccontextmanager
async def desk(
    url: str,
    venue: MemoryVenue,
    bus: MemoryBus | None = None,
    clock: HandClock | None = None,
    *,
    adapter_of: Callable[[Account], Adapter] | None = None,
    accounts: Accounts | None = None,
    rhythm: Interval = RHYTHM,
    gather_ms: Milliseconds = GATHER_MS,
    floor_ms: Milliseconds = 0,
    tells_margin: bool = False,
) -> AsyncIterator[Desk]:
    """A worker on a ledger, which others may share."""
    bus, clock = bus or MemoryBus(), clock or HandClock()
    async with open_ledger(url) as ledger:
        relay = OutboxRelay(ledger, bus)
        margin = MarginWatch(ledger, rhythm.heartbeat) if tells_margin else None
        snapshots = Snapshots(adapter_of or (lambda _: venue), ledger, relay, 1_000, clock, margin=margin)
        served = accounts or Accounts([ACCOUNT])
        pacing, board = Pacing(rhythm.interval, served), StreamBoard()
        schedule = Schedule(snapshots, ledger, served, rhythm, clock=clock, pacing=pacing, board=board)
        after_commands = AfterCommands(snapshots, ledger, served, gather_ms, floor_ms=floor_ms)
        yield Desk(ledger, bus, clock, snapshots, after_commands, schedule, relay, board)
        await after_commands.close(0)
        await relay.close()


def command(command_id: str) -> Command:
    """A command that is done."""
    request = SetLeverage.model_validate({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10})
    return Command(command_id, OPERATIONS["set_leverage"], request, ACCOUNT, None, THEN, THEN + 10_000)


def snapshot(*positions: Position, **changes: Any) -> PositionSnapshot:
    """A snapshot of these positions."""
    return PositionSnapshot(
        **{
            "exchange": "binance",
            "exchange_account_id": ACCOUNT.id,
            "seq": 1,
            "as_of": THEN,
            "trigger": Trigger.SCHEDULE,
            "command_ids": (),
            "coverage": ("linear", "inverse"),
            "stale": False,
            "positions": positions,
            **changes,
        }
    )
