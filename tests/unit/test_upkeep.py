"""The upkeep of a venue: markets loaded, loaded again, and known to the adapters that are there."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from schemas.control import VenueHealth
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.accounts.account import Account, Site
from worker.runtime.clock import CLOCKS, Clocks
from worker.venues.client.observer import Heard
from worker.venues.lifecycle.health import VenueChange
from worker.venues.lifecycle.supervisor import KeptVenue, Reloads
from worker.venues.parsing.markets import nobody
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import Ambiguous, NotSent, VenueError

SOON = Reloads(latest_s=3_600, soonest_s=0.05)

UNCHANGED, CHANGED = False, True
UP, FAILING, DOWN = VenueHealth.UP, VenueHealth.FAILING, VenueHealth.DOWN
START = 1_800_000_000_000


@dataclass
class ListedVenue:
    """A venue whose markets load as it is told; what is told last goes on for ever."""

    script: deque[bool | Exception] = field(default_factory=lambda: deque([CHANGED]))
    loads: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    heard: Heard = lambda failure: None
    unlisted: Callable[[], None] = nobody

    async def load(self, unlisted: Callable[[], None] = nobody) -> bool:
        self.loads.put_nowait(time.monotonic())
        self.unlisted = unlisted
        coming = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if isinstance(coming, Exception):
            self.heard(str(coming))
            raise coming
        self.heard(None)
        return coming

    def adapter(self, account: Account) -> Adapter:
        return MemoryVenue()


@dataclass
class Upkeep:
    """The venue and its upkeep."""

    venue: ListedVenue
    kept: KeptVenue
    changes: list[VenueChange]
    failures: list[VenueError] = field(default_factory=list)

    async def loads(self, times: int) -> list[float]:
        """Wait for so many attempts to load the markets; their times."""
        async with asyncio.timeout(40):
            return [await self.venue.loads.get() for _ in range(times)]

    def failed(self, exchange: str, error: VenueError) -> None:
        self.failures.append(error)


def upkeep(*script: bool | Exception, reloads: Reloads = SOON, clocks: Clocks = CLOCKS) -> Upkeep:
    venue, changes = ListedVenue(deque(script)), list[VenueChange]()

    def make(heard: Heard) -> ListedVenue:
        venue.heard = heard
        return venue

    return Upkeep(venue, KeptVenue(Site("binance"), make, reloads, changes.append, clocks=clocks), changes)


@asynccontextmanager
async def running(*script: bool | Exception, reloads: Reloads = SOON, clocks: Clocks = CLOCKS) -> AsyncIterator[Upkeep]:
    started = upkeep(*script, reloads=reloads, clocks=clocks)
    task = asyncio.create_task(started.kept.keep_loaded(started.failed))
    try:
        yield started
    finally:
        task.cancel()
    assert not task.done()


async def test_there_are_no_adapters_before_there_are_markets() -> None:
    with pytest.raises(NotSent, match="not loaded yet"):
        upkeep(CHANGED).kept.adapter(ACCOUNT)


async def test_an_adapter_is_kept_for_as_long_as_the_markets_are_the_same() -> None:
    kept = upkeep(CHANGED, UNCHANGED, CHANGED).kept
    await kept.load_once()
    first = kept.adapter(ACCOUNT)
    await kept.load_once()
    assert kept.adapter(ACCOUNT) is first
    await kept.load_once()
    assert kept.adapter(ACCOUNT) is not first


async def test_a_reload_that_fails_leaves_everything_as_it_was() -> None:
    kept = upkeep(CHANGED, Ambiguous("HTTP 502")).kept
    await kept.load_once()
    first = kept.adapter(ACCOUNT)
    with pytest.raises(Ambiguous):
        await kept.load_once()
    assert kept.adapter(ACCOUNT) is first
    assert kept.health.state().markets_loaded


async def test_a_list_that_is_not_as_documented_is_tried_again_like_one_that_did_not_come() -> None:
    async with running(AttributeError("a fault of the venue"), CHANGED) as started:
        await started.loads(2)
        assert [error.message for error in started.failures] == ["the list of markets can't be read (AttributeError)"]


async def test_the_start_knows_when_the_first_attempt_is_over() -> None:
    async with running(NotSent("no connection")) as started:
        await started.kept.tried.wait()
        assert started.kept.health.state().reason == "its markets can't be loaded: no connection"
    async with running(CHANGED) as started:
        await started.kept.tried.wait()
        assert started.kept.health.state().health is UP


async def test_markets_are_loaded_again_before_they_are_old() -> None:
    async with running(CHANGED, reloads=Reloads(latest_s=0.1, soonest_s=60)) as started:
        first, second, third = await started.loads(3)
    assert min(second - first, third - second) >= 0.09


async def test_a_market_that_is_not_among_them_has_them_loaded_again_but_not_too_soon() -> None:
    async with running(CHANGED) as started:
        (first,) = await started.loads(1)
        started.venue.unlisted()
        started.venue.unlisted()
        (second,) = await started.loads(1)
        assert second - first >= SOON.soonest_s
        assert started.venue.loads.empty()


async def test_who_asks_for_it_has_them_loaded_at_once_however_young_they_are() -> None:
    async with running(CHANGED, reloads=Reloads()) as started:
        await started.loads(1)
        started.kept.load_now()
        await started.loads(1)
        started.kept.load_now()
        started.kept.load_now()
        await started.loads(1)
        assert started.venue.loads.empty()


async def test_without_a_reason_they_are_not_loaded_again() -> None:
    async with running(CHANGED) as started:
        await started.loads(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5 * SOON.soonest_s):
                await started.venue.loads.get()


async def test_a_venue_that_fell_silent_is_asked_for_its_markets() -> None:
    async with running(CHANGED, Ambiguous("HTTP 502"), UNCHANGED) as started:
        await started.loads(1)
        for _ in range(3):
            started.venue.heard("no answer")
        await started.loads(2)
        assert [change.state.health for change in started.changes] == [UP, FAILING]
        assert started.kept.health.state().reason == "HTTP 502"


async def test_a_venue_that_is_down_is_asked_until_it_is_back() -> None:
    times = itertools.count(START, 2_000)
    async with running(CHANGED, UNCHANGED, clocks=Clocks.alike(lambda: next(times))) as started:
        await started.loads(1)
        for _ in range(5):
            started.venue.heard("no answer")
        await started.loads(3)
        assert [change.state.health for change in started.changes] == [UP, FAILING, DOWN, UP]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5 * SOON.soonest_s):
                await started.venue.loads.get()


async def test_an_adapter_is_made_anew_when_its_account_has_changed_and_forgotten_when_it_is_gone() -> None:
    work, changed = upkeep(CHANGED), ACCOUNT.model_copy()
    await work.kept.load_once()
    first = work.kept.adapter(ACCOUNT)
    assert work.kept.adapter(ACCOUNT) is first
    second = work.kept.adapter(changed)
    assert second is not first
    work.kept.keep_only({ACCOUNT.id})
    assert work.kept.adapter(changed) is second
    work.kept.keep_only(())
    assert work.kept.adapter(changed) is not second
