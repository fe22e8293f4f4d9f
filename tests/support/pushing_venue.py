"""A venue in memory that pushes over a real WebSocket, in a protocol of its own: the plainest that there can be.

login ─▶ "welcome"; then {"changed": …}, {"risk": …} or {"leverage": …}; "bye" asks to be opened anew,
"leaving" before it goes
"""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.memory_venue import BTC, MemoryVenue
from worker.venues.port.streams import (
    Evidence,
    Feed,
    FeedRules,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    Reopen,
    RiskKind,
    RiskPush,
    WatchedMarkets,
    Why,
    nothing_watched,
)

RULES = FeedRules(ping=None, ping_s=1.0, silent_s=3.0, dials=1_000, dials_in_s=1.0)
KEY = "listen-key-canary-5f1e"
"""A secret of every connection: in its URL, and in what is said first."""


@dataclass
class PlainConversation:
    """One connection."""

    url: str
    opening: Sequence[str] = (json.dumps({"login": KEY}),)
    waiting_for: frozenset[str] = frozenset({"welcome"})

    def hear(self, frame: str) -> Sequence[Heard]:
        try:
            told = json.loads(frame)
        except ValueError:
            return (NotUnderstood("no JSON"),)
        if told == "welcome":
            self.waiting_for = frozenset()
            return ()
        return (_meant(told),)

    async def renew(self) -> None:
        """There is nothing to prolong."""


def _meant(told: Any) -> Heard:
    heard: Heard = NotUnderstood("an unknown frame")
    match told:
        case "bye":
            heard = Reopen("the venue said bye")
        case "leaving":
            heard = Reopen("the venue will go", tells=True)
        case {"refused": str(reason)}:
            heard = Refusal(reason, lasts=bool(told.get("lasts")))
        case {"changed": _}:
            heard = Nudge(Why.POSITIONS)
        case {"leverage": str(leverage), "symbol": str(symbol)}:
            heard = Nudge(Why.SETTINGS, told.get("at"), (Evidence(symbol, Decimal(leverage)),))
        case {"risk": str(identity)}:
            figures = {"uniMMR": "1.2"}
            heard = RiskPush(RiskKind.MARGIN_CALL, told["at"], identity, "MARGIN_CALL", (BTC.symbol,), figures)
    return heard


@dataclass
class PlainFeed:
    """The only feed of an account."""

    url: str
    rules: FeedRules = RULES
    name: str = "private"

    async def converse(self) -> PlainConversation:
        return PlainConversation(self.url)


@dataclass
class PushingVenue(MemoryVenue):
    """Its accounts' positions are in memory; `push` tells all who listen, in turn of what `misbehave` says."""

    base_url: str = ""
    rules: FeedRules = RULES
    sockets: list[web.WebSocketResponse] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    dials: int = 0
    refusing: int | None = None
    welcoming: bool = True
    answering: bool = True
    """Whether pings are answered."""

    def feeds(self, watched: WatchedMarkets = nothing_watched) -> tuple[Feed, ...]:
        return (PlainFeed(f"{self.base_url}/stream?listenKey={KEY}", self.rules),)

    async def push(self, content: Any) -> None:
        """Tell everybody."""
        text = content if isinstance(content, str) else json.dumps(content)
        await asyncio.gather(*(socket.send_str(text) for socket in self.sockets))

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.dials += 1
        if self.refusing is not None:
            return web.Response(status=self.refusing)
        socket = web.WebSocketResponse(autoping=False, compress=False)
        await socket.prepare(request)
        try:
            async for message in socket:
                if message.type is WSMsgType.PING and self.answering:
                    await socket.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self.frames.append(message.data)
                    if self.welcoming:
                        self.sockets.append(socket)
                        await socket.send_json("welcome")
        finally:
            if socket in self.sockets:
                self.sockets.remove(socket)
        return socket


@asynccontextmanager
async def pushing_venue(**facts: Any) -> AsyncIterator[PushingVenue]:
    """A venue that listens on a port of its own."""
    venue = PushingVenue(**facts)
    app = web.Application()
    app.router.add_get("/stream", venue.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
    venue.base_url = f"ws://127.0.0.1:{port}"
    try:
        yield venue
    finally:
        await runner.cleanup()
