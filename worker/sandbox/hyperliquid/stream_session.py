"""A client's connection to Hyperliquid's streams: subscriptions to addresses, and what is pushed by them.

Source: documentation, "WebSocket", "Subscriptions", "Timeouts and heartbeats" and "Rate limits and user limits"; read
2026-11-29. The texts of errors are those that users report. What a fault of the kind `order` can name here:

user_limit    the subscriptions of the connection end, with the error that ten users are tracked already
cadence       the states of the clearinghouse, and the data of coins, come each `each_ms`, in place of 5 s
idle_cut      the connection is cut when nothing was sent to it for `after_ms`, in place of 60 s
error         an error with the text `data`
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid import reports, stream_rows
from worker.sandbox.hyperliquid.account import HyperliquidAccountState
from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Unreadable
from worker.sandbox.hyperliquid.stream_rows import SeenAddress
from worker.sandbox.hyperliquid.world import World
from worker.sandbox.server.streams import Link

PATH = "/ws"

IDLE_S = 60.0
"""A connection that nothing was sent to for so long is cut, without a word as others have measured."""

CADENCE_S = 5.0
"""How often the states of the clearinghouse come without a change: measured by others, in no document. That the data of
coins, in which there are prices, come as often is a guess.
"""

TOO_MANY_USERS = "Cannot track more than 10 total users."

FILLS, FUNDINGS, LEDGER = "userFills", "userFundings", "userNonFundingLedgerUpdates"
EVENTS, ORDERS = "userEvents", "orderUpdates"
STATE, ALL_STATES, ASSET = "clearinghouseState", "allDexsClearinghouseState", "activeAssetData"
STATES = (STATE, ALL_STATES)

CHANNELS = {EVENTS: "user"}
"""Where the channel of what is pushed has another name than the subscription."""

PARTS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys((FILLS, FUNDINGS, LEDGER, EVENTS, ORDERS, ALL_STATES), ()),
    STATE: ("dex",),
    ASSET: ("coin",),
}
"""What a subscription may name beside its user."""


class HyperliquidStreamVenue(Protocol):
    """What a session needs of the venue."""

    def has_room_for(self, user: str, address: str) -> bool:
        """Whether one more user can be tracked for an IP address."""

    def account_at(self, user: str) -> str | None:
        """The id of the account that an address is the owner of."""


@dataclass(slots=True)
class UserSubscription:
    """One subscription: of which kind, to whom, and to which part of it."""

    kind: str
    user: str
    part: str
    echo: Mapping[str, Any]
    due: float = 0.0


@dataclass(slots=True)
class HyperliquidStreamSession:
    """A client's connection as Hyperliquid sees it. Nobody logs in: whoever names an address hears of it."""

    venue: HyperliquidStreamVenue
    world: World
    link: Link
    address: str
    subscriptions: dict[tuple[str, str, str], UserSubscription] = field(default_factory=dict)
    idle_s: float = IDLE_S
    cadence_s: float = CADENCE_S
    _seen: dict[str, SeenAddress] = field(default_factory=dict)

    @property
    def account(self) -> str | None:
        """The account that the first subscription is about."""
        first = next(iter(self.subscriptions.values()), None)
        return None if first is None else self.venue.account_at(first.user)

    @property
    def users(self) -> set[str]:
        """The addresses that are tracked for it."""
        return {subscription.user for subscription in self.subscriptions.values()}

    def receive(self, frame: str) -> None:
        """A text frame: a ping, or the beginning or end of a subscription."""
        try:
            request = Body(json.loads(frame))
            self._carry_out(request)
        except (ValueError, Unreadable):
            self._error(f"Error parsing JSON into valid websocket request: {frame}")

    def tick(self, _now: Milliseconds) -> None:
        """Cut what is idle, and push the states that are due."""
        now = time.monotonic()
        if now - self.link.said_at > self.idle_s:
            self.link.cut()
        for subscription in tuple(self.subscriptions.values()):
            if subscription.due <= now:
                self._push_regularly(subscription)

    def order(self, name: str, content: Any) -> bool:
        """Misbehave as the venue can."""
        told = content if isinstance(content, dict) else {}
        match name:
            case "user_limit":
                self.subscriptions.clear()
                self._error(TOO_MANY_USERS)
            case "cadence":
                self.cadence_s = int(told.get("each_ms", CADENCE_S * 1000)) / 1000
                for subscription in self.subscriptions.values():
                    subscription.due = 0.0
            case "idle_cut":
                self.idle_s = int(told.get("after_ms", IDLE_S * 1000)) / 1000
            case "error":
                self._error(str(told.get("data", "")))
            case _:
                return False
        return True

    def push(self) -> None:
        """Tell what has changed in each address since this was called last."""
        for user, before in tuple(self._seen.items()):
            state = self.world.state_of(user)
            now = self._seen[user] = SeenAddress.of(state)
            self._push_past(state, now, before)
            if now.differs(before):
                self._push_changed(user, now, before)

    def _push_past(self, state: HyperliquidAccountState, now: SeenAddress, before: SeenAddress) -> None:
        fills, payments = now.filled_since(before), now.paid_since(before)
        ledger = stream_rows.ledger_rows(state, fills, now.moved_since(before), self.world.clock.now())
        self._tell(FILLS, state, fills and {"fills": stream_rows.fill_rows(state, fills)})
        self._tell(FUNDINGS, state, payments and {"fundings": stream_rows.funding_rows(payments)})
        self._tell(LEDGER, state, ledger and {"nonFundingLedgerUpdates": ledger})
        if (EVENTS, state.address, "") in self.subscriptions:
            for event in stream_rows.events(state, fills, payments):
                self.link.push({"channel": CHANNELS[EVENTS], "data": event})

    def _tell(self, kind: str, state: HyperliquidAccountState, rows: Any) -> None:
        if rows and (kind, state.address, "") in self.subscriptions:
            self.link.push({"channel": kind, "data": {"user": state.address, **rows}})

    def _push_changed(self, user: str, now: SeenAddress, before: SeenAddress) -> None:
        for subscription in tuple(self.subscriptions.values()):
            if subscription.user != user:
                continue
            if subscription.kind in STATES:
                self._push_state(subscription)
            if subscription.kind == ASSET and _of_coin(now, subscription.part) != _of_coin(before, subscription.part):
                self._push_asset(subscription)

    def _carry_out(self, request: Body) -> None:
        match request.text("method"):
            case "ping":
                self.link.say({"channel": "pong"})
            case "subscribe":
                self._subscribe(_read(request))
            case "unsubscribe":
                self._unsubscribe(_read(request))
            case _:
                raise Unreadable

    def _subscribe(self, wanted: UserSubscription) -> None:
        key = (wanted.kind, wanted.user, wanted.part)
        if key in self.subscriptions:
            self._error(f"Already subscribed: {json.dumps(wanted.echo)}")
        elif wanted.kind == ASSET and wanted.part not in self.world.listing.perps:
            self._error(f"Invalid subscription {json.dumps(wanted.echo)}")
        elif not self.venue.has_room_for(wanted.user, self.address):
            self._error(TOO_MANY_USERS)
        else:
            self.subscriptions[key] = wanted
            self._seen.setdefault(wanted.user, SeenAddress.of(self.world.state_of(wanted.user)))
            self.link.acknowledge(_echo("subscribe", wanted))
            self._push_first(wanted)

    def _unsubscribe(self, wanted: UserSubscription) -> None:
        if self.subscriptions.pop((wanted.kind, wanted.user, wanted.part), None) is None:
            self._error(f"Already unsubscribed: {json.dumps(wanted.echo)}")
            return
        if wanted.user not in self.users:
            self._seen.pop(wanted.user, None)
        self.link.acknowledge(_echo("unsubscribe", wanted))

    def _push_first(self, wanted: UserSubscription) -> None:
        state = self.world.state_of(wanted.user)
        match wanted.kind:
            case "userFills":
                self._snapshot(wanted, "fills", stream_rows.snapshot_of_fills(state))
            case "userFundings":
                self._snapshot(wanted, "fundings", stream_rows.snapshot_of_funding(state))
            case "userNonFundingLedgerUpdates":
                self._snapshot(wanted, "nonFundingLedgerUpdates", [])
            case "activeAssetData":
                self._push_asset(wanted)
            case kind if kind in STATES:
                self._push_state(wanted)

    def _push_regularly(self, subscription: UserSubscription) -> None:
        if subscription.kind in STATES:
            self._push_state(subscription)
        elif subscription.kind == ASSET:
            self._push_asset(subscription)

    def _snapshot(self, wanted: UserSubscription, name: str, rows: list[dict[str, Any]]) -> None:
        self.link.push({"channel": wanted.kind, "data": {"isSnapshot": True, "user": wanted.user, name: rows}})

    def _push_state(self, subscription: UserSubscription) -> None:
        subscription.due = time.monotonic() + self.cadence_s
        state, now = self.world.state_of(subscription.user), self.world.clock.now()
        if subscription.kind == ALL_STATES:
            self.link.push({"channel": ALL_STATES, "data": stream_rows.all_states(state, self.world.listing, now)})
        elif dex := self.world.listing.named(subscription.part):
            told = reports.clearinghouse_state(state, dex, now)
            data = {"dex": dex.name, "user": state.address, STATE: told}
            self.link.push({"channel": STATE, "data": data})

    def _push_asset(self, subscription: UserSubscription) -> None:
        subscription.due = time.monotonic() + self.cadence_s
        perp = self.world.listing.perps[subscription.part]
        told = reports.active_asset_data(self.world.state_of(subscription.user), perp)
        self.link.push({"channel": ASSET, "data": told})

    def _error(self, text: str) -> None:
        self.link.say({"channel": "error", "data": text})


def _read(request: Body) -> UserSubscription:
    """A subscription. Raises Unreadable for a kind that is not served, and for what is no address."""
    asked = request.part("subscription")
    kind = asked.text("type")
    if kind not in PARTS:
        raise Unreadable
    part = "".join(str(asked.fields.get(name) or "") for name in PARTS[kind])
    return UserSubscription(kind, asked.address("user"), part, asked.fields)


def _echo(method: str, wanted: UserSubscription) -> dict[str, Any]:
    told = {**wanted.echo, "user": wanted.user}
    return {"channel": "subscriptionResponse", "data": {"method": method, "subscription": told}}


def _of_coin(seen: SeenAddress, coin: str) -> Any:
    return seen.terms.get(coin), seen.held.get(coin), seen.balances
