"""An account that is followed, as a subscriber and an operator hear of it; the venue pushes as the test says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from tests.support.canaries import Canaries
from tests.support.followed import NEVER_MS, Watched, watching
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.processes import free_port
from tests.support.pushing_venue import KEY, RULES, PushingVenue, pushing_venue
from tests.support.strategy import Body
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.config.settings import Settings
from worker.streams import own_changes, reads
from worker.venues.client.connections import VenueConnections

FOLLOWED = ACCOUNT.model_copy(update={"id": "memory-stream-001"})


@pytest.fixture
async def watched(amqp_url: str) -> AsyncIterator[Watched]:
    async with watching(amqp_url, FOLLOWED.id) as watched:
        yield watched


@pytest.fixture
async def venue() -> AsyncIterator[PushingVenue]:
    async with pushing_venue() as venue:
        yield venue


@asynccontextmanager
async def worker(amqp_url: str, folder: Path, venue: PushingVenue, *more: str, **settings: Any) -> AsyncIterator[None]:
    """A worker for the account, and others named."""
    facts = {"snapshot_interval_ms": NEVER_MS, "snapshot_heartbeat_ms": 0, "timeout_ms": 5_000, **settings}
    read = Settings(amqp_url=amqp_url, ledger_url=SecretStr(f"sqlite:///{folder / 'ledger.db'}"), **facts)
    accounts = Accounts((FOLLOWED, *(FOLLOWED.model_copy(update={"id": name}) for name in more)))
    async with (
        VenueConnections() as connections,
        running_worker(read, accounts, lambda _: venue, socket=connections.socket),
    ):
        yield


async def status_of(watched: Watched) -> list[dict[str, Any]]:
    answer, _ = await watched.strategy.ask("get_status", {}, exchange="dma.control")
    streams: list[dict[str, Any]] = answer["data"]["streams"]
    return streams


async def test_each_risk_push_is_one_event_and_reads_the_account(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        venue.contracts = Decimal(7)
        for identity in ("1", "2", "1"):
            await venue.push({"risk": identity, "at": 1_706_745_600_000})
        first, second = await watched.next("risk"), await watched.next("risk")
        await venue.push({"changed": "positions"})
        await watched.next("positions", lambda data: data["positions"][0]["contracts"] == 7)
    assert first.data == {
        "exchange": "binance",
        "exchange_account_id": FOLLOWED.id,
        "kind": "margin_call",
        "level": "MARGIN_CALL",
        "symbols": [BTC.symbol],
        "figures": {"uniMMR": "1.2"},
        "at": 1_706_745_600_000,
    }
    assert first.id != second.id
    assert len(watched.all("risk")) == 2


async def test_a_risk_push_has_the_margin_read_at_once(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        venue.maintenance = venue.equity * Decimal("0.6")
        await venue.push({"risk": "1", "at": 1_706_745_600_000})
        margin = await watched.next("margin", lambda data: data["trigger"] == "stream")
        crossed = await watched.next("threshold")
    assert (margin.data["worst_ratio"], margin.data["level"]) == (0.6, "warn")
    assert (crossed.data["direction"], crossed.data["seq"]) == ("up", margin.data["seq"])


async def test_a_risk_event_has_the_same_id_after_a_restart(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    ids = []
    for _ in range(2):
        async with worker(amqp_url, tmp_path, venue):
            await watched.live()
            await venue.push({"risk": "1", "at": 1_706_745_600_000})
            ids.append((await watched.next("risk")).id)
    assert ids[0] == ids[1]


async def test_a_heartbeat_of_a_live_account_asks_the_venue_nothing(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, snapshot_heartbeat_ms=200):
        await watched.live()
        await watched.next("positions", lambda data: data["trigger"] == "schedule")
        reads = venue.log.count("positions")
        told = [await watched.next("positions") for _ in range(3)]
    assert {row.data["trigger"] for row in told} == {"schedule"}
    assert [row.data["seq"] for row in told] == sorted({row.data["seq"] for row in told})
    assert len({row.data["as_of"] for row in told}) <= 2
    assert venue.log.count("positions") - reads <= 1  # the look a moment after it went live


async def test_an_account_that_goes_blind_is_polled_at_once_and_seldom_when_it_is_live_again(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, snapshot_interval_ms=50):
        await watched.live()
        assert (await status_of(watched))[0]["poll_interval_ms"] == 300_000
        venue.refusing = 503
        for socket in tuple(venue.sockets):
            await socket.close()
        blind = await watched.blind()
        venue.contracts = Decimal(7)
        polled = await watched.next("positions", lambda data: data["positions"][0]["contracts"] == 7)
        [status] = await status_of(watched)
        venue.refusing = None
        live = await watched.live()
    assert (polled.data["trigger"], polled.data["stream"]) == (
        "schedule",
        {"state": "blind", "blind_since": blind.data["since"], "poll_interval_ms": 50},
    )
    assert (status["state"], status["since"], status["poll_interval_ms"]) == ("blind", blind.data["since"], 50)
    assert live.data["gap"] == {"begin": blind.data["since"], "end": live.data["since"]}


async def test_a_refusal_that_lasts_is_told_and_not_tried_again_soon(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        dials = venue.dials
        await venue.push({"refused": "the key is wrong", "lasts": True})
        blind = await watched.blind()
        await venue.push({"changed": "positions"})
        [status] = await status_of(watched)
    assert blind.data["reason"] == status["reason"] == "the key is wrong"
    assert venue.dials == dials


async def test_accounts_that_find_no_seat_are_polled_and_said_so(
    amqp_url: str, tmp_path: Path, watched: Watched
) -> None:
    async with (
        pushing_venue(rules=replace(RULES, seats=2)) as venue,
        worker(amqp_url, tmp_path, venue, "second", "third", "fourth"),
        asyncio.timeout(20),
    ):
        await watched.live()
        streams = await status_of(watched)
        while {row["state"] for row in streams} != {"live", "none"}:
            streams = await status_of(watched)
    assert [row["state"] for row in streams] == ["live", "live", "none", "none"]
    assert "2 accounts an address" in streams[2]["reason"]
    assert streams[2]["poll_interval_ms"] == NEVER_MS


async def test_where_streams_are_off_every_account_is_told_to_be_polled_only(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, streams="off"):
        told = await watched.next("stream", lambda data: data["state"] == "none")
    assert told.data["reason"] == "streams are turned off"
    assert venue.dials == 0


async def test_any_worker_tells_of_accounts_that_another_one_follows(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    ports = free_port(), free_port()
    live = 'perps_dma_stream_accounts{state="live",venue="binance"} 1.0'
    first, second = (worker(amqp_url, tmp_path, venue, metrics_port=port) for port in ports)
    async with first, second, httpx.AsyncClient() as client, asyncio.timeout(20):
        await watched.live()
        for port in ports:
            while live not in (await client.get(f"http://127.0.0.1:{port}/metrics")).text:
                pass
        assert len(venue.sockets) <= 1, "one worker follows it"


async def test_metrics_count_accounts_frames_and_reads_and_no_secret_comes_out(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    async with worker(amqp_url, tmp_path, venue, metrics_port=port):
        await watched.live()
        for frame in ("{not json", {"what": KEY}, {"changed": "positions"}, '"bye"'):
            await venue.push(frame)
        await watched.live()
        async with httpx.AsyncClient() as client:
            metrics = (await client.get(f"http://127.0.0.1:{port}/metrics")).text
    assert 'perps_dma_stream_accounts{state="live",venue="binance"} 1.0' in metrics
    one = f'account="{FOLLOWED.id}",venue="binance"'
    assert f"perps_dma_stream_state{{{one}}} 0.0" in metrics
    assert f"perps_dma_stream_state_seconds{{{one}}} " in metrics
    assert f"perps_dma_stream_poll_seconds{{{one}}} 300.0" in metrics
    assert 'perps_dma_stream_frames_not_understood_total{venue="binance"}' in metrics
    canaries = Canaries.of({"listen key": KEY}, {})
    told = [str(row.data) for row in watched.heard]
    assert canaries.found("".join((metrics, caplog.text, *told))) == set()


@pytest.mark.usefixtures("hasty")
async def test_what_a_command_changes_is_read_once_though_the_venue_pushes_it(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, snapshot_floor_ms=0):
        await watched.live()
        await quiet(venue)
        before = venue.log.count("positions")
        for leverage in (7, 9):
            await changed(watched, leverage)
            await venue.push({"leverage": str(leverage), "symbol": BTC.symbol})
            told = await watched.next("positions", shows(leverage))
            assert told.data["trigger"] == "command"
        await quiet(venue)
    assert venue.log.count("positions") - before == 2
    assert not watched.all("drift")


@pytest.mark.usefixtures("hasty")
async def test_one_that_a_command_explains_and_nobody_reads_after_is_read_soon(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, snapshot_floor_ms=0):
        await watched.live()
        await quiet(venue)
        await changed(watched, 7)
        await watched.next("positions", shows(7))
        for leverage in (9, 7):  # somebody else's, and then somebody else's that we asked for just before
            await quiet(venue)  # no look is due that would show it anyway
            venue.leverage = Decimal(leverage)
            await venue.push({"leverage": str(leverage), "symbol": BTC.symbol})
            told = await watched.next("positions", shows(leverage))
            assert told.data["trigger"] == "stream"


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks again, or waits for others to look, does so soon."""
    monkeypatch.setattr(reads, "LATER_S", (0.1, 0.2))
    monkeypatch.setattr(own_changes, "READ_BY_THEN_S", 0.3)


async def quiet(venue: PushingVenue) -> None:
    """Nobody reads the account any more, for longer than anybody waits to read it."""
    before = -1
    while (count := venue.log.count("positions")) != before:
        before = count
        await asyncio.sleep(1)


def shows(leverage: int) -> Callable[[Body], bool]:
    """Whether a snapshot has a position at this leverage."""
    return lambda data: data["positions"][0]["leverage"] == leverage


async def changed(watched: Watched, leverage: int) -> None:
    """Changed by a command of ours."""
    body = {"exchange_account_id": FOLLOWED.id, "symbol": BTC.symbol, "leverage": leverage}
    answer, _ = await watched.strategy.ask("set_leverage", body)
    assert answer["statusCode"] == 200


async def test_of_flat_markets_each_is_told_however_many_are_changed_at_once(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    symbols = [f"C{number}/USDT:USDT" for number in range(300)]
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        await asyncio.gather(*(venue.push({"leverage": "7", "symbol": symbol}) for symbol in symbols))
        told = [(await watched.next("drift")).data for _ in symbols]
    assert {row["positions"][0]["symbol"] for row in told} == set(symbols)
