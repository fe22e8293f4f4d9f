"""The documented routes over HTTP against ccxt's unified calls in process, on the same sandbox venue."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from ccxt.async_support.binance import binance

from tests.benchmarks.bus import CONCURRENCIES, ROUNDS, command
from tests.benchmarks.measure import Call, Samples, interleaved
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.runtime.clock import now
from worker.shim.auth.tokens import issue_token

SYMBOL = "BTC/USDT:USDT"
POSITIONS = (1, 10, 100)
READS_PER_ROUND = 60
KEEP_ALIVE_S = 2
PLENTY = 1_000_000_000
MANY = 100
ONE_OF_MANY = "memory-"
"""How many accounts their memory is measured with, and how their names begin."""


@dataclass(frozen=True, slots=True)
class Venue:
    """The sandbox with accounts opened for the benchmark, its limits out of the way."""

    base_url: str
    accounts: dict[str, dict[str, Any]]

    @classmethod
    async def opened(cls, state: Path) -> "Venue":
        """Open one account per number of positions, before the worker reads the list of accounts."""
        listed = json.loads((state / "sandbox.json").read_text())
        venue = listed["venues"]["binance"]
        async with aiohttp.ClientSession() as session:
            await session.put(f"{venue['control_url']}/limits", json=dict.fromkeys(("fapi", "dapi", "papi"), PLENTY))
            for count in POSITIONS:
                account = {"id": account_id(count), "open_positions": count}
                async with session.post(f"{venue['control_url']}/accounts", json=account) as opened:
                    listed["accounts"].append(await opened.json())
            for number in range(MANY):
                async with session.post(
                    f"{venue['control_url']}/accounts", json={"id": f"{ONE_OF_MANY}{number}"}
                ) as opened:
                    listed["accounts"].append(await opened.json())
        (state / "sandbox.json").write_text(json.dumps(listed))
        return cls(venue["base_url"], {row["id"]: row for row in listed["accounts"]})

    @asynccontextmanager
    async def ccxt(self, account: str, *, throttled: bool = False) -> AsyncIterator[Any]:
        """A ccxt instance with its markets loaded."""
        exchange = self.instance(account, throttled=throttled)
        try:
            await exchange.load_markets()
            yield exchange
        finally:
            await exchange.close()

    def instance(self, account: str, *, throttled: bool = False) -> Any:
        """ccxt as its manual has it, but for the base URL and its throttler, which is off unless asked for."""
        keys = self.accounts[account]
        exchange = binance(
            {
                "apiKey": keys["api_key"],
                "secret": keys["secret"],
                "enableRateLimit": throttled,
                "options": {
                    "defaultType": "swap",
                    "fetchMarkets": {"types": ["linear", "inverse"]},
                    "fetchMargins": False,
                    "fetchCurrencies": False,
                },
            }
        )
        for family in ("fapi", "dapi", "papi"):
            for name, url in exchange.urls["api"].items():
                if name.startswith(family):
                    exchange.urls["api"][name] = self.base_url + urlsplit(url).path
        return exchange


def account_id(positions: int) -> str:
    """The account with so many open positions."""
    return f"bench-{positions}"


def http_call(session: aiohttp.ClientSession, method: str, url: str, **request: Any) -> Call:
    """A request that must succeed."""

    async def call() -> bytes:
        async with session.request(method, url, **request) as response:
            body = await response.read()
            if response.status != 200:
                raise RuntimeError(f"{response.status}: {body.decode()}")
            return body

    return call


async def leverage_routes(
    settings: Settings, venue: Venue, base: str, rounds: int = ROUNDS
) -> dict[int, dict[str, Samples]]:
    """set_leverage over the bus, over HTTP, and by ccxt in process, with the venue's own time in all of them."""
    account = account_id(1)
    body = {"exchange_account_id": account, "symbol": SYMBOL, "leverage": 10}
    async with (
        connect_rpc(str(settings.amqp_url), "bench") as client,
        http_session(settings) as session,
        venue.ccxt(account) as exchange,
    ):
        calls = {
            "set_leverage over the bus": command(client, json.dumps(body).encode()),
            "set_leverage over HTTP": http_call(session, "POST", f"{base}/leverage", json=body),
            "ccxt set_leverage in process": lambda: exchange.set_leverage(10, SYMBOL),
        }
        return {
            concurrency: await interleaved(calls, rounds=rounds, count=count // 4, concurrency=concurrency)
            for concurrency, count in CONCURRENCIES.items()
        }


async def positions_routes(
    settings: Settings, venue: Venue, base: str, rounds: int = ROUNDS
) -> dict[int, dict[str, Samples]]:
    """GET /positions over HTTP and bus, against ccxt's unified fetch_positions in process."""
    samples = {}
    for count in POSITIONS:
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(http_session(settings))
            exchange = await stack.enter_async_context(venue.ccxt(account_id(count)))
            url = f"{base}/positions?exchange_account_id={account_id(count)}"
            calls = {
                "GET /positions over HTTP": http_call(session, "GET", url),
                "ccxt fetch_positions in process": exchange.fetch_positions,
            }
            samples[count] = await interleaved(calls, rounds=rounds, count=READS_PER_ROUND, concurrency=1)
    return samples


@asynccontextmanager
async def http_session(settings: Settings) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a token, and no limit of connections of its own. It lets them go sooner than the server does."""
    assert settings.jwt_secret is not None
    token = issue_token(settings.jwt_secret, role="trader", subject="bench", lifetime_s=3600, now=now())
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_S)
    async with aiohttp.ClientSession(connector=connector, headers={"Authorization": f"Bearer {token}"}) as session:
        yield session
