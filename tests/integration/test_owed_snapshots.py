"""The snapshot after a command is owed: nobody waits for it, and it is taken whatever becomes of the worker."""

import asyncio
import json
from dataclasses import dataclass, field
from itertools import chain

import pytest

from schemas.requests import MarketType
from tests.support.memory_venue import ACCOUNT, MemoryBus, MemoryVenue
from tests.support.worker_harness import TO_10X, in_time, worker_harness
from worker.accounts.account import Accounts
from worker.ledger.ledger import open_ledger
from worker.ledger.observed.owed_snapshots import Owed
from worker.messages.wire import Delivery
from worker.snapshots.after_commands import LOOK_S
from worker.venues.port.adapter import Market, OpenPositions

POLL_S = 0.02


@dataclass
class SlowToRead(MemoryVenue):
    """A venue that shows positions when it is told to."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    shows: asyncio.Event = field(default_factory=asyncio.Event)

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        self.asked.set()
        await self.shows.wait()
        return await MemoryVenue.positions(self, market_type, market)


def message(command_id: str, leverage: int = 10) -> Delivery:
    body = json.dumps(TO_10X | {"leverage": leverage}).encode()
    return Delivery("set_leverage", body, message_id=command_id, reply_to="me", deadline=in_time(30_000))


def snapshots(bus: MemoryBus) -> list[list[str]]:
    return [data["command_ids"] for data in bus.told("positions")]


@pytest.fixture
def venue() -> SlowToRead:
    return SlowToRead()


async def test_a_message_is_done_with_before_its_snapshot(ledger_url: str, venue: SlowToRead) -> None:
    async with worker_harness(ledger_url, venue) as harness:
        for number in range(3):
            await harness.worker.handle(message(f"c-{number}", 10 + number))
        await venue.asked.wait()
        assert (harness.outcomes, snapshots(harness.bus)) == (["applied"] * 3, [])
        assert (await harness.ledger.owed.oldest())[0] == 3
        venue.shows.set()
        await harness.worker.after_commands.settled()
        assert sorted(chain.from_iterable(snapshots(harness.bus))) == ["c-0", "c-1", "c-2"]
        assert await harness.ledger.owed.oldest() == (0, None)


async def test_what_a_worker_owed_that_is_gone_is_taken_by_another(ledger_url: str, venue: SlowToRead) -> None:
    async with worker_harness(ledger_url, venue) as gone:
        await gone.worker.handle(message("c-1"))
        await venue.asked.wait()
        await gone.worker.after_commands.close(0)
    venue.shows.set()
    async with worker_harness(ledger_url, venue) as other:
        async with asyncio.timeout(20 + 5 * LOOK_S):
            while not snapshots(other.bus):
                await other.worker.after_commands.look()
                await other.worker.after_commands.settled()
                await asyncio.sleep(POLL_S)
        assert snapshots(other.bus) == [["c-1"]]
        assert await other.ledger.owed.oldest() == (0, None)


async def test_what_is_owed_for_an_account_that_is_gone_is_dropped(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as ledger:
        await ledger.database.write(ledger.owed.owing(Owed("c-1", ACCOUNT.id), 1))
    async with worker_harness(ledger_url, accounts=Accounts(())) as harness:
        async with asyncio.timeout(20 + 5 * LOOK_S):
            while (await harness.ledger.owed.oldest())[0]:
                await harness.worker.after_commands.look()
                await asyncio.sleep(POLL_S)
        assert harness.bus.events == []


async def test_what_is_refused_before_it_is_sent_owes_nothing(ledger_url: str, venue: SlowToRead) -> None:
    async with worker_harness(ledger_url, venue) as harness:
        await harness.worker.handle(message("c-1", 10_000))
        assert harness.outcomes == ["rejected"]
        assert await harness.ledger.owed.oldest() == (0, None)
