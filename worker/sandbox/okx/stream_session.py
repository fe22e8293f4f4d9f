"""A client's connection to OKX's private streams: login, subscriptions, and what is pushed by them.

What a fault of the kind `order` can name here, with its content:
notice                a restart is announced (64008); the connection ends when `close` is ordered
conn_count_error      the subscription to `channel` is dead: too many connections listen to it
key_gone              the key was changed or deleted: close code 4007
idle_cut              the connection is cut after `after_ms` without a frame, in place of 30 s
page                  a snapshot of positions has at most `rows` of them in a message
regular               what is pushed regularly comes now, unless it is subscribed with updateInterval 0
liquidation_warning   all open positions, or those of `instId`, are warned of
flat_leverage         a leverage set where nothing is open is told from now on: no document says whether it is
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.sandbox.okx import stream_channels as channels
from worker.sandbox.okx import stream_words as words
from worker.sandbox.okx.account import OkxAccountState, OkxOpenPosition
from worker.sandbox.okx.stream_auth import check_login, credentials
from worker.sandbox.okx.stream_changes import SET_LEVERAGE, Changes, Seen
from worker.sandbox.okx.stream_words import OkxStreamRefused
from worker.sandbox.server.streams import Link

PATH = "/ws/v5/private"

IDLE_S = 30.0
"""A connection over which nothing was sent for so long is cut. Protocol pings count: python-okx sends no others."""

MOST_CONNECTIONS = 30
"""So many connections of an account may listen to a channel."""

MOST_REQUESTS = 480
"""Logins, subscriptions and ends of them over one connection in an hour."""

PAGE = 100
"""Positions in one message of a snapshot: a guess, for the documents only say that there may be several."""

INTERVALS_MS: Mapping[str, int | None] = {"": 5_000, "0": None, "2000": 2_000, "3000": 3_000, "4000": 4_000}
"""How often a channel pushes regularly, by `updateInterval`; about 5 s without it."""


class OkxStreamVenue(Protocol):
    """What a session needs of the venue."""

    def holder(self, key: str) -> Account | None:
        """Whose key it is."""

    def state(self, account_id: str) -> OkxAccountState:
        """What REST shows of an account."""

    def listening(self, state: OkxAccountState, channel: str) -> int:
        """How many connections of an account listen to a channel."""


@dataclass(slots=True)
class Subscription:
    """One argument of a subscription, and when it pushes regularly next."""

    arg: Mapping[str, Any]
    interval: Milliseconds | None
    due: float = 0.0

    @property
    def channel(self) -> str:
        """Its channel."""
        return str(self.arg["channel"])

    def takes(self, position: OkxOpenPosition) -> bool:
        """Whether a position is of the type that was asked for."""
        return self.arg.get("instType", "ANY") in ("ANY", position.instrument.type)


@dataclass(slots=True)
class OkxStreamSession:
    """A client's connection as OKX sees it."""

    venue: OkxStreamVenue
    link: Link
    identity: str
    now: Callable[[], Milliseconds]
    subscriptions: dict[str, Subscription] = field(default_factory=dict)
    idle_s: float = IDLE_S
    page: int = PAGE
    _owner: Account | None = None
    _seen: Seen | None = None
    _requests: int = 0
    _tells_flat_leverage: bool = False

    @property
    def account(self) -> str | None:
        """The account whose key has logged in."""
        return None if self._owner is None else self._owner.id

    @property
    def state(self) -> OkxAccountState | None:
        """What there is of that account now."""
        return None if self._owner is None else self.venue.state(self._owner.id)

    def receive(self, frame: str) -> None:
        """A text frame: a ping, or a request in JSON."""
        if frame == "ping":
            self.link.say("pong")
            return
        try:
            self._carry_out(_request(frame))
        except OkxStreamRefused as refused:
            self.link.say(words.error(refused, self.identity))
            if refused.code in words.REFUSED_LOGINS:
                self._close(words.LOGIN_FAILED)

    def tick(self, _now: Milliseconds) -> None:
        """Cut what is idle, and push what is due regularly."""
        now = time.monotonic()
        if now - max(self.link.heard_at, self.link.said_at) > self.idle_s:
            self._close(words.NO_DATA)
        for subscription in tuple(self.subscriptions.values()):
            if subscription.interval is not None and subscription.due <= now:
                self._push_all(subscription)

    def order(self, name: str, content: Any) -> bool:
        """Misbehave as the venue can."""
        if (ordered := _ORDERS.get(name)) is None:
            return False
        ordered(self, content if isinstance(content, dict) else {})
        return True

    def push(self) -> None:
        """Tell what has changed since this was called last."""
        state = self.state
        if state is None or self._seen is None:
            return
        before, self._seen = self._seen, Seen.of(state)
        if self._seen == before:
            return
        changes = Changes.between(before, self._seen, state)
        for event, (currencies, held) in changes.events.items():
            row = channels.balance_and_position(state, event, sorted(currencies), held, self.now())
            self._tell(channels.BALANCE_AND_POSITION, [row])
        if changes.flat_leverage and self._tells_flat_leverage:
            row = channels.balance_and_position(state, SET_LEVERAGE, (), (), self.now())
            self._tell(channels.BALANCE_AND_POSITION, [row])
        self._tell_positions(state, changes.positions + changes.ordered)
        if changes.account:
            self._tell(channels.ACCOUNT, [channels.account_row(state, self.now())])

    def _tell_positions(self, state: OkxAccountState, held: Iterable[OkxOpenPosition]) -> None:
        subscription = self.subscriptions.get(channels.POSITIONS)
        if subscription and (wanted := [position for position in held if subscription.takes(position)]):
            rows = channels.position_rows(state, wanted, self.now())
            self._tell(channels.POSITIONS, rows, eventType="event_update")

    def _tell(self, channel: str, rows: list[dict[str, Any]], **beside: Any) -> None:
        if subscription := self.subscriptions.get(channel):
            self.link.push(self._told(subscription, rows) | beside)

    def _told(self, subscription: Subscription, rows: list[dict[str, Any]]) -> dict[str, Any]:
        state = self.state
        return {"arg": {**subscription.arg, "uid": "" if state is None else state.uid}, "data": rows}

    def _carry_out(self, request: Mapping[str, Any]) -> None:
        carried_out = _OPERATIONS.get(str(request.get("op")))
        if carried_out is None:
            raise OkxStreamRefused("60019", request.get("op"))
        self._requests += 1
        if self._requests > MOST_REQUESTS:
            raise OkxStreamRefused("60014")
        carried_out(self, request)

    def _log_in(self, request: Mapping[str, Any]) -> None:
        if self._owner is not None:
            raise OkxStreamRefused("60031")
        shown = credentials(request.get("args"))
        owner = self.venue.holder(str(shown["apiKey"]))
        if owner is None:
            raise OkxStreamRefused("60032")
        check_login(shown, owner, self.now())
        self._owner = owner
        self.link.acknowledge(words.logged_in(self.identity))

    def _subscribe(self, request: Mapping[str, Any]) -> None:
        if self._owner is None:
            raise OkxStreamRefused("60011")
        for arg in _args(request):
            self._begin(arg, _identity(request))

    def _begin(self, arg: Mapping[str, Any], identity: str | None) -> None:
        subscription, state = _subscription(arg), self.venue.state(self.account or "")
        self._seen = self._seen or Seen.of(state)
        self.link.acknowledge(words.about("subscribe", arg, self.identity, identity))
        count = self.venue.listening(state, subscription.channel)
        if count >= MOST_CONNECTIONS:
            self._refuse(subscription.channel, count)
            return
        self.subscriptions[subscription.channel] = subscription
        self.link.say(words.connections("channel-conn-count", subscription.channel, count + 1, self.identity))
        self._push_all(subscription)

    def _refuse(self, channel: str, count: int) -> None:
        self.link.say(words.connections("channel-conn-count-error", channel, count, self.identity))

    def _unsubscribe(self, request: Mapping[str, Any]) -> None:
        for arg in _args(request):
            self.subscriptions.pop(str(arg.get("channel")), None)
            self.link.acknowledge(words.about("unsubscribe", arg, self.identity, _identity(request)))

    def _push_all(self, subscription: Subscription) -> None:
        """The first push after a subscription, and a regular one: all that there is.

        That a snapshot comes even where nothing is open, with no rows, is a guess.
        """
        subscription.due = time.monotonic() + (subscription.interval or 0) / 1000
        if (state := self.state) is None:
            return
        match subscription.channel:
            case channels.POSITIONS:
                self._push_pages(subscription, state)
            case channels.ACCOUNT:
                row = channels.account_row(state, self.now())
                self.link.push(self._told(subscription, [row]) | _page(1, last=True))
            case channels.BALANCE_AND_POSITION:
                row = channels.balance_and_position(state, "snapshot", state.balances, state.open(), self.now())
                self.link.push(self._told(subscription, [row]))

    def _push_pages(self, subscription: Subscription, state: OkxAccountState) -> None:
        held = [position for position in state.open() if subscription.takes(position)]
        rows = channels.position_rows(state, held, self.now())
        for begin in range(0, max(len(rows), 1), self.page):
            last = begin + self.page >= len(rows)
            page = _page(begin // self.page + 1, last=last)
            self.link.push(self._told(subscription, rows[begin : begin + self.page]) | page)

    def _close(self, code: int) -> None:
        self.link.close(code, words.CLOSES[code])

    def _warn(self, content: Mapping[str, Any]) -> None:
        state, named = self.state, content.get("instId")
        subscription = self.subscriptions.get(channels.LIQUIDATION_WARNING)
        if state is not None and subscription is not None:
            held = [held for held in state.open() if subscription.takes(held) and named in (None, held.instrument.id)]
            self.link.push(self._told(subscription, channels.warnings(state, held, self.now())))

    def _push_regularly(self, _content: Mapping[str, Any]) -> None:
        for subscription in self.subscriptions.values():
            if subscription.interval is not None:
                self._push_all(subscription)

    def _kill(self, content: Mapping[str, Any]) -> None:
        channel = str(content.get("channel", channels.BALANCE_AND_POSITION))
        self.subscriptions.pop(channel, None)
        self._refuse(channel, MOST_CONNECTIONS)

    def _announce_restart(self, _content: Mapping[str, Any]) -> None:
        self.link.say(words.notice(self.identity))

    def _lose_key(self, _content: Mapping[str, Any]) -> None:
        self._close(words.KEY_GONE)

    def _cut_when_idle(self, content: Mapping[str, Any]) -> None:
        self.idle_s = int(content.get("after_ms", IDLE_S * 1000)) / 1000

    def _page_by(self, content: Mapping[str, Any]) -> None:
        self.page = max(1, int(content.get("rows", PAGE)))

    def _tell_flat_leverage(self, _content: Mapping[str, Any]) -> None:
        self._tells_flat_leverage = True


_OPERATIONS: Mapping[str, Callable[[OkxStreamSession, Mapping[str, Any]], None]] = {
    "login": OkxStreamSession._log_in,
    "subscribe": OkxStreamSession._subscribe,
    "unsubscribe": OkxStreamSession._unsubscribe,
}

_ORDERS: Mapping[str, Callable[[OkxStreamSession, Mapping[str, Any]], None]] = {
    "notice": OkxStreamSession._announce_restart,
    "conn_count_error": OkxStreamSession._kill,
    "key_gone": OkxStreamSession._lose_key,
    "idle_cut": OkxStreamSession._cut_when_idle,
    "page": OkxStreamSession._page_by,
    "regular": OkxStreamSession._push_regularly,
    "liquidation_warning": OkxStreamSession._warn,
    "flat_leverage": OkxStreamSession._tell_flat_leverage,
}


def _page(number: int, *, last: bool) -> dict[str, Any]:
    return {"eventType": "snapshot", "curPage": number, "lastPage": last}


def _request(frame: str) -> Mapping[str, Any]:
    """A request. The refusal repeats it, as OKX's does."""
    try:
        request = json.loads(frame)
    except ValueError:
        raise OkxStreamRefused("60012", frame) from None
    if not isinstance(request, dict):
        raise OkxStreamRefused("60012", frame)
    return request


def _args(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    args = request.get("args")
    if not isinstance(args, list) or not args or not all(isinstance(arg, dict) for arg in args):
        raise OkxStreamRefused("60013")
    return args


def _identity(request: Mapping[str, Any]) -> str | None:
    return str(request["id"]) if "id" in request else None


def _subscription(arg: Mapping[str, Any]) -> Subscription:
    """An argument of a subscription. `extraParams` is a text with JSON in it; the channels that take it are two."""
    channel = str(arg.get("channel"))
    needs_type = channels.CHANNELS.get(channel)
    if needs_type is None or (needs_type and arg.get("instType") not in channels.TYPES):
        raise OkxStreamRefused("60018", _words(arg))
    if channel not in channels.REGULAR:
        return Subscription(arg, None)
    return Subscription(arg, _interval(arg.get("extraParams")))


def _interval(extra: Any) -> Milliseconds | None:
    if extra is None:
        return INTERVALS_MS[""]
    try:
        wanted = json.loads(extra)["updateInterval"]
        return INTERVALS_MS[wanted]
    except (TypeError, ValueError, LookupError):
        raise OkxStreamRefused("60013") from None


def _words(arg: Mapping[str, Any]) -> str:
    return ",".join(f"{name}:{value}" for name, value in arg.items())
