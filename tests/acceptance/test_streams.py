"""`up` follows every account of the sandbox, and what is changed at a venue shows where one watches."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import pytest

from tests.acceptance.conftest import GRANTED, RunningUp, up

PERP = "binance-perp-001"
PATIENCE_S = 60


@pytest.fixture(scope="module")
async def following(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    async with up(tmp_path_factory.mktemp("up"), GRANTED, PERPS_DMA_STREAMS="on") as running:
        yield running


async def states(running: RunningUp) -> dict[str, str]:
    told = json.loads((await running.cli("status", "--json")).out)
    return {row["exchange_account_id"]: row["state"] for row in told["streams"]}


async def watched(running: RunningUp) -> AsyncGenerator[str, None]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "watch", "--account", PERP, "--from", "first"),
        stdout=asyncio.subprocess.PIPE,
        env=running.environment,
    )
    assert process.stdout is not None
    try:
        while line := (await process.stdout.readline()).decode():
            yield line
    finally:
        process.kill()
        await process.wait()


async def test_every_account_is_live_and_a_change_at_the_venue_shows_at_once(following: RunningUp) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while set((await states(following)).values()) != {"live"}:
            pass
    assert "0 blind, 0 none" in (await following.cli("status")).out
    changed = await following.cli("sandbox", "change", PERP, "BTCUSDT", "--size", "3", "--leverage", "7")
    assert changed.code == 0, changed.err
    seen = ""
    async with asyncio.timeout(PATIENCE_S), aclosing(watched(following)) as lines:
        async for line in lines:
            seen += line
            if "(pushed): BTC/USDT:USDT long 3.0 at 7" in line:
                break
    assert "control.stream.binance." in seen
    assert "stream live" in seen
    assert "changed outside: BTC/USDT:USDT long 10x cross -> 7x" in seen


async def test_a_connection_that_is_cut_shows_blind_and_live_again(following: RunningUp) -> None:
    cut = await following.cli("sandbox", "stream-fault", PERP, "drop")
    assert "2 open connections meet it" in cut.out
    seen = ""
    async with asyncio.timeout(PATIENCE_S), aclosing(watched(following)) as lines:
        async for line in lines:
            seen += line
            if "stream blind since" in seen and "stream live, read after" in seen.partition("the connection")[2]:
                break


async def test_what_the_sandbox_does_not_have_is_said(following: RunningUp) -> None:
    missing = await following.cli("sandbox", "change", "nobody", "BTCUSDT", "--size", "3")
    assert (missing.code, "has no account 'nobody'" in missing.err) == (1, True)
    odd = await following.cli("sandbox", "change", PERP, "BTCUSDT", "--size", "much")
    assert (odd.code, "does not do that" in odd.err) == (1, True)
