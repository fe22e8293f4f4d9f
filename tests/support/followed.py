"""Accounts of a stand-in venue, followed by workers of this process: what a subscriber hears, against what there is.

Venue's side: `change` (position, leverage) and `fault`. Subscriber's: `Watched`, which keeps each moment of each event.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import SecretStr

from tests.support.operation_queues import emptied
from tests.support.sandbox_harness import TIMEOUT_MS, UNLIMITED
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Account, Accounts
from worker.app.bootstrap import running_worker
from worker.config.settings import Settings
from worker.console.sandbox_control import CONTENTS, MarketChange
from worker.sandbox.app.server import Sandbox
from worker.sandbox.server.journal import JournalEntry
from worker.sandbox.server.streams import StreamFault
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import METERED, Venues, limits_kept
from worker.venues.port.adapter import Adapter
from worker.venues.port.streams import Conversation, Feed, FeedRules, WatchedMarkets, nothing_watched

NEVER_MS = 3_600_000
PATIENCE_S = 20.0

SILENT_S = 1.0
"""How long a connection may be silent in a test."""

HELD: Mapping[str, tuple[str, str]] = {
    "binance": ("BTCUSDT", "BTC/USDT:USDT"),
    "bybit": ("BTCUSDT", "BTC/USDT:USDT"),
    "gate": ("BTC_USDT", "BTC/USDT:USDT"),
    "okx": ("BTC-USDT-SWAP", "BTC/USDT:USDT"),
    "hyperliquid": ("BTC", "BTC/USDC:USDC"),
}
"""A market of each venue that its first account is long in: by the venue's name, and ours."""


@dataclass(frozen=True)
class HastyFeed:
    """A feed with short times: nobody waits six minutes in a test."""

    feed: Feed
    hasten: Callable[[FeedRules], FeedRules]

    @property
    def name(self) -> str:
        return self.feed.name

    @property
    def rules(self) -> FeedRules:
        return self.hasten(self.feed.rules)

    async def converse(self) -> Conversation | None:
        return await self.feed.converse()


def hasty(rules: FeedRules) -> FeedRules:
    return replace(rules, ping_s=SILENT_S / 4, silent_s=SILENT_S, dials=1_000, dials_in_s=1.0)


class HastyAdapter:
    """An adapter whose feeds are hasty."""

    def __init__(self, adapter: Adapter, hasten: Callable[[FeedRules], FeedRules]) -> None:
        self._adapter = adapter
        self._hasten = hasten

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        return tuple(HastyFeed(feed, self._hasten) for feed in self._adapter.feeds(watched))


@dataclass(frozen=True)
class Told:
    """An event about the account, and when it was heard."""

    kind: str
    data: Body
    at: float
    id: str


@dataclass
class Watched:
    """A subscriber of all events, and the account it watches."""

    strategy: Strategy
    account: str
    heard: list[Told] = field(default_factory=list)
    position: int = 0
    """How many of those were looked at."""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def listen(self) -> None:
        while True:
            event = json.loads((await self.strategy.events.get()).body)
            if event["subject"] == self.account:
                kind = event["type"].removeprefix("perps-dma.").removesuffix(".v1")
                self.heard.append(Told(kind, event["data"], monotonic(), event["id"]))
                self.news.set()

    async def next(self, kind: str, is_it: Callable[[Body], bool] = lambda _: True) -> Told:
        """The next event of a kind; those before it are left behind."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self.position == len(self.heard):
                    self.news.clear()
                    await self.news.wait()
                told = self.heard[self.position]
                self.position += 1
                if told.kind == kind and is_it(told.data):
                    return told

    async def live(self) -> Told:
        return await self.next("stream", lambda data: data["state"] == "live")

    async def blind(self) -> Told:
        return await self.next("stream", lambda data: data["state"] == "blind")

    def all(self, kind: str) -> list[Body]:
        return [told.data for told in self.heard if told.kind == kind]


@asynccontextmanager
async def watching(amqp_url: str, account: str) -> AsyncIterator[Watched]:
    """A subscriber of what is told of an account from now on."""
    await emptied(amqp_url)
    async with Strategy.connected(amqp_url) as strategy:
        watched = Watched(strategy, account)
        listening = asyncio.create_task(watched.listen())
        try:
            yield watched
        finally:
            listening.cancel()


@dataclass
class FollowedVenue:
    """A stand-in venue, one account of it, and a subscriber."""

    exchange: str
    sandbox: Sandbox
    account: Account
    watched: Watched
    amqp_url: str
    ledger: str

    @property
    def symbol(self) -> str:
        return HELD[self.exchange][1]

    def change(self, *, size: str | None = None, leverage: int | None = None, market: str | None = None) -> float:
        """Change the account behind our back, in a market as the venue names it; when that was."""
        named = market or HELD[self.exchange][0]
        content = CONTENTS[self.exchange](MarketChange(named, leverage, size, "90000"))
        self.sandbox.desks[self.exchange].change_account(self.account.id, content)
        return monotonic()

    def fault(self, fault: str, **more: Any) -> int:
        """Let streams misbehave; how many connections meet it now."""
        order = StreamFault.model_validate({"account": self.account.id, **more, "fault": fault})
        return self.sandbox.desks[self.exchange].streams.order(order)

    def requests(self) -> list[JournalEntry]:
        """What the venue was asked."""
        return list(self.sandbox.desks[self.exchange].journal.entries)

    def readings(self) -> int:
        """How often the account was read: as often as the request of it that was made most often."""
        return max(Counter(_asked(entry) for entry in self.requests() if entry.account == self.account.id).values())

    def connected(self) -> list[str | None]:
        """The accounts whose streams are open at the venue."""
        return [link.account for link in self.sandbox.desks[self.exchange].streams.links]

    async def set_leverage(self, leverage: int) -> Body:
        """The answer to a command of ours."""
        body = {"exchange_account_id": self.account.id, "symbol": self.symbol, "leverage": leverage}
        return (await self.watched.strategy.ask("set_leverage", body))[0]

    async def shown(self, size: str) -> Told:
        """The snapshot that shows a position of this size."""
        return await self.watched.next("positions", lambda data: self.size_of(data) == float(size))

    def size_of(self, snapshot: Body) -> float | None:
        held = [row["contracts"] for row in snapshot["positions"] if row["symbol"] == self.symbol]
        return held[0] if held else None

    @asynccontextmanager
    async def worker(
        self,
        accounts: Accounts | None = None,
        hasten: Callable[[FeedRules], FeedRules] = hasty,
        *,
        unlimited: bool = False,
        **settings: Any,
    ) -> AsyncIterator[Accounts]:
        """A worker that follows the account; polls never come, unless settings say so. `unlimited` counts no limits."""
        served = accounts or Accounts((self.account,))
        facts = {"snapshot_interval_ms": NEVER_MS, "snapshot_heartbeat_ms": 0, "timeout_ms": 5_000, **settings}
        read = Settings(amqp_url=self.amqp_url, ledger_url=SecretStr(self.ledger), **facts)
        scopes = METERED[self.exchange].scopes if unlimited else ()
        granted = {self.exchange: {scope.name: UNLIMITED for scope in scopes}}
        async with VenueConnections(limits_kept(1.0, granted, 0.5)) as connections:
            venues = Venues(connections, served, TIMEOUT_MS)
            await venues.load_once(self.account)

            def adapter_of(account: Account) -> Any:
                return HastyAdapter(venues.adapter(account), hasten)

            async with running_worker(read, served, adapter_of, venues.watch, socket=venues.socket):
                yield served


@asynccontextmanager
async def followed(
    exchange: str, amqp_url: str, folder: Path, ledger: str | None = None
) -> AsyncIterator[FollowedVenue]:
    """The venue with its first account, and who listens to what is told of it."""
    named = f"{exchange}-perp-001"
    async with Sandbox() as sandbox, watching(amqp_url, named) as watched:
        account = next(account for account in sandbox.accounts if account.id == named)
        yield FollowedVenue(
            exchange, sandbox, account, watched, amqp_url, ledger or f"sqlite:///{folder / 'ledger.db'}"
        )


def _asked(entry: JournalEntry) -> tuple[str, str, str]:
    """A request without what makes each the only one of its kind."""
    params = {name: value for name, value in entry.params.items() if name not in ("timestamp", "signature")}
    return entry.method, entry.path, json.dumps(params, sort_keys=True)
