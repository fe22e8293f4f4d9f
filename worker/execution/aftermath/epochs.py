"""Whether the ledger is the one that the stream of events knows; a new epoch begins where it can't prove it.

    start, another place, a broker that came back ─▶ the newest of `dma.events.log` ─▶ of this epoch, and the ledger
                                                     has it all ─▶ the epoch goes on
                                                     otherwise  ─▶ a new epoch: told, with what is in force

What was lost is lost at the end, so the newest events show it. An empty stream says nothing against the ledger, but
then its subscribers know nothing, and are told what is in force in a new epoch as well: freezes, and how accounts are
followed, as far as this worker has learned that. One that starts has not, and tells it as it begins to follow.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog

from schemas.base import Milliseconds, utc_text
from schemas.control import StreamState
from schemas.events import EpochBegun, EpochEvent, event_id
from worker.execution.aftermath.freezes import freeze_event
from worker.execution.aftermath.stream_states import stream_event_again
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.epoch import Contents
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import outgoing
from worker.runtime.clock import Clock
from worker.runtime.errors import ExecutionError
from worker.runtime.periodic import periodically

LOOK_S = 2.0
"""How often it is looked whether the epoch is still proven. A command and a snapshot look by themselves."""

SLACK_MS: Milliseconds = 3_600_000
"""So long before the retention ends, a result need not be in the ledger any more."""

Event = Mapping[str, Any]

log = structlog.get_logger(__name__)


class LogUnavailable(ExecutionError):
    """The stream of events can't be read now."""


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest events of the stream; `is_another` when it is not the stream that was read before."""

    events: Sequence[Event]
    is_another: bool = False


class EventsLog(Protocol):
    """The stream of all events."""

    @property
    def came_back(self) -> bool:
        """Whether the broker was away since the last reading, and is there."""

    async def tail(self) -> Tail:
        """The newest events. Raises LogUnavailable."""


class Epochs:
    """Keeps the epoch of a worker's ledger proven."""

    def __init__(
        self,
        ledger: Ledger,
        relay: OutboxRelay,
        retention_ms: Milliseconds,
        clock: Clock,
        streams: Callable[[], Iterable[StreamState]] = tuple,
    ) -> None:
        self._ledger = ledger
        self._relay = relay
        self._remembered_ms = retention_ms - SLACK_MS
        self._clock = clock
        self._streams = streams
        self._turn = asyncio.Lock()
        self._compared = 0

    async def start(self, events: EventsLog) -> None:
        """Compare for the first time, however long ledger and broker take; from then on, whenever it is asked for."""
        self._events = events
        self._ledger.epoch.prove = self._prove
        await self._ledger.patience.retry_while_unavailable(self.compare)

    async def run(self) -> None:
        """Look now and then, until cancelled. Begins after `start`."""
        await periodically(self._look, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_proven)

    async def _look(self) -> None:
        await (self.compare() if self._events.came_back else self._ledger.epoch.look())

    async def compare(self) -> None:
        """Compare the ledger with the stream. Raises LedgerUnavailable, for the stream as well."""
        async with self._turn, self._ledger.epoch.alone():
            await self._settle()

    async def _prove(self) -> None:
        async with self._turn:
            if await self._ledger.epoch.proven() is not None:
                return
            async with self._ledger.epoch.alone():
                if await self._ledger.epoch.proven() is None:
                    await self._settle()

    async def _settle(self) -> None:
        try:
            tail = await self._events.tail()
        except LogUnavailable as error:
            raise LedgerUnavailable(f"the ledger can't be compared with the stream of events: {error}") from error
        epoch = self._ledger.epoch
        number, latest = await epoch.recorded(), max(_epochs(tail.events), default=0)
        if missing := await self._missing(tail, number, latest):
            await self._begin(max(self._clock() // 1000, number + 1, latest + 1), missing)
        else:
            await epoch.take_at_its_word()
        self._compared = epoch.number

    async def _missing(self, tail: Tail, number: int, latest: int) -> str | None:
        """What keeps the epoch from going on."""
        if not latest:
            return "the stream shows no event of any epoch"
        if latest != number:
            return f"the stream shows epoch {latest}, and the ledger is in epoch {number}"
        if tail.is_another and number == self._compared:
            return "the stream is not the one that was there before"
        contents = self._contents([event for event in tail.events if event.get("epoch") == number])
        if lacking := await self._ledger.epoch.lacks(contents):
            return f"the stream shows {lacking}, and the ledger does not have it"
        return None

    def _contents(self, events: Sequence[Event]) -> Contents:
        remembered, snapshots = self._clock() - self._remembered_ms, dict[str, int]()
        results = [event["data"] for event in events if event.get("type") == "perps-dma.result.v1"]
        for data in (event["data"] for event in events if event.get("type") == "perps-dma.positions.v1"):
            account = data["exchange_account_id"]
            snapshots[account] = max(data["seq"], snapshots.get(account, 0))
        commands = (data["command_id"] for data in results if data["timings"]["finished"] > remembered)
        return Contents(frozenset(commands), snapshots)

    async def _begin(self, number: int, reason: str) -> None:
        log.warning("epoch_started", epoch=number, reason=reason)
        now = self._clock()
        freezes = await self._ledger.freezes.all()
        told = [
            outgoing(_event(number, now, reason)),
            *(outgoing(freeze_event(freeze, number, frozen=True)) for freeze in freezes),
            *(outgoing(stream_event_again(state, number)) for state in self._streams()),
        ]
        # Published before others compare: they would find nothing of it in the stream, and begin one more.
        first, *others = zip(await self._ledger.epoch.begin(number, told, now), told, strict=True)
        await self._relay.publish(*first)
        await asyncio.gather(*(self._relay.publish(*other) for other in others))


def _epochs(events: Sequence[Event]) -> Iterator[int]:
    return (event["epoch"] for event in events if isinstance(event.get("epoch"), int))


def _event(number: int, at: Milliseconds, reason: str) -> EpochEvent:
    return EpochEvent(
        id=event_id("epoch", number),
        subject="ledger",
        time=utc_text(at),
        epoch=number,
        data=EpochBegun(epoch=number, since=at, reason=reason),
    )


def _not_proven(error: Exception) -> None:
    log.warning("epoch_not_proven", error=str(error))
