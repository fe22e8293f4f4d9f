"""Bybit's private stream: login, subscriptions, pings, and what is pushed over it.

GET /v5/private with Upgrade ─▶ BybitSession ─ auth, subscribe, ping ─▶ acknowledgements
POST or change carried out ─▶ BybitStreams.push ─▶ every session of the account that has subscribed to the topic

Source: V5 "Connect" and "Websocket Stream", read on 2026-11-29, and the answers that pybit 5.17 and ccxt 4.5.90 know.
What a refusal says is a guess but for the first three of `SAID`. So is that a topic of one category is pushed under the
name it was subscribed by, and that frames are handled in their order. Orders to misbehave (`order` faults):

no_change_push  positions are pushed as they are, as after an order that changes none: those of the symbols in
                `content`, or all that are open
"""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.sandbox.bybit.account import BybitAccountState
from worker.sandbox.bybit.auth import signature_of
from worker.sandbox.bybit.contracts import INVERSE, LINEAR, BybitExchangeState
from worker.sandbox.bybit.limits import DialMeter
from worker.sandbox.bybit.pushes import (
    EXECUTION,
    POSITION,
    WALLET,
    BybitTold,
    changes,
    position_rows,
    told_of,
)
from worker.sandbox.kit.clock import MINUTE, SECOND
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.streams import Link

PATH = "/v5/private"

IDLE: Milliseconds = 10 * MINUTE
"""After so long without a ping and without anything to push a connection is cut, unless the client asked for less."""

_ACTIVE = re.compile(r"(?P<number>\d{1,3})(?P<unit>[sm])$")
SHORTEST, LONGEST = 30 * SECOND, 600 * SECOND

CATEGORIES = (LINEAR, INVERSE, "option", "spot")
TOPICS = frozenset(
    {POSITION, WALLET, EXECUTION, "order", "greeks"}
    | {f"{topic}.{category}" for topic in (POSITION, EXECUTION, "order") for category in CATEGORIES}
    - {f"{POSITION}.spot"}
)
"""What can be subscribed to."""

SAID: Mapping[str, str] = {
    "invalid_op": "error:invalid op",
    "unknown_topic": "error:handler not found,topic:{}",
    "subscribed": "error:already subscribed,topic:{}",
    "parameters": "Params Error",
    "expired": "Request expired",
    "key": "API key is invalid.",
    "signature": "error sign!",
    "repeated": "Repeat auth",
    "unauthorized": "Request not authorized",
    "mixed": "error:topics with and without a category in one request",
}
"""Why something is refused."""

TOO_MANY_STREAMS = HttpResponse(403, b"access too frequent", "text/plain")
"""What a handshake past the limit of connections gets; that it is this is a guess, after requests past theirs."""


class BybitStreamRefused(SandboxRefusal):
    """Something is refused, with a reason of `SAID`."""

    def __init__(self, reason: str, *arguments: str) -> None:
        super().__init__(SAID[reason].format(*arguments))


@dataclass(frozen=True, slots=True)
class BybitStreamLogin:
    """A login as it was sent."""

    key: str
    expires: Milliseconds
    signature: str

    @classmethod
    def of(cls, args: Any) -> "BybitStreamLogin":
        """The three arguments; the expiry may be a number or a text. Raises BybitStreamRefused."""
        if not isinstance(args, list) or len(args) != 3 or not all(isinstance(arg, str | int) for arg in args):
            raise BybitStreamRefused("parameters")
        key, expires, signature = map(str, args)
        if not expires.isdecimal():
            raise BybitStreamRefused("parameters")
        return cls(key, int(expires), signature)

    def check(self, account: Account | None, now: Milliseconds) -> Account:
        """The account it shows the client to be. Raises BybitStreamRefused."""
        if self.expires <= now:
            raise BybitStreamRefused("expired")
        if account is None:
            raise BybitStreamRefused("key")
        if not secrets.compare_digest(
            signature_of(account.reveal("secret"), f"GET/realtime{self.expires}"), self.signature.lower()
        ):
            raise BybitStreamRefused("signature")
        return account


@dataclass(slots=True)
class BybitStreams:
    """The open sessions, and what they have told of each account."""

    account_with: Callable[[str], Account | None]
    state_of: Callable[[str], BybitAccountState]
    exchange: BybitExchangeState
    dials: DialMeter = field(default_factory=DialMeter)
    sessions: "list[BybitSession]" = field(default_factory=list)
    told: dict[str, BybitTold] = field(default_factory=dict)

    def open(self, received: Received, link: Link) -> "BybitSession | HttpResponse | None":
        """Begin a session; None at any other path."""
        if received.path != PATH:
            return None
        if not self.dials.admits(received.address, self.exchange.clock.now()):
            return TOO_MANY_STREAMS
        session = BybitSession(self, link, active_time(received.query))
        self.sessions.append(session)
        return session

    def listen(self, account_id: str) -> None:
        """Somebody listens from now on to what changes in an account."""
        self.told.setdefault(account_id, told_of(self.state_of(account_id)))

    def push(self, touched: Iterable[str]) -> None:
        """Tell of the accounts that requests or changes have been about."""
        self.sessions = [session for session in self.sessions if not session.link.ended]
        for account_id in touched:
            listening = [session for session in self.sessions if session.account == account_id]
            before, state = self.told.pop(account_id, None), self.state_of(account_id)
            if listening:
                self.told[account_id] = told_of(state)
                for topic, rows in changes(before or told_of(state), state, self.exchange).items():
                    for session in listening:
                        session.tell(topic, rows)


def active_time(query: str) -> Milliseconds:
    """How long a connection may be idle, by `max_active_time`: 30s to 600s, or 1m to 10m.

    >>> active_time("max_active_time=1m"), active_time("max_active_time=5s"), active_time("")
    (60000, 30000, 600000)
    """
    told = _ACTIVE.match(parse_qs(query).get("max_active_time", [""])[0])
    if told is None:
        return IDLE
    return min(max(int(told["number"]) * (MINUTE if told["unit"] == "m" else SECOND), SHORTEST), LONGEST)


class BybitSession:
    """One connection to the private stream."""

    def __init__(self, streams: BybitStreams, link: Link, idle_ms: Milliseconds) -> None:
        self.link = link
        self.account: str | None = None
        self.topics: dict[str, None] = {}
        self._streams = streams
        self._idle_ms = idle_ms
        self._id = secrets.token_hex(10)
        self._active = streams.exchange.clock.now()

    def receive(self, frame: str) -> None:
        """A login, a subscription, its end, or a ping."""
        message = _object(frame)
        op, args, req_id = message.get("op"), message.get("args"), message.get("req_id") or ""
        try:
            match op:
                case "auth":
                    self._log_in(args)
                case "subscribe":
                    self._subscribe(args)
                case "unsubscribe":
                    self._unsubscribe(args)
                case "ping":
                    self._pong(req_id)
                    return
                case _:
                    raise BybitStreamRefused("invalid_op")
        except BybitStreamRefused as refused:
            self._answer(op, req_id, str(refused))
        else:
            self._answer(op, req_id)

    def tick(self, now: Milliseconds) -> None:
        """Cut the connection once it has been idle for too long. How Bybit ends it is a guess."""
        if now - self._active > self._idle_ms:
            self.link.cut()

    def order(self, name: str, content: Any) -> bool:
        """Push what has not changed."""
        if name != "no_change_push" or self.account is None:
            return False
        state, exchange = self._streams.state_of(self.account), self._streams.exchange
        wanted = content if isinstance(content, list) else {symbol for symbol, _ in state.positions}
        listed = [exchange.contracts[symbol] for symbol in wanted if symbol in exchange.contracts]
        keys = [(contract.symbol, index) for contract in listed for index in state.indexes(contract)]
        if rows := list(position_rows(state, exchange, keys)):
            self.tell(POSITION, rows)
        return True

    def tell(self, topic: str, rows: list[Any]) -> None:
        """Push rows to who has subscribed to their topic, or to that of their category."""
        now = self._streams.exchange.clock.now()
        for subscribed in self.topics:
            name, _, category = subscribed.partition(".")
            chosen = [row for row in rows if category in ("", row.get("category"))]
            if name == topic and chosen:
                self._active = now
                self.link.push({"id": secrets.token_hex(12), "topic": subscribed, "creationTime": now, "data": chosen})

    def _log_in(self, args: Any) -> None:
        login = BybitStreamLogin.of(args)
        if self.account is not None:
            raise BybitStreamRefused("repeated")
        account = login.check(self._streams.account_with(login.key), self._streams.exchange.clock.now())
        self.account = account.id
        self._streams.listen(account.id)

    def _subscribe(self, args: Any) -> None:
        topics = _topics(args)
        if self.account is None:
            raise BybitStreamRefused("unauthorized")
        for topic in topics:
            if topic not in TOPICS:
                raise BybitStreamRefused("unknown_topic", topic)
            if topic in self.topics:
                raise BybitStreamRefused("subscribed", topic)
            if any(other != topic and other.partition(".")[0] == topic for other in topics):
                raise BybitStreamRefused("mixed")
        self.topics |= dict.fromkeys(topics)

    def _unsubscribe(self, args: Any) -> None:
        for topic in _topics(args):
            self.topics.pop(topic, None)

    def _pong(self, req_id: str) -> None:
        self._active = self._streams.exchange.clock.now()
        self.link.say({"req_id": req_id, "op": "pong", "args": [str(self._active)], "conn_id": self._id})

    def _answer(self, op: Any, req_id: str, refused: str = "") -> None:
        answer = {"success": not refused, "ret_msg": refused, "conn_id": self._id}
        match op:
            case "auth":
                self.link.acknowledge(answer | {"op": op})
            case "subscribe" | "unsubscribe":
                self.link.acknowledge(answer | {"req_id": req_id, "op": op})
            case _:
                self.link.say(answer | {"request": {"op": "", "args": None}})


def _object(frame: str) -> dict[str, Any]:
    try:
        message = json.loads(frame)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _topics(args: Any) -> list[str]:
    if not isinstance(args, list) or not args or not all(isinstance(topic, str) for topic in args):
        raise BybitStreamRefused("parameters")
    return args
