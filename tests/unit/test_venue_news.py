"""Changes of a venue's health are told, each once, in their order, and for as long as it takes."""

import asyncio
import json
from pathlib import Path

from schemas.control import Exchange, VenueHealth, VenueState
from tests.support.memory_venue import MemoryBus
from worker.accounts.account import Site
from worker.execution.aftermath.venue_news import VenueNews
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import NotPublished, Outgoing
from worker.venues.lifecycle.health import VenueChange

THEN = 1_800_000_000_000


class Changes:
    """Gives what it holds, once."""

    def __init__(self, *changes: VenueChange) -> None:
        self._left = list(changes)

    def __call__(self) -> list[VenueChange]:
        left, self._left = self._left, []
        return left


class CountingBus(MemoryBus):
    """Lets a test wait until so many events were published. The first tries may fail."""

    failures = 0

    async def event(self, event: Outgoing) -> None:
        if self.failures:
            self.failures -= 1
            self.refused.set()
            raise NotPublished("no confirm")
        await super().event(event)
        self.published.release()

    async def until(self, count: int) -> list[Outgoing]:
        async with asyncio.timeout(40):
            for _ in range(count):
                await self.published.acquire()
        return self.events

    published: asyncio.Semaphore
    refused: asyncio.Event


def bus() -> CountingBus:
    made = CountingBus()
    made.published, made.refused = asyncio.Semaphore(0), asyncio.Event()
    return made


def change(
    health: VenueHealth, since: int, *, exchange: Exchange = "binance", base_url: str | None = None
) -> VenueChange:
    reason = None if health is VenueHealth.UP else "HTTP 502"
    state = VenueState(exchange=exchange, health=health, markets_loaded=True, since=since, reason=reason)
    return VenueChange(Site(exchange, base_url=base_url), state)


DOWN_AND_UP = (change(VenueHealth.DOWN, THEN), change(VenueHealth.UP, THEN + 9_000))


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


async def told(ledger: Ledger, bus: CountingBus, *changes: VenueChange) -> list[Outgoing]:
    relay = OutboxRelay(ledger, bus)
    telling = asyncio.create_task(VenueNews(ledger, relay, Changes(*changes)).run())
    events = await bus.until(len(changes))
    telling.cancel()
    await relay.close()
    return events


async def test_each_change_is_an_event_in_its_order(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as ledger:
        events = await told(ledger, bus(), *DOWN_AND_UP)
        assert await ledger.outbox.size() == 0
    assert [event.routing_key for event in events] == ["control.venue.binance"] * 2
    down, up = (json.loads(event.body) for event in events)
    assert down["data"] == {
        "exchange": "binance",
        "network": "mainnet",
        "health": "down",
        "markets_loaded": True,
        "since": THEN,
        "reason": "HTTP 502",
    }
    assert (up["data"]["health"], up["data"]["reason"]) == ("up", None)
    assert (down["time"], down["subject"], down["type"]) == ("2027-01-15T08:00:00Z", "binance", "perps-dma.venue.v1")


async def test_a_change_has_the_same_id_however_often_it_is_published_and_another_worker_another(
    tmp_path: Path,
) -> None:
    async with open_ledger(url(tmp_path)) as one, open_ledger(url(tmp_path)) as other:
        first, second, again = await told(one, bus(), *DOWN_AND_UP, DOWN_AND_UP[0])
        (elsewhere,) = await told(other, bus(), DOWN_AND_UP[0])
    assert first.id == again.id
    assert len({first.id, second.id, elsewhere.id}) == 3


async def test_a_venue_at_another_address_is_told_apart_by_the_subject(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as ledger:
        real, sandbox = change(VenueHealth.UP, THEN), change(VenueHealth.UP, THEN, base_url="http://127.0.0.1:8081")
        events = await told(ledger, bus(), real, sandbox)
    assert [json.loads(event.body)["subject"] for event in events] == ["binance", "binance at http://127.0.0.1:8081"]
    assert events[0].id != events[1].id


async def test_a_venues_demo_is_told_apart_by_the_subject(tmp_path: Path) -> None:
    state = change(VenueHealth.UP, THEN, exchange="okx").state
    demo = VenueChange(Site("okx", "demo"), state.model_copy(update={"network": "demo"}))
    async with open_ledger(url(tmp_path)) as ledger:
        events = await told(ledger, bus(), VenueChange(Site("okx"), state), demo)
    bodies = [json.loads(event.body) for event in events]
    assert [(body["subject"], body["data"]["network"]) for body in bodies] == [("okx", "mainnet"), ("okx demo", "demo")]
    assert events[0].id != events[1].id


async def test_while_the_broker_is_away_nothing_is_lost_and_nothing_overtakes(tmp_path: Path) -> None:
    fickle = bus()
    fickle.failures = 2
    async with open_ledger(url(tmp_path)) as ledger:
        events = await told(ledger, fickle, *DOWN_AND_UP)
    assert [json.loads(event.body)["data"]["health"] for event in events] == ["down", "up"]


async def test_what_could_not_be_published_any_more_waits_in_the_outbox(tmp_path: Path) -> None:
    silent = bus()
    silent.failures = 10**6
    async with open_ledger(url(tmp_path)) as ledger:
        telling = asyncio.create_task(VenueNews(ledger, OutboxRelay(ledger, silent), Changes(*DOWN_AND_UP)).run())
        async with asyncio.timeout(40):
            await silent.refused.wait()
        left = await ledger.outbox.of(ledger.owner, 10)
        telling.cancel()
    assert [json.loads(waiting.event.body)["data"]["health"] for waiting in left] == ["down"]
