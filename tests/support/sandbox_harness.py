"""A sandbox and what stands on it: the adapters of one exchange, or its official clients. Fixtures come in pairs."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import Any, Protocol, TypeVar, cast

import httpx
import pytest

from schemas.control import Exchange
from schemas.requests import MarginMode, MarketType, PositionMode
from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import VENUES
from worker.venues.limits import Limits
from worker.venues.port.adapter import (
    Adapter,
    Echo,
    History,
    IsolatedMargin,
    Market,
    ModeAddress,
    OpenPositions,
    PortfolioMargin,
    Venue,
)
from worker.venues.port.door import Door, KeptRoom
from worker.venues.port.errors import Ambiguous, VenueError

SWAP, FUTURE = MarketType.SWAP, MarketType.FUTURE
TIMEOUT_MS = 1_000
PATIENCE_MS = 20_000
"""How long a command may wait for room, where a test sends more than a limit holds."""

UNLIMITED = 10**9

BROKEN_ANSWERS: tuple[tuple[dict[str, Any], type[VenueError]], ...] = (
    ({"fault": "html"}, Ambiguous),
    ({"fault": "empty"}, Ambiguous),
    ({"fault": "too_large", "apply": True}, Ambiguous),
    ({"fault": "too_large", "status": 400}, Ambiguous),
    ({"fault": "reset"}, Ambiguous),
    ({"fault": "reset", "apply": True}, Ambiguous),
    ({"fault": "reset_mid_body", "apply": True}, Ambiguous),
    ({"fault": "delay", "delay_ms": 2 * TIMEOUT_MS}, Ambiguous),
    ({"fault": "status", "status": 502, "body": "<html>"}, Ambiguous),
)
"""After any of these nobody knows, at any venue, whether a change was made."""

CHANGES = frozenset(
    {"set_leverage", "set_margin_mode", "set_position_mode", "move_margin", "auto_collect", "asset_collect"}
)

T = TypeVar("T")


def account_of(sandbox: Sandbox, account_id: str) -> Account:
    return next(account for account in sandbox.accounts if account.id == account_id)


def market(adapter: Adapter, symbol: str, market_type: MarketType = SWAP) -> Market:
    return adapter.market(symbol, market_type)


def unread(found: OpenPositions | History) -> dict[str, str]:
    """Why the parts are unread that are, by their names."""
    return {part.name: part.unread for part in found.parts if part.unread is not None}


class OpenDoor:
    """Lets every change pass, for tests of an adapter by itself: nothing is recorded, and nothing read back."""

    @asynccontextmanager
    async def sending(self, usual_ms: int) -> AsyncIterator[None]:
        """Nothing forbids it."""
        yield

    def hold(self, room: KeptRoom) -> None:
        """Nothing is read back on its behalf."""
        room.end()


OPEN = OpenDoor()


class OpenPortfolioMargin(PortfolioMargin, Protocol):
    """The same account, whose changes need no door."""

    async def auto_collect(self, door: Door = OPEN) -> Echo: ...

    async def asset_collect(self, asset: str, door: Door = OPEN) -> Echo: ...


class OpenAdapter(Adapter, Protocol):
    """The same, whose changes need no door."""

    @property
    def portfolio_margin(self) -> OpenPortfolioMargin | None: ...

    async def set_leverage(self, market: Market, leverage: Decimal, door: Door = OPEN) -> Echo: ...

    async def set_margin_mode(self, market: Market, mode: MarginMode, door: Door = OPEN) -> Echo: ...

    async def set_position_mode(self, address: ModeAddress, mode: PositionMode, door: Door = OPEN) -> Echo: ...

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door = OPEN) -> Echo: ...


class Unguarded:
    """An adapter, or its Portfolio Margin side, whose changes nobody else guards."""

    def __init__(self, guarded: Any) -> None:
        self._guarded = guarded

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._guarded, name)
        if name == "portfolio_margin":
            return found and Unguarded(found)
        return partial(self._passing, found) if name in CHANGES else found

    async def _passing(self, change: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        return await change(*arguments, OPEN)


def unguarded(adapter: Adapter) -> OpenAdapter:
    """The same adapter, to be asked for changes directly."""
    return cast("OpenAdapter", Unguarded(adapter))


@dataclass
class SandboxHarness:
    """The sandbox, the control endpoints of an exchange, and adapters for its accounts.

    Where a test names no account it means the exchange's first one.
    """

    exchange: Exchange
    sandbox: Sandbox
    connections: VenueConnections
    venue: Venue
    control: httpx.AsyncClient
    adapters: dict[str, OpenAdapter] = field(default_factory=dict)

    def account(self, account_id: str | None = None) -> Account:
        return account_of(self.sandbox, account_id or f"{self.exchange}-perp-001")

    def adapter(self, account_id: str | None = None, **changes: Any) -> OpenAdapter:
        account = self.account(account_id)
        if changes:
            return unguarded(self.venue.adapter(account.model_copy(update=changes)))
        return self.adapters.setdefault(account.id, unguarded(self.venue.adapter(account)))

    async def fault(self, path: str | None, fault: str, **more: Any) -> None:
        (await self.control.post("/faults", json={"fault": fault, "path": path, **more})).raise_for_status()

    async def change(self, account_id: str | None = None, **content: Any) -> None:
        path = f"/accounts/{self.account(account_id).id}"
        (await self.control.patch(path, json=content)).raise_for_status()

    async def limit(self, limits: Mapping[str, int]) -> None:
        (await self.control.put("/limits", json=dict(limits))).raise_for_status()

    async def reset(self) -> None:
        (await self.control.post("/reset")).raise_for_status()
        self.connections.limits = Limits()
        self.adapters.clear()

    async def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = (await self.control.get("/requests")).json()["requests"]
        return [entry for entry in entries if path in (None, entry["path"])]

    async def paths(self) -> list[str]:
        return sorted(entry["path"] for entry in await self.requests())


@asynccontextmanager
async def sandbox_harness(exchange: Exchange, timeout_ms: int = TIMEOUT_MS) -> AsyncIterator[SandboxHarness]:
    """A sandbox, and the venue of one exchange with its markets loaded from it."""
    async with (
        Sandbox() as sandbox,
        VenueConnections() as connections,
        harness_on(sandbox, connections, exchange, timeout_ms) as running,
    ):
        yield running


@asynccontextmanager
async def harness_on(
    sandbox: Sandbox, connections: VenueConnections, exchange: Exchange, timeout_ms: int = TIMEOUT_MS
) -> AsyncIterator[SandboxHarness]:
    """The venue of one exchange on a sandbox that runs already, with its markets loaded from it."""
    base_url = sandbox.base_urls[exchange]
    venue = VENUES[exchange](connections, base_url, timeout_ms, "mainnet")
    await venue.load()
    async with httpx.AsyncClient(base_url=base_url + "/sandbox") as control:
        yield SandboxHarness(exchange, sandbox, connections, venue, control)


def harness_fixtures(exchange: Exchange, limits: Mapping[str, int] | None = None) -> tuple[object, object]:
    """The fixtures `shared`, one harness for a module, and `harness`, the same as new for each test."""

    @pytest.fixture(scope="module")
    async def shared() -> AsyncIterator[SandboxHarness]:
        async with sandbox_harness(exchange) as running:
            yield running

    @pytest.fixture
    async def harness(shared: SandboxHarness) -> SandboxHarness:
        await shared.reset()
        if limits:
            await shared.limit(limits)
        return shared

    return shared, harness


def sandbox_fixtures(exchange: Exchange, limits: Mapping[str, int] | None = None) -> tuple[object, object]:
    """The fixtures `sandbox`, one for a module, and `seeded`, which makes its exchange as new for each test."""

    @pytest.fixture(scope="module")
    async def sandbox() -> AsyncIterator[Sandbox]:
        async with Sandbox() as running:
            yield running

    @pytest.fixture(autouse=True)
    def seeded(sandbox: Sandbox) -> None:
        desk = sandbox.desks[exchange]
        desk.reset()
        if limits:
            desk.venue.set_limits(limits)

    return sandbox, seeded


async def using_ccxt(client: Any, work: Callable[[Any], Awaitable[T]]) -> T:
    """Do some work with a ccxt client that knows its markets, and close it."""
    try:
        await client.load_markets()
        return await work(client)
    finally:
        await client.close()
