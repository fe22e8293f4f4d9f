"""Limits kept against the sandbox venues: nothing over a limit is sent, and a refusal of theirs stops everybody."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from schemas.base import Milliseconds
from schemas.control import Exchange
from schemas.requests import SetLeverage
from tests.support.memory_venue import MemoryBus
from tests.support.sandbox_harness import (
    PATIENCE_MS,
    SWAP,
    SandboxHarness,
    market,
    sandbox_harness,
    unguarded,
)
from worker.accounts.account import Account, Accounts
from worker.app.parts import build_worker
from worker.config.settings import Settings
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.handlers.leverage import set_leverage
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Delivery
from worker.runtime.clock import Clocks, now
from worker.venues.limits import Limits, within
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import LimitReached, Throttled

MID_MINUTE: Milliseconds = 1_700_000_010_000
"""Where limits are counted by the minute, the minute must not end during a test. The sandbox has its own time."""

SOON = MID_MINUTE + 900
"""Until when a request waits for room that must not have any before the clock, which stands still, goes on."""

ANSWER_MS: Milliseconds = 20_000
"""How long an answer may take: long, for on a busy machine a burst of hundreds takes its time."""

LINEAR = {"hyperliquid": "BTC/USDC:USDC"}


def stop_the_clock(harness: SandboxHarness, share: float = 1.0) -> None:
    harness.connections.limits = Limits(share, clocks=Clocks.alike(lambda: MID_MINUTE))


@pytest.fixture(scope="module", params=["binance", "bybit", "gate", "hyperliquid", "okx"])
async def each(request: pytest.FixtureRequest) -> AsyncIterator[SandboxHarness]:
    async with sandbox_harness(request.param, ANSWER_MS) as harness:
        yield harness


@pytest.fixture(scope="module")
async def shared() -> AsyncIterator[dict[Exchange, SandboxHarness]]:
    async with sandbox_harness("binance", ANSWER_MS) as binance, sandbox_harness("bybit", ANSWER_MS) as bybit:
        yield {"binance": binance, "bybit": bybit}


@pytest.fixture
async def binance(shared: dict[Exchange, SandboxHarness]) -> SandboxHarness:
    await shared["binance"].reset()
    return shared["binance"]


@pytest.fixture
async def bybit(shared: dict[Exchange, SandboxHarness]) -> SandboxHarness:
    await shared["bybit"].reset()
    return shared["bybit"]


async def read(adapter: Adapter) -> None:
    """One request or a few, by the venue: the terms of a market."""
    await adapter.terms(market(adapter, LINEAR.get(adapter.exchange, "BTC/USDT:USDT")))


async def outcomes(*requests: Awaitable[object]) -> Counter[str]:
    """How many requests made at once succeeded, and how the others failed."""
    ended = await asyncio.gather(*requests, return_exceptions=True)
    return Counter(type(one).__name__ if isinstance(one, BaseException) else "done" for one in ended)


async def statuses(harness: SandboxHarness) -> Counter[int]:
    return Counter(entry["status"] for entry in await harness.requests())


LIMITED: dict[Exchange, dict[str, int]] = {
    "binance": {"fapi": 200},
    "bybit": {"/v5/position/list": 40},
    "gate": {"futures": 40},
    "hyperliquid": {"api": 170},
    "okx": {},
}
"""The stand-ins' limits in a burst. They are told by Binance when markets are loaded, by Bybit and Gate in answers."""

GRANTED = {"hyperliquid": {"weight": 170}}


async def test_a_burst_over_the_limit_goes_as_far_as_the_limit_and_meets_no_429(each: SandboxHarness) -> None:
    await each.reset()
    await each.limit(LIMITED[each.exchange])
    each.connections.limits = Limits(granted=GRANTED, clocks=Clocks.alike(lambda: MID_MINUTE))
    await each.venue.load()
    adapter = each.adapter()
    await read(adapter)
    with within(SOON):
        ended = await outcomes(*(read(adapter) for _ in range(60)))
    assert set(ended) == {"done", "LimitReached"}
    assert set(await statuses(each)) == {200}
    assert min(row.left for row in each.connections.limits.headroom() if row.left is not None) < 20


async def test_twenty_reads_at_once_are_under_way_at_once(binance: SandboxHarness) -> None:
    adapter, started = binance.adapter(), time.monotonic()
    await binance.fault("/fapi/v1/symbolConfig", "delay", delay_ms=500, times=20)
    await asyncio.gather(*(read(adapter) for _ in range(20)))
    assert time.monotonic() - started < 20 * 0.5 / 2, "they went one after the other"


async def test_all_accounts_share_the_budget_of_the_address_and_the_limit_the_venue_tells(
    binance: SandboxHarness,
) -> None:
    await binance.limit({"fapi": 102})
    stop_the_clock(binance)
    await binance.venue.load()
    accounts = [binance.sandbox.open_account("binance", id=f"one-of-thirty-{number}") for number in range(30)]
    ended = await outcomes(*(read(binance.venue.adapter(account)) for account in accounts))
    assert ended == {"done": 20, "LimitReached": 10}
    assert set(await statuses(binance)) == {200}


async def test_a_share_of_the_address_is_all_that_is_used(binance: SandboxHarness) -> None:
    stop_the_clock(binance, share=0.01)
    adapter = binance.adapter()
    ended = await outcomes(*(read(adapter) for _ in range(6)))
    assert ended == {"done": 4, "LimitReached": 2}


async def test_what_others_behind_the_address_use_is_heard_of(binance: SandboxHarness) -> None:
    await binance.limit({"fapi": 100})
    stop_the_clock(binance)
    await binance.venue.load()
    async with httpx.AsyncClient(base_url=binance.sandbox.base_urls["binance"]) as other:
        for _ in range(8):
            await other.get("/fapi/v1/premiumIndex")
    adapter = binance.adapter()
    await read(adapter)
    ended = await outcomes(*(read(adapter) for _ in range(5)))
    assert ended == {"done": 2, "LimitReached": 3}
    assert set(await statuses(binance)) == {200}


async def test_a_429_stops_everybody_until_its_end_and_never_becomes_a_418(binance: SandboxHarness) -> None:
    adapter = binance.adapter()
    await binance.fault("/fapi/v1/leverage", "status", status=429, code=-1003, msg="Too many.", retry_after=1)
    with pytest.raises(Throttled):
        await adapter.set_leverage(market(adapter, "BTC/USDT:USDT"), Decimal(7))
    accounts = [binance.sandbox.open_account("binance", id=f"stopped-{number}") for number in range(15)]
    with within(now() + PATIENCE_MS):
        await asyncio.gather(*(read(binance.venue.adapter(account)) for account in accounts))
    throttled, *later = await binance.requests()
    assert (throttled["status"], {entry["status"] for entry in later}) == (429, {200})
    assert min(entry["time"] for entry in later) - throttled["time"] >= 1_000


async def test_a_429_teaches_how_much_a_minute_really_holds(binance: SandboxHarness) -> None:
    stop_the_clock(binance)
    await binance.venue.load()
    await binance.limit({"fapi": 4})
    with pytest.raises(Throttled):
        await read(binance.adapter())
    assert [row.limit for row in binance.connections.limits.headroom() if row.scope == "futures weight"] == [4]


async def test_a_ban_of_the_address_is_kept_to_its_end_in_all_families(binance: SandboxHarness) -> None:
    adapter = binance.adapter()
    await binance.fault("/fapi/v1/symbolConfig", "status", status=418, code=-1003, msg="Banned.", retry_after=600)
    with pytest.raises(Throttled):
        await read(adapter)
    with within(now() + PATIENCE_MS), pytest.raises(LimitReached) as caught:
        await adapter.terms(market(adapter, "BTC/USD:BTC"))
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > 590_000
    assert len(await binance.requests()) == 1


async def test_a_bybit_403_keeps_every_account_from_it_for_ten_minutes(bybit: SandboxHarness) -> None:
    await bybit.limit({"ip": 1})
    await outcomes(read(bybit.adapter()))
    sent = len(await bybit.requests())
    assert 403 in await statuses(bybit)
    for account_id in ("bybit-perp-001", "bybit-hedge-001"):
        with within(now() + PATIENCE_MS), pytest.raises(LimitReached) as caught:
            await read(bybit.adapter(account_id))
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 590_000
    assert len(await bybit.requests()) == sent


async def test_a_higher_limit_is_used_as_soon_as_the_venue_tells_it(bybit: SandboxHarness) -> None:
    await bybit.limit(dict.fromkeys(("/v5/position/list", "/v5/account/info"), 1_000))
    stop_the_clock(bybit)  # what is beyond the limit of one second has no room, however long the reads take
    adapter = bybit.adapter()
    with within(SOON):
        assert await outcomes(*(read(adapter) for _ in range(100))) != {"done": 100}
        assert await outcomes(*(read(adapter) for _ in range(100))) == {"done": 100}
    assert set(await statuses(bybit)) == {200}


async def test_a_change_without_room_before_its_deadline_is_refused_and_nothing_is_sent(
    binance: SandboxHarness,
) -> None:
    adapter = binance.venue.adapter(binance.account())
    await binance.fault("/fapi/v1/symbolConfig", "status", status=429, code=-1003, msg="Too many.", retry_after=30)
    with pytest.raises(Throttled):
        await read(adapter)
    (await binance.control.delete("/requests")).raise_for_status()
    wanted, calls = market(adapter, "BTC/USDT:USDT"), VenueCalls(now() + 5_000, now)
    change = set_leverage(SetLeverage(exchange_account_id="any", symbol=wanted.symbol, leverage=Decimal(7)), adapter)
    with pytest.raises(LimitReached) as caught:
        await send_until_confirmed(change, calls)
    assert calls.remaining() > 0, "it waited for what could not come"
    assert caught.value.retry_after is not None
    assert 25_000 < caught.value.retry_after < 32_000
    assert (calls.attempts, calls.sent) == (0, None)
    assert await binance.requests() == []


def command(operation: str, account: Account, **body: object) -> Delivery:
    content = json.dumps({"exchange_account_id": account.id, **body}).encode()
    return Delivery(operation, content, reply_to="me", deadline=now() + PATIENCE_MS)


async def test_a_collection_that_waits_for_its_room_delays_no_change_of_its_account(
    binance: SandboxHarness, tmp_path: Path
) -> None:
    binance.connections.limits = Limits(
        granted={"binance": {"papi weight": 1_000}}, clocks=Clocks.alike(lambda: MID_MINUTE)
    )
    account, bus, settings = binance.account("binance-pm-001"), MemoryBus(), Settings(state=tmp_path)
    async with open_ledger(settings.ledger) as ledger:
        handle = build_worker(settings, Accounts((account,)), binance.venue.adapter, ledger, bus).handle
        await handle(command("pm_auto_collect", account))
        waiting = asyncio.ensure_future(handle(command("pm_auto_collect", account)))
        # It comes behind the collection, and is carried out while that one still waits for its room.
        await handle(command("set_leverage", account, symbol="BTC/USDT:USDT", leverage=7, market_type=SWAP))
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert [result["outcome"] for result in bus.told("result")] == ["applied", "applied"]
    sent = [entry["path"] for entry in await binance.requests() if entry["method"] == "POST"]
    assert sent == ["/papi/v1/auto-collection", "/papi/v1/um/leverage"]


async def test_collections_leave_the_tenth_part_of_a_minute_to_others(binance: SandboxHarness) -> None:
    stop_the_clock(binance)
    account = binance.account("binance-pm-001")
    portfolio = unguarded(binance.venue.adapter(account)).portfolio_margin
    assert portfolio
    ended = await outcomes(*(portfolio.auto_collect() for _ in range(10)))
    assert ended == {"done": 7, "LimitReached": 3}
    (weight,) = [row for row in binance.connections.limits.headroom() if row.scope == "papi weight"]
    assert weight.left == 6_000 - 7 * 750
