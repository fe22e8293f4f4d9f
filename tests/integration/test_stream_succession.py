"""A connection that is to be opened anew is closed once the next one is up: an account is not blind for a plan."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.faults.stage import until
from tests.integration.test_streams import FOLLOWED, worker
from tests.support.followed import Watched, watching
from tests.support.pushing_venue import RULES, PushingVenue, pushing_venue
from worker.ledger.observed.stream_leases import HANDED_OVER, STOPPED

OFTEN = replace(RULES, longest_s=0.3)


async def shown(venue: PushingVenue, watched: Watched, contracts: int) -> dict[str, Any]:
    """Change the account, push it, and wait until it is told."""
    venue.contracts = Decimal(contracts)
    await venue.push({"changed": "positions"})
    told = await watched.next("positions", lambda data: data["positions"][0]["contracts"] == contracts)
    return told.data


def blind(watched: Watched) -> list[str]:
    """The reasons for which the account was told to be blind between when it was live and when the worker stopped."""
    states = watched.all("stream")
    live = next(place for place, told in enumerate(states) if told["state"] == "live")
    return [told["reason"] for told in states[live:] if told["state"] == "blind" and told["reason"] != STOPPED]


@pytest.fixture
async def watched(amqp_url: str) -> AsyncIterator[Watched]:
    async with watching(amqp_url, FOLLOWED.id) as watched:
        yield watched


@pytest.fixture
async def venue() -> AsyncIterator[PushingVenue]:
    async with pushing_venue() as venue:
        yield venue


async def test_what_is_opened_anew_as_planned_is_never_blind_and_loses_nothing(
    amqp_url: str, tmp_path: Path, watched: Watched
) -> None:
    async with pushing_venue(rules=OFTEN) as venue, worker(amqp_url, tmp_path, venue):
        await watched.live()
        for contracts in range(2, 12):
            dials = venue.dials
            assert (await shown(venue, watched, contracts))["stream"]["state"] == "live"
            await until(lambda before=dials: venue.dials > before, 10)  # type: ignore[misc]
        await until(lambda: len(venue.sockets) == 1, 10)
    assert blind(watched) == []


async def test_a_server_that_is_about_to_go_is_left_for_another_before_it_goes(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        [before] = venue.sockets
        await venue.push('"leaving"')
        await until(lambda: before.closed, 10)
        assert len(venue.sockets) == 1
        await shown(venue, watched, 7)
    assert blind(watched) == []


async def test_the_account_is_read_after_each_new_connection(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue, snapshot_heartbeat_ms=0):
        await watched.live()
        await shown(venue, watched, 7)
        venue.contracts = Decimal(8)  # and nothing is pushed of it
        await venue.push('"leaving"')
        await watched.next("positions", lambda data: data["positions"][0]["contracts"] == 8)
    assert blind(watched) == []


async def test_while_no_other_can_be_opened_the_one_that_is_left_tells_on(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        venue.refusing = 503
        dials = venue.dials
        await venue.push('"leaving"')
        await until(lambda: venue.dials >= dials + 2, 20)
        await shown(venue, watched, 7)
        venue.refusing = None
        [before] = venue.sockets
        await until(lambda: before.closed, 20)
        await shown(venue, watched, 8)
    assert blind(watched) == []


async def test_one_that_goes_before_another_is_there_leaves_the_account_blind_and_told_so(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        venue.welcoming = False
        dials = venue.dials
        await venue.push('"leaving"')
        await until(lambda: venue.dials > dials, 10)
        [before] = venue.sockets
        await before.close()
        told = await watched.blind()
        venue.welcoming = True
        live = await watched.live()
        await shown(venue, watched, 7)
    assert "closed the connection" in told.data["reason"]
    assert live.data["gap"]["begin"] == told.data["since"]


async def test_one_that_is_followed_no_more_leaves_no_connection_behind(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched
) -> None:
    async with worker(amqp_url, tmp_path, venue):
        await watched.live()
        venue.welcoming = False
        dials = venue.dials
        await venue.push('"leaving"')
        await until(lambda: venue.dials > dials, 10)
    await until(lambda: not venue.sockets, 10)


async def test_a_worker_that_stops_tells_on_until_another_follows(
    amqp_url: str, tmp_path: Path, venue: PushingVenue, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.streams.streams.HANDED_S", 20.0)
    stop = asyncio.Event()

    async def serve() -> None:
        async with worker(amqp_url, tmp_path, venue):
            await stop.wait()

    serving = asyncio.create_task(serve())
    await watched.live()
    async with worker(amqp_url, tmp_path, venue):
        venue.refusing = 503
        stop.set()
        told = await watched.blind()
        assert (await shown(venue, watched, 7))["trigger"] == "stream"
        assert not serving.done()
        venue.refusing = None
        live = await watched.live()
        await serving
        assert (await shown(venue, watched, 8))["trigger"] == "stream"
        assert len(venue.sockets) == 1
    assert told.data["reason"] == HANDED_OVER
    assert live.data["gap"]["begin"] == told.data["since"]


async def test_one_that_stops_leaves_at_once_where_there_may_be_no_room_for_another(
    amqp_url: str, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.streams.streams.HANDED_S", 20.0)
    stop = asyncio.Event()
    async with pushing_venue(rules=replace(RULES, seats=1)) as venue:

        async def serve() -> None:
            async with worker(amqp_url, tmp_path, venue):
                await stop.wait()

        serving = asyncio.create_task(serve())
        await watched.live()
        async with worker(amqp_url, tmp_path, venue):
            venue.refusing = 503
            stop.set()
            await until(lambda: not venue.sockets, 15)
            assert not serving.done()
            venue.refusing = None
            await watched.live()
            await serving
