"""Hyperliquid's stream: one connection for an account, on which its own address is subscribed to.

Source: documentation, "WebSocket", "Subscriptions", "Timeouts and heartbeats", "Rate limits and user limits" (read
2026-11-29). Nobody logs in, for all is public by address; that of the signer, an API wallet, has nothing to tell. Ten
addresses are tracked for an IP address, whatever the number of connections: past that, accounts are polled. Nothing
says whose `userEvents` are, so that each account has a connection of its own.

The leverage of a coin in which nothing is open is told by `activeAssetData` alone, one subscription for each coin.
Coins that something happened to are subscribed to as it happens. They are not waited for: an account is live by what
tells of its positions, and what is not acknowledged is asked for again.
"""

import json
from collections.abc import Iterator, Sequence

from worker.accounts.account import Account
from worker.venues.client.hosts import stream_at
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.hosts import HOSTS
from worker.venues.hyperliquid.streams.coins import ASSET
from worker.venues.hyperliquid.streams.data import (
    EVENTS,
    FILLS,
    FUNDINGS,
    LEDGER,
    STATES,
    HyperliquidStreamData,
    MarketOf,
)
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import object_in
from worker.venues.parsing.markets import UNREADABLE
from worker.venues.port.streams import FeedRules, Heard, NotUnderstood, Refusal, WatchedMarkets, nothing_watched

PATH = "/ws"
SUBSCRIBED = (FUNDINGS, FILLS, LEDGER, EVENTS, STATES)

RULES = FeedRules(ping='{"method":"ping"}', ping_s=30, silent_s=65, dials=30, dials_in_s=60, seats=10, by_market=True)
"""Thirty new connections a minute and ten users from an address; the venue closes what it has sent nothing to for 60 s.

The state of the clearinghouse comes about every 5 s (measured by others, in no document) and pongs every 30 s.
"""

GREETING = "Websocket connection established."
"""What the venue may say first, as its own Python SDK has it."""

REFUSALS: Sequence[tuple[str, Refusal]] = (
    ("Cannot track more than", Refusal("Cannot track more than 10 total users: all seats are taken", lasts=True)),
    ("Invalid subscription", Refusal("Invalid subscription: Hyperliquid does not know one of ours", lasts=True)),
    ("Error parsing JSON", Refusal("Hyperliquid can't read one of our requests", lasts=True)),
)
"""What an error begins with, and what it refuses. No document lists the texts: they are those that users report."""

HARMLESS = ("Already subscribed", "Already unsubscribed")

OF_A_COIN = "Invalid subscription"
"""A coin that the venue does not know ends nothing: the account's own subscriptions go on."""


class HyperliquidFeed:
    """An account's connection."""

    name = "private"
    rules = RULES

    def __init__(
        self,
        account: Account,
        owner: str,
        transport: Calls,
        market_of: MarketOf,
        coins: WatchedMarkets = nothing_watched,
    ) -> None:
        """`coins` are those that commands of ours changed, as the venue names them."""
        self._account = account
        self._owner = owner
        self._transport = transport
        self._market_of = market_of
        self._coins = coins

    async def converse(self) -> "HyperliquidConversation":
        """Begin anew; nothing has to be fetched for it."""
        url = stream_at(HOSTS, self._account.site) + PATH
        data = HyperliquidStreamData(self._owner, self._market_of, self._transport.now)
        return HyperliquidConversation(url, self._owner, data, self._coins)


class HyperliquidConversation:
    """One connection. There are no ids: an acknowledgement repeats the subscription."""

    def __init__(self, url: str, owner: str, data: HyperliquidStreamData, coins: WatchedMarkets) -> None:
        self.url = url
        self._owner = owner
        self._data = data
        self._changed = coins
        self._waiting = set(SUBSCRIBED)

    @property
    def opening(self) -> Sequence[str]:
        """The subscriptions."""
        return tuple(
            json.dumps({"method": "subscribe", "subscription": {"type": kind, "user": self._owner}})
            for kind in SUBSCRIBED
        )

    @property
    def waiting_for(self) -> frozenset[str]:
        """The subscriptions that are not acknowledged yet."""
        return frozenset(self._waiting)

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a frame means."""
        if frame == GREETING:
            return ()
        content = object_in(frame)
        return (content,) if isinstance(content, NotUnderstood) else (*self._heard(content), *self._asked_for())

    async def renew(self) -> None:
        """Nothing: a subscription lasts as long as its connection."""

    def _heard(self, content: Row) -> Sequence[Heard]:
        match content.get("channel"):
            case "pong":
                return ()
            case "subscriptionResponse":
                return self._subscribed(content.get("data"))
            case "error":
                return _refused(content.get("data"))
            case str(channel):
                return self._told(channel, content.get("data"))
        return (NotUnderstood("a frame without a channel"),)

    def _asked_for(self) -> Iterator[Heard]:
        """Subscriptions to coins, once the account's own are acknowledged."""
        if not self._waiting:
            coins = self._data.coins
            coins.note(coin for coin in self._changed() if not coins.knows(coin))
            yield from coins.due()

    def _told(self, channel: str, data: object) -> Sequence[Heard]:
        try:
            return self._data.read(channel, data)
        except UNREADABLE:
            known = channel if channel in (*SUBSCRIBED, "user", ASSET) else "an unknown channel"
            return (NotUnderstood(f"data of {known} that is not as documented"),)

    def _subscribed(self, data: object) -> Sequence[Heard]:
        subscription = data.get("subscription") if isinstance(data, dict) else None
        if not isinstance(data, dict) or not isinstance(subscription, dict):
            return (NotUnderstood("an acknowledgement that is not as documented"),)
        if data.get("method") == "subscribe" and subscription.get("type") == ASSET:
            self._data.coins.acknowledged(str(subscription.get("coin")))
        elif data.get("method") == "subscribe":
            self._waiting.discard(str(subscription.get("type")))
        return ()


def _refused(data: object) -> Sequence[Heard]:
    """An error. Its text may repeat a request, and is never told on."""
    text = data if isinstance(data, str) else ""
    if text.startswith(HARMLESS):
        return ()
    if ASSET in text and text.startswith(OF_A_COIN):
        return (NotUnderstood("a coin whose terms are not told"),)
    known = next((refusal for begins, refusal in REFUSALS if text.startswith(begins)), None)
    return (known or NotUnderstood("an error that no table has"),)
