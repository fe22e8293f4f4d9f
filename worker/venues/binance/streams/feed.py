"""Binance's private streams: a listenKey from REST, subscribed to over a path that does not name it.

```
POST listenKey ─▶ connect, SUBSCRIBE [key] ─▶ {"stream": key, "data": event} …   PUT listenKey each half hour
```

So no URL holds a secret; that of a frame stays in here. The key is never deleted: whoever else listens to the account
has the same one. A key that has expired leaves its connection open and silent, which `listenKeyExpired` tells, or a
renewal that is refused, or one that names another key.

Sources: "User Data Streams" of USDⓈ-M, COIN-M and Portfolio Margin, read 2026-11-29 in the official clients 18.1, 14.1
and 16.1. That a subscription is acknowledged as one to market data is, is taken from them.
That a POST names a key whose PUT does not (Portfolio Margin) is documented: the same key is answered and prolonged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from worker.venues.binance.endpoints import spoken
from worker.venues.binance.streams.events import KEY_EXPIRED, SymbolOf, heard_of
from worker.venues.client.transport import Calls
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import object_in
from worker.venues.port.errors import Ambiguous, Refused
from worker.venues.port.streams import (
    FeedRules,
    Heard,
    NotUnderstood,
    Refusal,
)

RULES = FeedRules(
    ping=None,
    ping_s=30,
    silent_s=390,
    dials=240,
    dials_in_s=300,
    renew_s=30 * 60,
    longest_s=23 * 3_600,
)
"""The server pings each three minutes and ends a connection after 24 hours; that it answers our pings is what the
official clients count on, and nobody documents. A key lives for an hour. Of the 300 connections that an address may
open in five minutes a fifth is left to others.
"""

SUBSCRIPTION = 1
"""The id of the one request that is sent over a connection."""

OF_ANSWERS = frozenset({"id", "result", "error", "code"})
"""Fields of what answers a request."""


class KeyRequests(NamedTuple):
    """The requests for a key, by ccxt's names for them."""

    start: str
    keep: str


KEYS: Mapping[str, KeyRequests] = MappingProxyType(
    {
        "um": KeyRequests("fapiPrivatePostListenKey", "fapiPrivatePutListenKey"),
        "cm": KeyRequests("dapiPrivatePostListenKey", "dapiPrivatePutListenKey"),
        "pm": KeyRequests("papiPostListenKey", "papiPutListenKey"),
    }
)
"""By feed: USDⓈ-M and COIN-M of a standard account, and a Portfolio Margin account."""


@dataclass(frozen=True, slots=True)
class BinanceFeed:
    """The private stream of a product, of one account."""

    name: str
    address: str
    transport: Calls = field(repr=False)
    symbol_of: SymbolOf = field(repr=False)
    rules: FeedRules = RULES

    async def converse(self) -> "BinanceConversation":
        """Ask for the key: the one that is valid, or a new one. Raises VenueError."""
        return BinanceConversation(self, await self.start())

    async def start(self) -> str:
        """The key that is valid now, prolonged. Raises VenueError."""
        if key := await self._named_by(KEYS[self.name].start):
            return key
        raise Ambiguous(f"the answer to {spoken(KEYS[self.name].start)} names no key")

    async def keep(self) -> str:
        """Prolong the key, and say which it is. Raises VenueError, a Refused one where there is none any more."""
        return await self._named_by(KEYS[self.name].keep) or await self.start()

    async def _named_by(self, asked: str) -> str | None:
        """The key in an answer; None where it names none. Of one that is amiss nothing is told: it may be a key."""
        answer = await self.transport.call(asked)
        if not isinstance(answer, dict):
            raise Ambiguous(f"the answer to {spoken(asked)} is no object")
        key = answer.get("listenKey")
        return key if isinstance(key, str) else None


@dataclass(slots=True)
class BinanceConversation:
    """One connection, for as long as its key lives."""

    feed: BinanceFeed = field(repr=False)
    key: str = field(repr=False)
    waiting_for: frozenset[str] = frozenset({"subscription"})

    @property
    def url(self) -> str:
        """Where to connect; the key is not in it."""
        return self.feed.address

    @property
    def opening(self) -> tuple[str, ...]:
        """The subscription."""
        return (json.dumps({"method": "SUBSCRIBE", "params": [self.key], "id": SUBSCRIPTION}),)

    async def renew(self) -> None:
        """Prolong the key. Raises VenueError: Refused where it has expired, or another has taken its place."""
        if await self.feed.keep() != self.key:
            raise Refused("another listen key has taken the place of the one that is listened with")

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a frame means."""
        content = object_in(frame)
        if isinstance(content, NotUnderstood):
            return (content,)
        is_event = "stream" in content or "e" in content
        return self._event(content, frame) if is_event or not content.keys() & OF_ANSWERS else self._answered(content)

    def _answered(self, answer: Row) -> Sequence[Heard]:
        """The acknowledgement. Of a refusal only the code is told, for its text may repeat what was sent."""
        refused = answer.get("error", answer)
        if "error" in answer or "code" in answer:
            code = refused.get("code") if isinstance(refused, dict) else None
            told = f" ({code})" if isinstance(code, int) else ""
            return (Refusal(f"Binance refuses the subscription{told}"),)
        if answer.get("id") == SUBSCRIPTION and answer.get("result", 0) is None:
            self.waiting_for = frozenset()
            return ()
        return (NotUnderstood("an answer to nothing that was asked"),)

    def _event(self, content: Row, frame: str) -> Sequence[Heard]:
        if "stream" in content and content["stream"] != self.key:
            return (NotUnderstood("an event of another stream"),)
        event = content.get("data", content.get("event", content))
        if not isinstance(event, dict):
            return (NotUnderstood("an event that is no object"),)
        if event.get("e") != KEY_EXPIRED and frame.count(self.key) > ("stream" in content):
            return (NotUnderstood("an event that repeats the listen key"),)  # what is heard may be told to anybody
        return heard_of(self.feed, event)
