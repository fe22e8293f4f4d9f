"""When a connection is taken for dead over which nothing comes: soon where pings were answered, late where never."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import WSMsgType, web

from schemas.base import Milliseconds
from worker.streams.connection import FeedConnection
from worker.streams.dials import DialGate
from worker.streams.line import Pushed
from worker.venues.port.streams import FeedRules, Heard

PING_S, LONG_S = 0.05, 3_600.0
RULES = FeedRules(ping=None, ping_s=PING_S, silent_s=LONG_S, dials=100, dials_in_s=1)
PATIENCE_S = 10.0


@dataclass
class Silent:
    """A venue that says nothing by itself, and answers so many pings."""

    answered: int
    pings: int = 0
    news: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        async for message in socket:
            if message.type is WSMsgType.PING:
                self.pings += 1
                if self.pings <= self.answered:
                    await socket.pong(message.data)
                async with self.news:
                    self.news.notify_all()
        return socket


@dataclass
class SilentFeed:
    """A feed of it. It waits for no acknowledgement."""

    url: str
    name: str = "private"
    rules: FeedRules = RULES
    opening: Sequence[str] = ()
    waiting_for: frozenset[str] = frozenset()

    async def converse(self) -> "SilentFeed":
        return self

    def hear(self, frame: str) -> Sequence[Heard]:
        return ()

    async def renew(self) -> None:
        """Nothing."""


@dataclass
class Listener:
    """Keeps why it went down."""

    reasons: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def up(self, feed: str) -> None:
        """It is up."""

    def down(self, feed: str, reason: str, heard: Milliseconds) -> None:
        self.reasons.put_nowait(reason)

    def frame(self) -> None:
        """No frame comes."""

    def heard(self, feed: str, pushed: Pushed) -> None:
        """Nothing is told."""


@asynccontextmanager
async def followed(venue: Silent) -> AsyncIterator[Listener]:
    application, listener = web.Application(), Listener()
    application.router.add_get("/", venue.serve)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    feed = SilentFeed(f"ws://127.0.0.1:{runner.addresses[0][1]}/")
    async with aiohttp.ClientSession() as session:
        connection = FeedConnection(
            feed.name, lambda: feed, DialGate(100, 1), lambda url: session.ws_connect(url, autoping=False), listener
        )
        following = asyncio.create_task(connection.run())
        try:
            yield listener
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await runner.cleanup()


async def test_a_connection_over_which_pings_were_answered_is_dead_when_three_are_not() -> None:
    async with asyncio.timeout(PATIENCE_S), followed(Silent(answered=2)) as listener:
        assert await listener.reasons.get() == f"no frame came for {3 * PING_S:g} s"


async def test_a_connection_over_which_no_ping_was_ever_answered_lives_as_long_as_its_venue_may_be_silent() -> None:
    venue = Silent(answered=0)
    async with asyncio.timeout(PATIENCE_S), followed(venue) as listener:
        async with venue.news:
            await venue.news.wait_for(lambda: venue.pings >= 10)
        assert listener.reasons.empty()
