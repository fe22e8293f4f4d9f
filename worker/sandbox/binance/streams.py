"""Private streams of Binance: which path opens what, what a connection is sent, and how it ends.

```
/private/ws?listenKey=K  /private/ws/K  /pm/ws/K  /ws/K      events as they are
/private/stream[?listenKey=K&listenKey=…]  /pm/stream  /stream   {"stream": K, "data": event}, and SUBSCRIBE with keys
/market/…  /public/…                                         accepted; nothing is told here
```

A key that is not known is let in and hears nothing. Where a key expires, `listenKeyExpired` is the last that is heard.

A fault may `order` by name:

expire_key    the key is no longer valid from now on; with {"silently": true} nobody is told
no_pings      the server pings no more
cut           the connection is as old as it may become
event         `content` is pushed, as any event of the account
margin_call   MARGIN_CALL of the positions that are held
liquidation   ORDER_TRADE_UPDATE of an order that liquidates {"symbol": …}; `auto_deleveraging` likewise
shutdown      serverShutdown, as before maintenance

With {"product": "um"}, "cm" or "pm" it is for connections of that product only.

Sources: "User Data Streams" and "WebSocket Connect" of the three products, read 2026-11-29, the official clients 18.1,
14.1 and 16.1, and reports on the paths since 2026-04-23. That the connection that has become too old is closed with
1001, that a wrong frame is answered with code 2, and that a withdrawn key falls silent without a word are guesses.
"""

import json
import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from schemas.base import Milliseconds
from worker.sandbox.binance import events
from worker.sandbox.binance.account import BinanceAccountState
from worker.sandbox.binance.contracts import BinanceExchangeState
from worker.sandbox.binance.listen_keys import ListenKey, Product
from worker.sandbox.kit.clock import HOUR, MINUTE, SECOND
from worker.sandbox.server.http import Received
from worker.sandbox.server.streams import Link

PING_EVERY, PONG_WITHIN, LONGEST = 3 * MINUTE, 10 * MINUTE, 24 * HOUR
MOST_FRAMES = 10
"""A connection takes so many frames in a second."""

GOING_AWAY, POLICY_VIOLATION = 1001, 1008

_PATH = re.compile(r"(?P<host>/private|/pm|/market|/public)?/(?P<mode>ws|stream)(?:/(?P<key>[^/]+))?")

PRODUCTS: Mapping[str | None, Product | None] = MappingProxyType(
    {"/private": Product.UM, "/pm": Product.PM, None: Product.CM, "/market": None, "/public": None}
)
"""Whose events are told under which first part of a path. COIN-M has a host of its own at the venue, and no part."""


class StreamPath(NamedTuple):
    """What a path opens: keys with the events that are wanted of each, all of them where that is None."""

    product: Product | None
    wrapped: bool
    keys: tuple[tuple[str, frozenset[str] | None], ...]


def opened(path: str, query: str) -> StreamPath | None:
    """What a handshake asks for; None where the venue has no stream."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    keys: list[tuple[str, frozenset[str] | None]] = [] if found["key"] is None else [(found["key"], None)]
    for name, value in parse_qsl(query):
        if name == "listenKey":
            keys.append((value, None))
        elif name == "events" and keys:
            keys[-1] = keys[-1][0], frozenset(value.split("/"))
        elif name == "streams":
            keys += [(key, None) for key in value.split("/")]
    return StreamPath(PRODUCTS[found["host"]], found["mode"] == "stream", tuple(keys))


@dataclass(slots=True)
class Channel:
    """A key that a connection listens with, and which events are wanted, if not all."""

    key: ListenKey
    events: frozenset[str] | None = None
    over: bool = False

    def wants(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is told here."""
        return self.events is None or event["e"] in self.events


class UserStreams:
    """Who listens to which account, and what was told of it last."""

    def __init__(self, exchange: BinanceExchangeState, state_of: Callable[[str], BinanceAccountState]) -> None:
        self.exchange = exchange
        self.state_of = state_of
        self._listening: dict[str, list[BinanceSession]] = {}
        self._told: dict[str, BinanceAccountState] = {}

    def open(self, path: StreamPath, link: Link) -> "BinanceSession":
        """Begin a connection."""
        return BinanceSession(path, link, self)

    def listen(self, account: str, session: "BinanceSession") -> None:
        """Tell a session what changes from now on."""
        listening = self._living(account)
        if not listening:
            self._told[account] = self.state_of(account).copied()
        if session not in listening:
            listening.append(session)
        self._listening[account] = listening

    def push(self, account: str, reason: str | None) -> None:
        """Tell what has changed in an account since it was told last, and the reason where one was given."""
        if account not in self._listening:
            return
        if not (listening := self._living(account)):
            del self._listening[account], self._told[account]
            return
        before, state = self._told[account], self.state_of(account)
        for product, event in events.changes(self.exchange, before, state, reason):
            for session in listening:
                session.tell(account, product, event)
        self._told[account] = state.copied()

    def _living(self, account: str) -> "list[BinanceSession]":
        return [session for session in self._listening.get(account, ()) if not session.link.ended]


class BinanceSession:
    """One connection."""

    def __init__(self, path: StreamPath, link: Link, streams: UserStreams) -> None:
        self.link = link
        self._path = path
        self._streams = streams
        self._channels: list[Channel] = []
        self._opened = self._pinged = self._now()
        self._pings = True
        self._unanswered: tuple[Milliseconds, float] | None = None
        self._due: Milliseconds = 0
        self._frames: deque[Milliseconds] = deque(maxlen=MOST_FRAMES)
        for key, wanted in path.keys:
            self._listen(key, wanted)

    @property
    def account(self) -> str | None:
        """The account of the first key that is known."""
        return self._channels[0].key.account if self._channels else None

    def receive(self, frame: str) -> None:
        """SUBSCRIBE and its like, at most ten frames a second."""
        now = self._now()
        if len(self._frames) == MOST_FRAMES and now - self._frames[0] < SECOND:
            self.link.close(POLICY_VIOLATION, "Too many requests")
            return
        self._frames.append(now)
        try:
            asked = json.loads(frame)
            method, names, number = asked["method"], asked.get("params") or [], asked.get("id")
            answer = self._carry_out(method, [str(name) for name in names])
        except (ValueError, LookupError, TypeError, AttributeError):
            self.link.say({"error": {"code": 2, "msg": "Invalid request"}, "id": None})
        else:
            self.link.acknowledge({"result": answer, "id": number})

    def tick(self, now: Milliseconds) -> None:
        """Pings, keys that expire, and the age of the connection."""
        if now < self._due:
            return
        for channel in self._channels:
            if not channel.over and now >= channel.key.expires:
                self._expire(channel, now)
        if self._unanswered and self.link.heard_at > self._unanswered[1]:
            self._unanswered = None
        if now - self._opened >= LONGEST or (self._unanswered and now - self._unanswered[0] >= PONG_WITHIN):
            self.link.close(GOING_AWAY)
            self._due = now + LONGEST
            return
        if self._pings and now - self._pinged >= PING_EVERY:
            self._ping(now)
        self._due = min(
            self._pinged + PING_EVERY if self._pings else now + MINUTE,
            self._opened + LONGEST,
            *(channel.key.expires for channel in self._channels if not channel.over),
        )

    def order(self, name: str, content: Any) -> bool:
        """What a fault orders, by its name above."""
        about = content if isinstance(content, dict) else {}
        ordered = ORDERS.get(name)
        if ordered is None or about.get("product", self._path.product) != self._path.product:
            return False
        ordered(self, about)
        self._due = 0
        return True

    def tell(self, account: str, product: Product, event: Mapping[str, Any]) -> None:
        """Push an event of an account over each of its keys that are valid."""
        if product is self._path.product:
            for channel in self._channels:
                if channel.key.account == account and channel.key.opens(self._now()) and channel.wants(event):
                    self.link.push(self._framed(channel, event))

    def expire(self, about: Mapping[str, Any]) -> None:
        """The keys expire now."""
        for channel in self._channels:
            channel.key.expires = min(channel.key.expires, self._now())
            channel.over = channel.over or bool(about.get("silently"))

    def tell_no_pings(self, _about: Mapping[str, Any]) -> None:
        """The server pings no more."""
        self._pings = False

    def cut(self, _about: Mapping[str, Any]) -> None:
        """The connection is as old as it may become."""
        self._opened = self._now() - LONGEST

    def shut_down(self, _about: Mapping[str, Any]) -> None:
        """The server says that it goes."""
        self.link.say({"event": {"e": "serverShutdown", "E": self._now()}})

    def tell_event(self, about: Mapping[str, Any]) -> None:
        """An event to order."""
        for channel in self._channels:
            self.link.push(self._framed(channel, {"E": self._now(), **about}))

    def call_margin(self, _about: Mapping[str, Any]) -> None:
        """A margin call of what is held."""
        self._tell_each(lambda state, product: events.margin_call(self._streams.exchange, state, product))

    def close_out(self, client_id: str, about: Mapping[str, Any]) -> None:
        """The venue's own order that closes a position."""
        symbol = str(about.get("symbol", ""))
        self._tell_each(
            lambda state, product: events.closing_order(self._streams.exchange, state, product, symbol, client_id)
        )

    def _tell_each(self, made: Callable[[BinanceAccountState, Product], Mapping[str, Any]]) -> None:
        for channel in self._channels:
            owner, product = channel.key.account, channel.key.product
            self.tell(owner, product, made(self._streams.state_of(owner), product))

    def _carry_out(self, method: str, names: Sequence[str]) -> Any:
        match method:
            case "SUBSCRIBE":
                for name in names:
                    self._listen(name, None)
            case "UNSUBSCRIBE":
                self._channels = [channel for channel in self._channels if channel.key.key not in names]
            case "LIST_SUBSCRIPTIONS":
                return [channel.key.key for channel in self._channels]
            case _:
                raise ValueError(method)
        return None

    def _listen(self, key: str, wanted: frozenset[str] | None) -> None:
        """Unknown keys, and those of another product, are taken without a word."""
        product = self._path.product
        issued = None if product is None else self._streams.exchange.listen_keys.find(key, product)
        if issued is None or not issued.opens(self._now()):
            return
        if all(channel.key is not issued for channel in self._channels):
            self._channels.append(Channel(issued, wanted))
            self._due = 0
        self._streams.listen(issued.account, self)

    def _expire(self, channel: Channel, now: Milliseconds) -> None:
        channel.over = True
        if not channel.key.withdrawn:
            told = {} if channel.key.product is Product.PM else {"listenKey": channel.key.key}
            self.link.push(self._framed(channel, {"e": "listenKeyExpired", "E": now, **told}))

    def _framed(self, channel: Channel, event: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"stream": channel.key.key, "data": event} if self._path.wrapped else event

    def _ping(self, now: Milliseconds) -> None:
        self.link.ping(str(now).encode())
        self._pinged = now
        self._unanswered = self._unanswered or (now, self.link.heard_at)

    def _now(self) -> Milliseconds:
        return self._streams.exchange.clock.now()


ORDERS: Mapping[str, Callable[[BinanceSession, Mapping[str, Any]], None]] = MappingProxyType(
    {
        "expire_key": BinanceSession.expire,
        "no_pings": BinanceSession.tell_no_pings,
        "cut": BinanceSession.cut,
        "event": BinanceSession.tell_event,
        "margin_call": BinanceSession.call_margin,
        "liquidation": lambda session, about: session.close_out("autoclose-1", about),
        "auto_deleveraging": lambda session, about: session.close_out("adl_autoclose", about),
        "shutdown": BinanceSession.shut_down,
    }
)
"""What may be ordered."""


def handshake(streams: UserStreams, received: Received, link: Link) -> BinanceSession | None:
    """Begin a connection; None where there is no such path."""
    path = opened(received.path, received.query)
    return None if path is None else streams.open(path, link)
