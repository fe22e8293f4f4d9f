"""A venue that fails is told to everybody, and slows nobody but its own accounts."""

import asyncio
import json
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from schemas import OPERATIONS
from schemas.control import Exchange, Status, VenueHealth
from tests.support.operation_queues import emptied
from tests.support.shim_client import BOUNDS, gate
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import open_venues, running_worker
from worker.bus.rpc import RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.runtime.clock import now
from worker.sandbox.app.server import Sandbox
from worker.sandbox.server.faults import Fault
from worker.shim.app import create_app
from worker.venues.limits import Limits

GOOD: Exchange = "binance"
BAD: Exchange = "bybit"
HANGING_ACCOUNTS = tuple(f"bybit-hanging-{number}" for number in range(5))
FOR_EVER = 10**6


@dataclass(frozen=True, slots=True)
class Floor:
    """Sandbox venues, a worker on all of them, a client, and somebody who hears all events."""

    sandbox: Sandbox
    rpc: RpcClient
    strategy: Strategy

    def fault(self, fault: str, **more: object) -> None:
        """From now on the bad venue misbehaves on all its paths."""
        self.sandbox.desks[BAD].faults.add(Fault.model_validate({"fault": fault, "times": FOR_EVER, **more}))

    async def ask(self, operation: str, account: str, within_ms: int = 10_000, **fields: object) -> Body:
        """The envelope of a request."""
        body = {"exchange_account_id": account, "symbol": "BTC/USDT:USDT", **fields}
        return await self.call(operation, body, within_ms)

    async def call(self, operation: str, body: Body, within_ms: int = 10_000) -> Body:
        """The envelope of a request with this body."""
        content, deadline = json.dumps(body).encode(), now() + within_ms
        answer = await self.rpc.call(OPERATIONS[operation], content, command_id=str(uuid4()), deadline=deadline)
        envelope: Body = json.loads(answer.body)
        return envelope

    async def status(self) -> Status:
        """What the worker says of itself."""
        return Status.model_validate((await self.call("get_status", {}))["data"])

    async def health(self, exchange: str) -> VenueHealth:
        """What the worker makes of a venue."""
        return next(venue.health for venue in (await self.status()).venues if venue.exchange == exchange)


@pytest.fixture
async def floor(amqp_url: str, tmp_path: Path) -> AsyncIterator[Floor]:
    await emptied(amqp_url)
    settings = Settings(amqp_url=amqp_url, state=tmp_path, timeout_ms=5_000, venue_timeout_ms=10_000)
    async with Sandbox() as sandbox, Strategy.connected(amqp_url) as strategy:
        for account_id in HANGING_ACCOUNTS:
            sandbox.open_account(BAD, id=account_id)
        for exchange, limits in ((GOOD, {"fapi": FOR_EVER}), (BAD, {"ip": FOR_EVER})):
            sandbox.desks[exchange].venue.set_limits(limits)
        accounts = Accounts(sandbox.accounts)
        async with (
            open_venues(accounts, settings.venue_timeout_ms, Limits(), settings.markets_reload_s) as venues,
            running_worker(settings, accounts, venues.adapter, venues.watch),
            connect_rpc(amqp_url, "tests") as rpc,
        ):
            yield Floor(sandbox, rpc, strategy)


@asynccontextmanager
async def asking(floor: Floor, account: str) -> AsyncIterator[None]:
    """Meanwhile an account's leverage is read again and again."""

    async def ask() -> None:
        while True:
            await floor.ask("get_leverage", account)
            await asyncio.sleep(0.05)

    task = asyncio.create_task(ask())
    try:
        yield
    finally:
        task.cancel()


async def test_how_each_venue_fares_is_told_at_the_start(floor: Floor) -> None:
    told = [await floor.strategy.told("venue") for _ in range(5)]
    assert {state["exchange"] for state in told} == {"binance", "bybit", "gate", "hyperliquid", "okx"}
    assert all((state["health"], state["markets_loaded"], state["reason"]) == ("up", True, None) for state in told)
    status = await floor.status()
    assert status.ready
    assert len(status.venues) == 5
    assert {venue.health for venue in status.venues} == {VenueHealth.UP}


async def test_a_venue_that_fails_is_told_and_so_is_its_return(floor: Floor) -> None:
    floor.fault("status", status=502, body="<html>")
    async with asking(floor, "bybit-perp-001"):
        failing = await floor.strategy.told("venue", exchange=BAD, health="failing")
        down = await floor.strategy.told("venue", exchange=BAD, health="down")
        assert "502" in down["reason"]
        assert failing["since"] < down["since"]
        status = {venue.exchange: venue for venue in (await floor.status()).venues}
        shown = status[BAD].model_dump(mode="json", exclude={"snapshot_interval_ms"})
        assert shown == {**down, "reason": status[BAD].reason}
        assert {venue.health for exchange, venue in status.items() if exchange != BAD} == {VenueHealth.UP}
        floor.sandbox.desks[BAD].faults.clear()
        up = await floor.strategy.told("venue", exchange=BAD, health="up")
    assert up["since"] > down["since"]
    told = [event["data"] for event in floor.strategy.heard if event["type"] == "perps-dma.venue.v1"]
    changes = [state["health"] for state in told if state["exchange"] == BAD]
    assert changes == ["up", "failing", "down", "up"]


async def test_a_refusal_is_no_trouble_of_the_venue(floor: Floor) -> None:
    floor.fault("status", status=403, body={"retCode": 10003, "retMsg": "API key is invalid."})
    for _ in range(5):
        assert (await floor.ask("get_leverage", "bybit-perp-001"))["isError"]
    assert await floor.health(BAD) is VenueHealth.UP


async def test_ready_details_show_the_trouble_and_it_stays_ready(floor: Floor) -> None:
    floor.fault("reset")
    for _ in range(3):
        await floor.ask("get_leverage", "bybit-perp-001")
    app = create_app(floor.rpc, gate(floor.rpc), BOUNDS)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shim") as client:
        response = await client.get("/readyz")
    body = response.json()
    assert (response.status_code, body["ready"], body["reason"]) == (200, True, None)
    (row,) = [venue for venue in body["venues"] if venue["exchange"] == BAD]
    assert (row["health"], row["markets_loaded"]) == ("failing", True)
    assert "bybit" in row["reason"]


async def _pace(floor: Floor) -> float:
    """Seconds that a command and a query to the good venue take together, in the middle of many."""
    times = []
    for number in range(25):
        began = time.perf_counter()
        set_leverage = await floor.ask("set_leverage", "binance-perp-001", leverage=5 + number % 5)
        get_leverage = await floor.ask("get_leverage", "binance-perp-001")
        times.append(time.perf_counter() - began)
        assert (set_leverage["statusCode"], get_leverage["statusCode"]) == (200, 200)
    return statistics.median(times)


async def test_a_venue_that_hangs_slows_no_other(floor: Floor) -> None:
    calm = await _pace(floor)
    floor.fault("delay", delay_ms=8_000)
    hanging = [
        asyncio.create_task(floor.ask(operation, account, within_ms=9_000, **fields))
        for account in HANGING_ACCOUNTS
        for operation, fields in (("set_leverage", {"leverage": 7}), ("get_leverage", {})) * 15
    ]
    journal = floor.sandbox.desks[BAD].journal
    async with asyncio.timeout(5):
        while {entry.account for entry in journal.entries if entry.fault} < set(HANGING_ACCOUNTS):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    troubled = await _pace(floor)
    assert not any(task.done() for task in hanging)
    floor.sandbox.desks[BAD].faults.clear()
    assert troubled < 10 * calm, f"{troubled * 1000:.1f} ms against {calm * 1000:.1f} ms"
    await asyncio.gather(*hanging, return_exceptions=True)
