"""OKX's private stream: one connection for an account, on which it logs in and subscribes to four channels.

Source: "WebSocket" in the overview, and the pages of the channels (2026-07-13). One login is taken on a connection, so
it is one account's. Each argument of a subscription is acknowledged by itself, and data of one may come before the
acknowledgement of the next. Keep-alive is the text `ping`, answered `pong`; after 30 s without a frame OKX cuts.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from typing import Any

from worker.accounts.account import Account
from worker.venues.client.hosts import stream_at
from worker.venues.client.transport import Calls
from worker.venues.okx.hosts import HOSTS
from worker.venues.okx.streams.data import (
    ACCOUNT,
    BALANCE_AND_POSITION,
    LIQUIDATION_WARNING,
    POSITIONS,
    MarketOf,
    StreamData,
)
from worker.venues.okx.streams.words import CLOSES, REFUSALS, RESTARTING, TOO_MANY_CONNECTIONS
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import object_in
from worker.venues.parsing.markets import UNREADABLE
from worker.venues.port.streams import FeedRules, Heard, NotUnderstood, Refusal, Reopen, Say

PATH = "/ws/v5/private"
LOGIN = "login"

EVENTS_ONLY = '{"updateInterval": "0"}'
"""`extraParams` is a text with JSON in it. Without this every few seconds a push would say nothing new."""

CHANNELS: Mapping[str, Mapping[str, str]] = {
    BALANCE_AND_POSITION: {"channel": BALANCE_AND_POSITION},
    POSITIONS: {"channel": POSITIONS, "instType": "ANY", "extraParams": EVENTS_ONLY},
    ACCOUNT: {"channel": ACCOUNT, "extraParams": EVENTS_ONLY},
    LIQUIDATION_WARNING: {"channel": LIQUIDATION_WARNING, "instType": "ANY"},
}
"""What is subscribed to."""

RULES = FeedRules(ping="ping", ping_s=17, silent_s=30, dials=3, dials_in_s=1, closes=CLOSES)
"""Three connections a second from an address ("Connection limit")."""


class OkxFeed:
    """An account's connection."""

    name = "private"
    rules = RULES

    def __init__(self, account: Account, transport: Calls, market_of: MarketOf) -> None:
        self._account = account
        self._transport = transport
        self._market_of = market_of

    async def converse(self) -> "OkxConversation":
        """Begin anew; nothing has to be fetched for it."""
        return OkxConversation(self._account, self._transport, self._market_of)


class OkxConversation:
    """One connection, from the login on."""

    def __init__(self, account: Account, transport: Calls, market_of: MarketOf) -> None:
        self._account = account
        self._transport = transport
        self._data = StreamData(market_of)
        self._waiting = {LOGIN, *CHANNELS}
        self._events = {
            LOGIN: self._logged_in,
            "subscribe": self._subscribed,
            "error": _refused,
            "notice": _noticed,
            TOO_MANY_CONNECTIONS: _dead,
            "channel-conn-count": _nothing,
        }
        self.url = stream_at(HOSTS, account.site) + PATH

    @property
    def opening(self) -> Sequence[str]:
        """The login, signed with the venue's time of now: it is good for 30 s."""
        stamp = str(self._transport.now() // 1000)
        shown = {
            "apiKey": self._account.reveal("api_key"),
            "passphrase": self._account.reveal("passphrase"),
            "timestamp": stamp,
            "sign": signature_of(self._account.reveal("secret"), stamp),
        }
        return (json.dumps({"op": LOGIN, "args": [shown]}),)

    @property
    def waiting_for(self) -> frozenset[str]:
        """The login and the channels that are not acknowledged yet."""
        return frozenset(self._waiting)

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a frame means."""
        if frame == "pong":
            return ()
        content = object_in(frame)
        return (content,) if isinstance(content, NotUnderstood) else self._heard(content)

    async def renew(self) -> None:
        """Nothing: a login lasts as long as its connection."""

    def _heard(self, content: Row) -> Sequence[Heard]:
        if "event" in content:
            read = self._events.get(str(content["event"]))
            return (NotUnderstood("an event that no table has"),) if read is None else read(content)
        channel = _channel(content)
        try:
            return self._data.read(channel, content)
        except UNREADABLE:
            known = channel if channel in CHANNELS else "an unknown channel"
            return (NotUnderstood(f"data of {known} that is not as documented"),)

    def _logged_in(self, content: Row) -> Sequence[Heard]:
        if content.get("code", "0") != "0":
            return _refused(content)
        self._waiting.discard(LOGIN)
        return (Say(json.dumps({"id": "1", "op": "subscribe", "args": list(CHANNELS.values())})),)

    def _subscribed(self, content: Row) -> Sequence[Heard]:
        self._waiting.discard(_channel(content))
        return ()


def signature_of(secret: str, stamp: str) -> str:
    """Base64 of HMAC-SHA256 over the timestamp in seconds, the method and the path of the login."""
    signed = f"{stamp}GET/users/self/verify"
    return base64.b64encode(hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()).decode()


def _channel(content: Row) -> str:
    arg: Any = content.get("arg")
    return str(arg.get("channel")) if isinstance(arg, dict) else ""


def _refused(content: Row) -> Sequence[Heard]:
    code = content.get("code")
    known = isinstance(code, str) and code.isdigit() and len(code) <= 6
    return (REFUSALS.get(str(code)) or Refusal(f"{code if known else 'a code'} that no table has"),)


def _noticed(content: Row) -> Sequence[Heard]:
    if content.get("code") == RESTARTING:
        return (Reopen(f"{RESTARTING}: OKX restarts this server in 30 s", tells=True),)
    return (NotUnderstood("a notice that no table has"),)


def _dead(content: Row) -> Sequence[Heard]:
    channel = str(content.get("channel"))
    named = channel if channel in CHANNELS else "a channel"
    return (Refusal(f"{TOO_MANY_CONNECTIONS}: more than 30 connections listen to {named}", lasts=True),)


def _nothing(_content: Row) -> Sequence[Heard]:
    return ()
