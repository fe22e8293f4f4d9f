"""Terms of a whole account: planning 600 symbols, and setting 200 of them, against a loop over ccxt's set_leverage.

The stand-in keeps Binance's documented limits, 2,400 of weight in a minute, and so do we and ccxt. The limit alone lets
200 changes of leverage pass in their part of a minute, five seconds; ccxt spaces them by 50 ms, and confirms nothing.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import uuid4

import aiohttp

from schemas import OPERATIONS
from tests.benchmarks.progress import measuring
from tests.benchmarks.routes import Venue
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.services import NO_SCHEDULE, module, worker
from tests.benchmarks.wide_sandbox import MORE
from worker.bus.rpc import RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.runtime.clock import now

ACCOUNT, OTHER, THEIRS = "terms-1", "terms-2", "terms-3"
CHANGED = 200
LIMIT, WINDOW_S = 2_400, 60
BY_LIMIT_S = CHANGED / LIMIT * WINDOW_S
"""Their part of the minute: each weighs one."""

SYMBOLS = [f"W{number:03}/USDT:USDT" for number in range(MORE)]
BESIDE = "BTC/USDT:USDT"

ALONE = {**NO_SCHEDULE, "PERPS_DMA_STREAMS": "off"}
"""Nothing else is read beside, so that the requests of a plan can be counted."""

BETWEEN_S = 0.2


class Asking:
    """Somebody who asks a worker, and the stand-in what it was asked."""

    def __init__(self, client: RpcClient, control_url: str) -> None:
        self._client = client
        self._control_url = control_url

    async def ask(self, operation: str, **request: Any) -> tuple[float, dict[str, Any]]:
        """How long an answer took, in seconds, and its data."""
        began, body = time.perf_counter(), json.dumps(request).encode()
        reply = await self._client.call(
            OPERATIONS[operation], body, command_id=str(uuid4()), deadline=now() + 120_000, actor="bench"
        )
        took, envelope = time.perf_counter() - began, json.loads(reply.body)
        if envelope["isError"]:
            raise RuntimeError(envelope["message"])
        return took, envelope["data"]

    async def requests(self, account: str) -> list[str]:
        """The paths that were asked for with the account's key."""
        async with aiohttp.ClientSession() as session, session.get(f"{self._control_url}/requests") as answer:
            rows = (await answer.json())["requests"]
        return [row["path"] for row in rows if row["account"] == account]


@asynccontextmanager
async def _running(settings: Settings, folder: Path) -> AsyncIterator[tuple[Asking, Venue]]:
    """A venue with many contracts and documented limits, and a worker on it."""
    own = _in_folder(settings, folder)

    async def listed() -> bool:
        return own.sandbox_file.exists()

    variables = {"PERPS_DMA_STATE": str(folder)}
    sandbox = module("sandbox", "tests.benchmarks.wide_sandbox", folder=folder, ready=listed, variables=variables)
    async with sandbox:
        venue, control_url = await _opened(own)
        async with worker(own, ALONE), connect_rpc(str(own.amqp_url), "terms benchmark") as client:
            yield Asking(client, control_url), venue


def _in_folder(settings: Settings, folder: Path) -> Settings:
    folder.mkdir(parents=True, exist_ok=True)
    return settings.model_copy(update={"state": folder})


async def _opened(settings: Settings) -> tuple[Venue, str]:
    listed = json.loads(settings.sandbox_file.read_text())
    binance = listed["venues"]["binance"]
    async with aiohttp.ClientSession() as session:
        for name in (ACCOUNT, OTHER, THEIRS):
            async with session.post(f"{binance['control_url']}/accounts", json={"id": name}) as opened:
                listed["accounts"].append(await opened.json())
    settings.sandbox_file.write_text(json.dumps(listed))
    return Venue(binance["base_url"], {row["id"]: row for row in listed["accounts"]}), binance["control_url"]


async def terms_rows(settings: Settings, folder: Path) -> list[Row]:
    """Plan, apply, and what waits meanwhile."""
    async with _running(settings, folder) as (asking, venue):
        with measuring(f"a plan of {len(SYMBOLS)} symbols"):
            rows = await _planning(asking)
        with measuring(f"ccxt's set_leverage in a loop over {CHANGED} symbols, throttled and unconfirmed"):
            theirs = await _by_ccxt(venue)
        with measuring(f"{CHANGED} symbols of an account to 3x, confirmed, and other commands beside"):
            rows += await _applying(asking, theirs)
    return rows


async def _planning(asking: Asking) -> list[Row]:
    """A plan in which all is as it should be: the accounts begin with 20x."""
    document = {"exchange_account_id": ACCOUNT, "symbols": {name: {"leverage": 20} for name in SYMBOLS}}
    await asking.ask("plan_terms", **document)  # connections and lists are there from now on
    before = len(await asking.requests(ACCOUNT))
    took, plan = await asking.ask("plan_terms", **document)
    if plan["unchanged"] != len(SYMBOLS):
        raise RuntimeError(f"{plan['change']} symbols are not as they should be")
    requests = len(await asking.requests(ACCOUNT)) - before
    return [
        at_most("a plan of 600 symbols, all as it should be: requests", requests, 3),
        at_most("the same: seconds", took, 1),
    ]


async def _by_ccxt(venue: Venue) -> float:
    async with venue.ccxt(THEIRS, throttled=True) as exchange:
        began = time.perf_counter()
        for symbol in SYMBOLS[:CHANGED]:
            await exchange.set_leverage(3, symbol)
        return time.perf_counter() - began


async def _applying(asking: Asking, theirs: float) -> list[Row]:
    alone = [await _change(asking, account, 3 + number) for number in range(10) for account in (ACCOUNT, OTHER)]
    wanted = {name: {"leverage": 3} for name in SYMBOLS[:CHANGED]}
    beside: dict[str, list[float]] = {ACCOUNT: [], OTHER: []}
    applying = asyncio.create_task(asking.ask("apply_terms", exchange_account_id=ACCOUNT, symbols=wanted, force=True))
    number = 0
    while not applying.done():
        await asyncio.sleep(BETWEEN_S)
        number += 1
        for account, times in beside.items():
            if not applying.done():
                times.append(await _change(asking, account, 3 + number % 20))
    took, data = await applying
    if data["counts"] != {"applied": CHANGED}:
        raise RuntimeError(f"not all were applied: {data['counts']}")
    return [
        at_most("200 symbols to 3x, confirmed, seconds : what the limit alone allows", took / BY_LIMIT_S, 1.2),
        at_most("the same : a loop over ccxt's set_leverage, throttled, unconfirmed", took / theirs, 1),
        at_most("meanwhile another command of the account : alone, median", _ratio(beside[ACCOUNT], alone), 2.5),
        Row("meanwhile a command of another account : alone, median", _ratio(beside[OTHER], alone)),
    ]


def _ratio(beside: Sequence[float], alone: Sequence[float]) -> float:
    return median(beside) / median(alone)


async def _change(asking: Asking, account: str, leverage: int) -> float:
    took, _ = await asking.ask("set_leverage", exchange_account_id=account, symbol=BESIDE, leverage=leverage)
    return took
