"""Position snapshots: after every change that can move the terms of positions."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from schemas import Position, PositionsEvent, PositionSnapshot
from schemas.base import Milliseconds, utc_text
from schemas.events import Trigger, event_id
from worker.accounts import Account
from worker.clock import Clock
from worker.execution.calls import VenueCalls
from worker.execution.ledger.ledger import Ledger
from worker.execution.ledger.snapshots import Kept
from worker.execution.receipt import Command
from worker.execution.relay import Relay
from worker.venues.errors import VenueError
from worker.venues.seam import Adapter, OpenPositions
from worker.wire import outgoing

log = structlog.get_logger(__name__)

GATHER_MS: Milliseconds = 100
"""How long a due snapshot waits for further changes of the account."""


@dataclass(slots=True)
class _AccountSnapshots:
    """What is known of one account: the last snapshot, and the one that is due next."""

    positions: tuple[Position, ...] = ()
    coverage: tuple[str, ...] = ()
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    due: asyncio.Task[None] | None = None
    commands: list[str] = field(default_factory=list)


class Snapshots:
    """Takes snapshots, one at a time per account.

    A snapshot is taken a moment after the command that asked for it; commands that end meanwhile share it. It is
    taken after all of them, and a burst of changes costs the venue's limit, and the reader's attention, once.
    """

    def __init__(
        self,
        adapter_of: Callable[[Account], Adapter],
        ledger: Ledger,
        relay: Relay,
        timeout_ms: Milliseconds,
        clock: Clock,
    ) -> None:
        self._adapter_of = adapter_of
        self._ledger = ledger
        self._relay = relay
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._accounts: dict[str, _AccountSnapshots] = {}

    async def after_command(self, command: Command) -> None:
        """Return when a snapshot taken after this command is published. Raises what the outbox raises."""
        known = self._accounts.setdefault(command.account.id, _AccountSnapshots())
        known.commands.append(command.id)
        if known.due is None:
            known.due = asyncio.create_task(self._take(command.account, known))
        await asyncio.shield(known.due)

    async def _take(self, account: Account, known: _AccountSnapshots) -> None:
        await asyncio.sleep(GATHER_MS / 1000)
        async with known.turn:
            known.due, commands, known.commands = None, tuple(known.commands), []
            as_of = self._clock()
            open_positions = await self._read(account)
            if open_positions is not None:
                known.positions, known.coverage = open_positions.positions, open_positions.coverage
            before = await self._ledger.snapshots.newest(account.id)
            snapshot = PositionSnapshot(
                exchange=account.exchange,
                exchange_account_id=account.id,
                seq=before.seq + 1 if before else 1,
                as_of=as_of,
                trigger=Trigger.COMMAND,
                command_ids=commands,
                coverage=known.coverage,
                stale=open_positions is None,
                positions=known.positions,
            )
            event = outgoing(_event(snapshot))
            kept = Kept(account.id, snapshot.seq, as_of, event.body)
            (position,) = await self._ledger.snapshots.keep(kept, [event])
            await self._relay.publish(position, event)

    async def _read(self, account: Account) -> OpenPositions | None:
        calls = VenueCalls(self._clock() + self._timeout_ms, self._clock)
        try:
            adapter = self._adapter_of(account)
            return await calls.query(adapter.positions)
        except VenueError as error:
            log.warning("positions can't be read, the snapshot is stale", account=account.id, error=error.message)
            return None


def _event(snapshot: PositionSnapshot) -> PositionsEvent:
    return PositionsEvent(
        id=event_id("positions", snapshot.exchange_account_id, *snapshot.command_ids),
        subject=snapshot.exchange_account_id,
        time=utc_text(snapshot.as_of),
        data=snapshot,
    )
