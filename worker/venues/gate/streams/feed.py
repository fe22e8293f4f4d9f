"""Gate's private streams, one for each part of an account: what is said at their opening, and what their frames mean.

subscribe, each signed ─▶ acknowledged ─▶ positions (evidence) · balances · position_closes
                                          liquidates · auto_deleverages · reduce_risk_limits (risks)

Sources: "Futures WebSocket v4" and "Delivery WebSocket v4" (channels, notifications, error codes, `futures.ping`, at
most 300 connections of an address), checked 2026-11-29; channels have the same names for deliveries. In a position a
`leverage` of 0 means cross margin, and then `cross_leverage_limit`, which deliveries lack, is the leverage.

Guesses: that a signature is good for as long as in REST, which is a minute; that the time of a ping, which is not
signed, is read by nobody; that the types of balances are those of the account book, of which the document has but one.
No document says that a bare change of leverage or of the margin mode is pushed: what counts on it is the next read.
How often an address may connect is in no document either; `RULES` has a figure of ours.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import orjson

from schemas.base import Milliseconds
from schemas.requests import MarginMode
from worker.accounts.account import Account
from worker.venues.client.masking import SecretMask
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import GatePart
from worker.venues.gate.errors import CODES, NO_ACCOUNT
from worker.venues.gate.hosts import private_stream
from worker.venues.gate.instruments import Lists
from worker.venues.gate.preflight import ACCOUNTS, read_user
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import figures_in, instant_in, object_in, reason_in, told_instant
from worker.venues.port.errors import Ambiguous, ClockSkewed, Refused, Throttled
from worker.venues.port.streams import (
    Evidence,
    FeedRules,
    Heard,
    NotUnderstood,
    Nudge,
    Refusal,
    RiskKind,
    RiskPush,
    Why,
)

CONNECTIONS = 300
RULES = FeedRules(
    ping=None, ping_s=20, silent_s=45, dials=100, dials_in_s=10, seats=CONNECTIONS, connections=CONNECTIONS
)
"""All but the ping, which has the time in it. An account has one connection or more, so that seats are a bound."""

PING, PONG = "futures.ping", "futures.pong"
POSITIONS, BALANCES, CLOSES = "futures.positions", "futures.balances", "futures.position_closes"
LIQUIDATES, DELEVERAGES = "futures.liquidates", "futures.auto_deleverages"
RISK_LIMITS = "futures.reduce_risk_limits"

CONTRACTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        POSITIONS: ("!all",),
        BALANCES: (),
        CLOSES: ("!all",),
        LIQUIDATES: ("!all",),
        DELEVERAGES: ("!all",),
        RISK_LIMITS: ("!all",),
    }
)
"""What is subscribed to, and what stands behind the user's id there."""

FUNDING = "fund"

SIDES: Mapping[object, str | None] = MappingProxyType({"single": None, "dual_long": "long", "dual_short": "short"})
"""Whose leverage a row has, by its `mode`; deliveries have none."""


class RiskChannel(NamedTuple):
    """What a channel tells of a risk: its fields with figures, and which of them tell one push from another."""

    kind: RiskKind
    figures: tuple[str, ...]
    identity: tuple[str, ...]
    why: Why = Why.POSITIONS


RISKS: Mapping[str, RiskChannel] = MappingProxyType(
    {
        LIQUIDATES: RiskChannel(
            RiskKind.LIQUIDATION,
            (
                "size",
                "left",
                "entry_price",
                "fill_price",
                "liq_price",
                "mark_price",
                "order_price",
                "leverage",
                "margin",
            ),
            ("order_id",),
        ),
        DELEVERAGES: RiskChannel(
            RiskKind.AUTO_DELEVERAGING,
            ("position_size", "trade_size", "entry_price", "fill_price"),
            ("position_size", "trade_size"),
        ),
        RISK_LIMITS: RiskChannel(
            RiskKind.RISK_LIMIT_REDUCED,
            ("risk_limit", "leverage_max", "maintenance_rate", "liq_price", "cancel_orders"),
            ("risk_limit",),
            Why.SETTINGS,
        ),
    }
)

SERVICE = 3
REFUSALS: Mapping[int, str] = MappingProxyType(
    {
        1: "the structure of the request is invalid",
        2: "an argument is invalid",
        SERVICE: "an error of Gate's",
        4: "authentication has failed",
    }
)
"""What the code of a refusal means. All but Gate's own errors last."""

PASSING = (ClockSkewed, Throttled, Ambiguous)
"""What a label may mean that is over soon."""


@dataclass(slots=True)
class StreamUser:
    """The id of the user, which subscriptions name: as registered, or asked for once."""

    id: str | None

    async def read(self, transport: Calls, wallet: Row) -> str:
        """The id; some answers about a wallet have it. Raises VenueError."""
        if self.id is None:
            told = wallet.get("user")
            self.id = str(told) if isinstance(told, int) and told else (await read_user(transport)).id
        return self.id


@dataclass(frozen=True, slots=True)
class GateFeed:
    """The stream of one part of an account."""

    account: Account
    transport: Calls
    part: GatePart
    lists: Lists
    user: StreamUser

    @property
    def name(self) -> str:
        """Such as `usdt` or `delivery-usdt`."""
        return self.part.coverage.replace(" ", "-")

    @property
    def rules(self) -> FeedRules:
        """Those of all, with a ping of now."""
        return replace(RULES, ping=_text({"time": self.transport.now() // 1_000, "channel": PING}))

    async def converse(self) -> "GateConversation | None":
        """The subscriptions, signed now; None where nothing was ever paid into this part. Raises VenueError."""
        try:
            body = await self.transport.call(ACCOUNTS[self.part.type], {"settle": self.part.settle})
        except Refused as refusal:
            if refusal.venue_code == NO_ACCOUNT:
                return None
            raise
        user = await self.user.read(self.transport, shape.mapping(body, f"GET {self.part.path}/accounts"))
        key, secret = self.account.reveal("api_key"), self.account.reveal("secret")
        return GateConversation(
            url=private_stream(self.account, self.part.path),
            opening=tuple(
                self._subscription(number, channel, [user, *contracts], key, secret)
                for number, (channel, contracts) in enumerate(CONTRACTS.items(), 1)
            ),
            part=self.part,
            lists=self.lists,
            mask=SecretMask(key, secret),
        )

    def _subscription(self, number: int, channel: str, payload: list[str], key: str, secret: str) -> str:
        now = self.transport.now() // 1_000
        signed = f"channel={channel}&event=subscribe&time={now}"
        signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha512).hexdigest()
        auth = {"method": "api_key", "KEY": key, "SIGN": signature}
        frame = {"id": number, "time": now, "channel": channel, "event": "subscribe", "payload": payload, "auth": auth}
        return _text(frame)


@dataclass(slots=True)
class GateConversation:
    """One connection. Its opening holds keys and signatures, which no representation of it shows."""

    url: str = field(repr=False)
    opening: Sequence[str] = field(repr=False)
    part: GatePart = field(repr=False)
    lists: Lists = field(repr=False)
    mask: SecretMask = field(repr=False)
    waiting: set[str] = field(default_factory=lambda: set(CONTRACTS))

    @property
    def waiting_for(self) -> frozenset[str]:
        """The channels."""
        return frozenset(self.waiting)

    async def renew(self) -> None:
        """Nothing: pings are all that it lives by."""

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a frame means."""
        content = object_in(frame)
        if isinstance(content, NotUnderstood):
            return (content,)
        channel, event = content.get("channel"), content.get("event")
        if channel in (PING, PONG):
            return ()
        if not isinstance(channel, str) or channel not in CONTRACTS:
            return (NotUnderstood("a channel that was not subscribed to"),)
        if event == "subscribe":
            return self._answered(channel, content)
        if event == "update":
            return tuple(self._pushed(channel, content))
        return (NotUnderstood(f"{channel} with an event that is in no document"),)

    def _answered(self, channel: str, content: Row) -> Sequence[Heard]:
        error, result = content.get("error"), content.get("result")
        if error is None and isinstance(result, dict) and result.get("status") == "success":
            self.waiting.discard(channel)
            return ()
        return (self._refusal(channel, error if isinstance(error, dict) else {}),)

    def _refusal(self, channel: str, error: Row) -> Refusal:
        """Why a subscription is refused: a code, and a message in which there may be a label of REST's."""
        code, message = error.get("code"), error.get("message")
        meaning = (
            REFUSALS.get(code, "for a reason that is in no document") if isinstance(code, int) else "without a code"
        )
        labelled = object_in(message) if isinstance(message, str) else {}
        label = None if isinstance(labelled, NotUnderstood) else labelled.get("label")
        rule = CODES.get(label) if isinstance(label, str) else None
        words = f"{label}: {rule.advice}" if rule else reason_in(message, self.mask)
        passing = issubclass(rule.error, PASSING) if rule else code == SERVICE
        return Refusal(f"Gate refuses {channel}, {meaning} ({words})", lasts=not passing)

    def _pushed(self, channel: str, content: Row) -> Iterator[Heard]:
        rows = content.get("result")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            yield NotUnderstood(f"{channel} without rows")
            return
        at = _told_at(content)
        if channel == POSITIONS:
            yield from self._positions(rows, at)
        elif channel == BALANCES:
            yield Nudge(Why.FUNDING if any(row.get("type") == FUNDING for row in rows) else Why.BALANCE, at)
        elif channel in RISKS:
            yield from self._risks(channel, rows, at)
        else:
            yield Nudge(Why.POSITIONS, at)

    def _positions(self, rows: list[Row], at: Milliseconds | None) -> Iterator[Heard]:
        evidence = []
        for row in rows:
            try:
                if (stated := self._stated(row)) is not None:
                    evidence.append(stated)
            except Ambiguous as problem:
                yield NotUnderstood(f"{POSITIONS}: {problem.message}")
        yield Nudge(Why.POSITIONS, at, tuple(evidence))

    def _stated(self, row: Row) -> Evidence | None:
        """Leverage and margin mode of a row; None for a market that is not listed here."""
        market = self.lists.market(self.part, shape.text(row, "contract"))
        leverage, limit = shape.decimal(row, "leverage"), shape.figure(row, "cross_leverage_limit")
        mode = row.get("mode", "single")
        if not isinstance(mode, str) or mode not in SIDES:
            raise Ambiguous("the field mode is unreadable")
        if leverage < 0 or (limit or Decimal(0)) < 0:
            raise Ambiguous("the field leverage is unreadable")
        if market is None:
            return None
        if leverage:
            return Evidence(market.symbol, leverage, MarginMode.ISOLATED, SIDES[mode])
        return Evidence(market.symbol, limit or None, MarginMode.CROSS, SIDES[mode])

    def _risks(self, channel: str, rows: list[Row], at: Milliseconds | None) -> Iterator[Heard]:
        for row in rows:
            try:
                yield self._risk(channel, row)
            except Ambiguous as problem:
                yield NotUnderstood(f"{channel}: {problem.message}")
        yield Nudge(RISKS[channel].why, at)

    def _risk(self, channel: str, row: Row) -> RiskPush:
        told, contract = RISKS[channel], shape.text(row, "contract")
        at = instant_in(row, "time_ms") if "time_ms" in row else 1_000 * instant_in(row, "time")
        about = ":".join((channel, contract, str(at), *figures_in(row, told.identity).values()))
        market = self.lists.market(self.part, contract)
        symbol = contract if market is None else market.symbol
        return RiskPush(told.kind, at, about, symbols=(symbol,), figures=figures_in(row, told.figures))


def _told_at(content: Row) -> Milliseconds | None:
    if (told := told_instant(content, "time_ms")) is not None:
        return told
    seconds = told_instant(content, "time")
    return None if seconds is None else 1_000 * seconds


def _text(frame: Row) -> str:
    return orjson.dumps(frame).decode()
