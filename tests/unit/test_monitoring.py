"""What a worker tells of itself, from a worker whose parts are known."""

import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.control import StreamHealth, StreamStatus, VenueHealth, VenueStatus
from schemas.events import Trigger
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from tests.support.processes import free_port
from tests.support.worker_harness import WorkerHarness, worker_harness
from worker.accounts.account import Accounts
from worker.app.up import UpFailed, metrics_ports
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.ledger.observed.newest import Kept
from worker.ledger.outbox import insertion
from worker.messages.wire import Outgoing
from worker.monitoring.server import exposition, monitored
from worker.monitoring.worker_states import Attachment, WorkerStates
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError
from worker.snapshots.margin import MarginWatch
from worker.telemetry.metrics import WORKER
from worker.venues.limits import Headroom

EVENT = Outgoing("e-1", "perps-dma.result.v1", "result.x", "{}")


def venue(exchange: str, health: VenueHealth, *, listed: bool = True) -> VenueStatus:
    return VenueStatus(
        snapshot_interval_ms=10_000, exchange=exchange, health=health, markets_loaded=listed, since=0, reason=None
    )


def room(scope: str, left: int | None, *, user: str | None = None, closed_for: int = 0) -> Headroom:
    return Headroom("binance", None, scope, user, None if left is None else 100, left, closed_for)


def live(interval: int) -> tuple[StreamStatus, ...]:
    account, state = {"exchange": "binance", "exchange_account_id": ACCOUNT.id}, StreamHealth.LIVE
    return (StreamStatus(**account, state=state, since=0, poll_interval_ms=interval),)


async def _one_each() -> dict[str, int]:
    return {"set_leverage": 1}


@dataclass
class Parts:
    """A worker's states, and what they are collected from."""

    harness: WorkerHarness
    states: WorkerStates
    folder: Path
    venues: list[VenueStatus] = field(default_factory=list)
    rooms: list[Headroom] = field(default_factory=list)

    async def samples(self, name: str) -> dict[tuple[str, ...], float]:
        """The values of a metric by its labels' values, in the order of the labels' names."""
        text = exposition(WORKER, await self.states.states()).decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        return {tuple(sample.labels.values()): sample.value for sample in families[name].samples}

    async def value(self, name: str) -> float:
        (value,) = (await self.samples(name)).values()
        return value

    async def lose_ledger(self) -> None:
        """From now on there is only one that is closed."""
        async with open_ledger(f"sqlite:///{self.folder / 'closed.db'}") as closed:
            self.states.ledger = closed

    def attach(self, *, consuming: bool = True) -> None:
        self.states.attachment = Attachment(lambda: True, lambda: consuming, lambda: 3, _one_each)


@pytest.fixture
async def parts(tmp_path: Path) -> AsyncIterator[Parts]:
    async with worker_harness(f"sqlite:///{tmp_path / 'ledger.db'}") as harness:
        states = WorkerStates(harness.ledger, Accounts((ACCOUNT,)), tuple, list)
        made = Parts(harness, states, tmp_path)
        states.venues, states.headroom = lambda: tuple(made.venues), lambda: made.rooms
        yield made


async def test_of_a_venue_at_two_addresses_the_worse_state_is_told(parts: Parts) -> None:
    parts.venues += [venue("okx", VenueHealth.DOWN), venue("okx", VenueHealth.UP), venue("gate", VenueHealth.UP)]
    told = await parts.samples("perps_dma_venue_health")
    assert {labels for labels, value in told.items() if value} == {("down", "okx"), ("up", "gate")}
    assert len(told) == 6


async def test_headroom_is_told_of_the_user_with_least_and_without_any_account(parts: Parts) -> None:
    parts.rooms += [room("orders", 80, user="a-1"), room("orders", 20, user="a-2"), room("uncounted", None)]
    assert await parts.samples("perps_dma_limiter_headroom_ratio") == {("orders", "binance"): 0.2}


async def test_a_scope_that_a_venue_has_closed_is_told_for_how_long(parts: Parts) -> None:
    parts.rooms += [room("orders", 80, closed_for=1_500), room("orders", 80, user="a-2")]
    assert await parts.samples("perps_dma_limiter_closed_seconds") == {("orders", "binance"): 1.5}


async def test_the_outbox_is_told_by_its_size_and_its_oldest_event(parts: Parts) -> None:
    assert await parts.value("perps_dma_outbox_oldest_seconds") == 0
    for age_s in (60, 30):
        await parts.harness.ledger.database.write(insertion(EVENT, "gone", now() - 1_000 * age_s))
    assert await parts.value("perps_dma_outbox_events") == 2
    assert 60 <= await parts.value("perps_dma_outbox_oldest_seconds") < 90


async def test_a_snapshot_grows_old_while_the_venue_shows_nothing(parts: Parts) -> None:
    log, at = parts.harness.ledger.snapshots, now()
    kept = Kept(ACCOUNT.id, 1, at - 60_000, "{}")
    await log.keep(kept, [])
    await log.unchanged(kept, at - 30_000, stale=True)
    await log.keep(Kept(ACCOUNT.id, 2, at - 10_000, "{}"), [], stale=True)
    await log.keep(Kept("no longer registered", 1, at, "{}"), [])
    told = await parts.samples("perps_dma_snapshot_age_seconds")
    assert told.keys() == {(ACCOUNT.id, "binance")}
    assert 60 <= told[ACCOUNT.id, "binance"] < 90


async def test_who_is_live_is_read_seldom_and_not_overdue_for_that(parts: Parts) -> None:
    log, at = parts.harness.ledger.snapshots, now()
    await log.keep(Kept(ACCOUNT.id, 1, at - 200_000, "{}"), [])
    name = "perps_dma_snapshot_overdue_seconds"
    assert 200 <= (await parts.samples(name))[ACCOUNT.id, "binance"] < 230
    for interval, least in ((300_000, 0), (150_000, 50)):
        parts.states.streams = partial(live, interval)
        assert least <= (await parts.samples(name))[ACCOUNT.id, "binance"] < least + 30


async def test_margin_is_told_out_of_the_ledger_by_its_worst_pool(parts: Parts) -> None:
    watch, memory = MarginWatch(parts.harness.ledger, 0), MemoryVenue(maintenance=Decimal(900))
    await watch.record(ACCOUNT, now() - 60_000, await memory.margin_health(), Trigger.SCHEDULE)
    gone = ACCOUNT.model_copy(update={"id": "no longer registered"})
    await watch.record(gone, now(), await memory.margin_health(), Trigger.SCHEDULE)
    assert await parts.samples("perps_dma_margin_ratio") == {(ACCOUNT.id, "cross", "binance"): 0.9}
    assert await parts.samples("perps_dma_margin_level") == {(ACCOUNT.id, "binance"): 2}
    ages = await parts.samples("perps_dma_margin_age_seconds")
    assert 60 <= ages[ACCOUNT.id, "binance"] < 90


async def test_consumers_are_told_as_the_broker_counts_them(parts: Parts) -> None:
    assert await parts.value("perps_dma_broker_connected") == 0
    parts.attach()
    assert await parts.value("perps_dma_broker_connected") == 1
    assert await parts.samples("perps_dma_consumers") == {("set_leverage",): 1}
    assert await parts.value("perps_dma_deliveries_running") == 3


async def test_without_its_ledger_a_worker_tells_the_rest(parts: Parts) -> None:
    await parts.lose_ledger()
    parts.venues.append(venue("okx", VenueHealth.UP))
    assert await parts.value("perps_dma_ledger_writable") == 0
    assert await parts.samples("perps_dma_venue_health")


async def test_ready_is_a_worker_that_consumes_writes_and_knows_markets(parts: Parts) -> None:
    parts.venues.append(venue("okx", VenueHealth.DOWN, listed=False))
    for fix, lacking in ((parts.attach, "markets"), (parts.venues.clear, "markets")):
        is_ready, facts = await parts.states.readiness()
        assert not is_ready
        assert facts["reason"]
        fix()
        assert lacking in (await parts.states.readiness())[1]["reason"]
    parts.venues.append(venue("okx", VenueHealth.UP))
    assert (await parts.states.readiness())[0]
    parts.attach(consuming=False)
    assert "does not consume" in (await parts.states.readiness())[1]["reason"]
    parts.attach()
    await parts.lose_ledger()
    assert "ledger" in (await parts.states.readiness())[1]["reason"]


async def test_the_port_answers_prometheus_and_an_orchestrator(parts: Parts, tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, metrics_port=free_port())
    url = f"http://127.0.0.1:{settings.metrics_port}"
    async with monitored(settings, parts.states), httpx.AsyncClient(base_url=url) as client:
        metrics = await client.get("/metrics")
        assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "perps_dma_commands_total" in metrics.text
        assert (await client.get("/livez")).json() == {"alive": True}
        assert (await client.get("/readyz")).status_code == 503
        parts.attach()
        parts.venues.append(venue("okx", VenueHealth.UP))
        assert (await client.get("/readyz")).status_code == 200


async def test_a_port_that_is_taken_is_named_with_the_setting(parts: Parts, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(state=tmp_path, metrics_port=port)
        with pytest.raises(ConfigurationError, match=f"127.0.0.1:{port}.*PERPS_DMA_METRICS_PORT"):
            async with monitored(settings, parts.states):
                pytest.fail("it listens")


async def test_without_a_port_nothing_listens(parts: Parts, tmp_path: Path) -> None:
    async with monitored(Settings(state=tmp_path), parts.states):
        assert Settings(state=tmp_path).metrics_port is None


def test_up_takes_free_ports_beside_the_shims_and_refuses_one_that_was_asked_for_and_is_taken(tmp_path: Path) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port + 1)):
        worker, shim = metrics_ports(Settings(state=tmp_path, port=port))
        assert len({port, port + 1, worker, shim}) == 4
        with pytest.raises(UpFailed, match=f"127.0.0.1:{port + 1}.*PERPS_DMA_METRICS_PORT"):
            metrics_ports(Settings(state=tmp_path, port=port, metrics_port=port))
