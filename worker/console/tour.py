"""`perps-dma tour`: every documented route of a running `up`, and the refusals a caller will meet."""

import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from pydantic import ValidationError
from rich.text import Text

from schemas import HTTP_PREFIXES, OPERATIONS, Failure, Operation
from worker.bus.connection import connect
from worker.bus.topology import EVENTS_EXCHANGE
from worker.console.display import console, table
from worker.execution.clock import now
from worker.locations import NotReady, amqp_url, jwt_secret
from worker.settings import Settings
from worker.shim.auth import issue_token

PERP, PM = "binance-perp-001", "binance-pm-001"
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One request of the tour, the status it must have, and what a person wants to see of the answer."""

    operation: str
    request: Facts
    tell: Callable[[Facts], str] = lambda data: ""
    status: int = 200
    role: str | None = "trader"

    @property
    def row(self) -> Operation:
        """The operation's row of the table."""
        return OPERATIONS[self.operation]


def _positions(data: Facts) -> str:
    return "; ".join(
        f"{row['symbol']} {row['side']} {row['contracts']} at {row['entry_price']}, mark {row['mark_price']}, "
        f"PnL {row['unrealized_pnl']} ({row['percentage']} %)"
        for row in data["positions"]
    )


def _entries(kind: str) -> Callable[[Facts], str]:
    return lambda data: f"{data['count']} records, the newest {data[kind][-1]['amount']} {data[kind][-1]['code']}"


def _wallets(data: Facts) -> str:
    return ", ".join(f"{asset} {wallet['total_wallet_balance']}" for asset, wallet in data["assets"].items())


def _margin_mode(mode: str, symbol: str = ETH, status: int = 200) -> Step:
    request = {"exchange_account_id": PERP, "symbol": symbol, "margin_mode": mode}
    return Step("set_margin_mode", request, lambda data: f"{symbol} is {data['margin_mode']}", status)


def _leverage(leverage: Any, status: int = 200, role: str | None = "trader", account: str = PERP) -> Step:
    request = {"exchange_account_id": account, "symbol": BTC, "leverage": leverage}
    return Step("set_leverage", request, lambda data: f"{data['symbol']} at {data['leverage']}x", status, role)


def _asset(asset: str, status: int = 200) -> Step:
    return Step(
        "pm_asset_collect",
        {"exchange_account_id": PM, "asset": asset},
        lambda data: f"{data['asset']}: {data['response']}",
        status,
    )


STEPS: tuple[Step, ...] = (
    Step("get_positions", {"exchange_account_id": PERP}, _positions),
    Step(
        "get_leverage",
        {"exchange_account_id": PERP, "symbol": BTC},
        lambda data: f"{data['leverage']}x {data['margin_mode']}, {data['position_side']} {data['position_size']}",
    ),
    _leverage(20),
    _leverage(10),
    _margin_mode("isolated"),
    _margin_mode("cross"),
    Step("get_funding_history", {"exchange_account_id": PERP, "symbol": BTC, "limit": 10}, _entries("payments")),
    Step("get_realized_pnl", {"exchange_account_id": PERP, "limit": 10}, _entries("entries")),
    Step("pm_get_balance", {"exchange_account_id": PM}, _wallets),
    Step(
        "pm_get_account",
        {"exchange_account_id": PM},
        lambda data: f"margin balance {data['papi_um_account']['totalMarginBalance']}",
    ),
    _asset("USDT"),
    Step("pm_auto_collect", {"exchange_account_id": PM}, lambda data: str(data["response"])),
)

REFUSALS: tuple[Step, ...] = (
    _margin_mode("isolated", symbol=BTC, status=409),
    _leverage(0, status=400),
    _leverage(10.5, status=400),
    _leverage(500, status=400),
    _asset("BNB", status=400),
    Step("pm_get_balance", {"exchange_account_id": PERP}, status=400),
    _leverage(10, status=404, account="nobody"),
    _leverage(10, status=401, role=None),
    _leverage(10, status=403, role="viewer"),
)


@dataclass(slots=True)
class Visit:
    """What came of a step. `fault` is what was not as documented, if anything."""

    step: Step
    status: int
    milliseconds: float
    told: str
    fault: str | None


def _check(step: Step, response: httpx.Response) -> tuple[str, str | None]:
    """What to tell of an answer, and what is wrong with it."""
    body = response.json()
    if response.status_code != step.status or body.get("statusCode") != step.status:
        return str(body.get("message")), f"status {response.status_code}, expected {step.status}"
    try:
        if step.status >= 400:
            return Failure.model_validate(body).message, None
        step.row.data.model_validate(data := body["data"])
    except (ValidationError, KeyError) as error:
        return str(body), f"not of the documented shape: {error}"
    extra = body.keys() ^ {"isError", "message", "statusCode", "data"}
    return step.tell(data), f"keys {sorted(extra)}" if extra or body["isError"] else None


class Tour:
    """A walk over HTTP, with tokens of its own."""

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._secret = jwt_secret(settings)

    async def visit(self, step: Step, prefix: str) -> Visit:
        """Take one step."""
        reads = step.row.method == "GET"
        started = time.perf_counter()
        response = await self._client.request(
            step.row.method,
            prefix + step.row.path,
            headers=self._headers(step.role),
            params=step.request if reads else None,
            json=None if reads else step.request,
        )
        milliseconds = (time.perf_counter() - started) * 1000
        told, fault = _check(step, response)
        return Visit(step, response.status_code, milliseconds, told, fault)

    def _headers(self, role: str | None) -> dict[str, str]:
        if role is None:
            return {}
        token = issue_token(self._secret, role=role, subject="tour", lifetime_s=60, now=now())
        return {"Authorization": f"Bearer {token}"}


def _base_url(settings: Settings) -> str:
    try:
        return str(json.loads(settings.up_file.read_text())["http"])
    except FileNotFoundError as error:
        raise NotReady(f"nothing runs in {settings.state}; start it with `make up`") from error


@dataclass(slots=True)
class Heard:
    """Routing keys of the events published meanwhile."""

    keys: list[str] = field(default_factory=list)


@asynccontextmanager
async def listening(settings: Settings) -> AsyncIterator[Heard]:
    """Collects events like a risk system does: a queue of its own, bound to `dma.events`."""
    heard = Heard()
    async with await connect(amqp_url(settings), "perps-dma tour") as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(EVENTS_EXCHANGE, "#")
        await queue.consume(lambda message: heard.keys.append(message.routing_key or ""), no_ack=True)
        yield heard


def _show(title: str, visits: list[Visit]) -> None:
    rows = (
        (
            f"{visit.step.row.method} {visit.step.row.path}",
            visit.status,
            f"{visit.milliseconds:.1f}",
            visit.told,
            Text(visit.fault or "as documented", style="red" if visit.fault else "green"),
        )
        for visit in visits
    )
    console.print(table(["route", "status", "ms", "answer", ""], rows, title=title, folding=["answer"]))
    console.print()


async def tour(settings: Settings) -> bool:
    """Walk all routes under both prefixes, then the refusals. True when everything was as documented."""
    good = True
    async with httpx.AsyncClient(base_url=_base_url(settings), timeout=30) as client, listening(settings) as heard:
        walker = Tour(client, settings)
        for steps, prefix, title in (
            (STEPS, HTTP_PREFIXES[0], f"All operations under {HTTP_PREFIXES[0]}"),
            (STEPS, HTTP_PREFIXES[1], f"The same under {HTTP_PREFIXES[1]}"),
            (REFUSALS, HTTP_PREFIXES[0], "What is refused, and how"),
        ):
            visits = [await walker.visit(step, prefix) for step in steps]
            _show(title, visits)
            good = good and not any(visit.fault for visit in visits)
    results = sum(key.startswith("result.") for key in heard.keys)
    console.print(f"events meanwhile: {results} results, {len(heard.keys) - results} position snapshots")
    console.print(Text("all as documented", style="green") if good else Text("NOT all as documented", style="red"))
    return good
