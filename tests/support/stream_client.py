"""One connection of a feed over a real WebSocket, opened once and never again: enough to hear what a venue says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from worker.venues.port.streams import Conversation, Feed, Heard, Reopen, Say

T = TypeVar("T", bound=Heard)
PATIENCE_S = 60.0


@dataclass
class StreamClient:
    """What was heard so far, and how the connection ended, if it has."""

    conversation: Conversation
    heard: list[Heard] = field(default_factory=list)
    frames: int = 0
    close_code: int | None = None
    ended: bool = False
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def of(self, kind: type[T]) -> list[T]:
        return [heard for heard in self.heard if isinstance(heard, kind)]

    async def until(self, condition: Callable[["StreamClient"], object]) -> None:
        """Wait until something holds; it is looked at after each frame."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition(self):
                self._news.clear()
                await self._news.wait()

    async def more(self, frames: int) -> None:
        """Wait until so many more frames have come, whatever they mean."""
        enough = self.frames + frames
        await self.until(lambda client: client.frames >= enough or client.ended)

    async def live(self) -> None:
        """Wait until every acknowledgement has come."""
        await self.until(lambda client: not client.conversation.waiting_for)

    async def next(self, kind: type[T]) -> T:
        """Wait until one of a kind was heard, and take the first."""
        await self.until(lambda client: client.of(kind))
        first = self.of(kind)[0]
        self.heard.remove(first)
        return first

    async def read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Hear what comes, and answer what asks for an answer, until the connection ends."""
        async for message in socket:
            self.frames += 1
            heard = self.conversation.hear(message.data)
            self.heard += [one for one in heard if not isinstance(one, Say)]
            for answer in heard:
                if isinstance(answer, Say):
                    await socket.send_str(answer.text)
            self._news.set()
            if any(isinstance(one, Reopen) for one in heard):
                break
        self.close_code, self.ended = socket.close_code, True
        self._news.set()


async def _ping(socket: aiohttp.ClientWebSocketResponse, text: str, each_s: float) -> None:
    while not socket.closed:
        await socket.send_str(text)
        await asyncio.sleep(each_s)


@asynccontextmanager
async def following(feed: Feed, ping_s: float | None = None) -> AsyncIterator[StreamClient]:
    """A feed's connection, while the context is open; with `ping_s` its text ping is sent at once and so often."""
    conversation = await feed.converse()
    assert conversation is not None, "the account has nothing there"
    client = StreamClient(conversation)
    async with aiohttp.ClientSession() as session, session.ws_connect(conversation.url) as socket:
        for text in conversation.opening:
            await socket.send_str(text)
        tasks = [asyncio.create_task(client.read(socket))]
        if ping_s is not None and feed.rules.ping is not None:
            tasks.append(asyncio.create_task(_ping(socket, feed.rules.ping, ping_s)))
        try:
            yield client
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
