"""Bybit's private stream: what is said at its opening, and what its frames mean.

auth, subscribe ─▶ acknowledged ─▶ position (evidence of leverage, Liq, Adl) · wallet · execution (Funding, BustTrade …)

Sources: V5 "Connect" (500 new connections in five minutes from an address; `{"op":"ping"}` each 20 s), "Position",
"Wallet", "Execution" and "Enums Definitions" (positionStatus, execType, positionIdx), read on 2026-11-29. Answers come
in three shapes: with `success` and `ret_msg`, with `retCode` and `retMsg`, and with the request instead of its `op`
(ccxt 4.5.90), the last with the key and the signature in it.

No document says that a bare change of leverage or of the margin mode is pushed, nor that a change is pushed at all
where no order is placed: what counts on it is the next read, not the stream. A row's `tradeMode` is 0 on each unified
account, and so is no evidence. The wallet is not pushed for profits that are not realized.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import orjson
from ccxt.async_support.bybit import bybit

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.venues.bybit.errors import CODES
from worker.venues.bybit.hosts import private_stream
from worker.venues.bybit.instruments import CATEGORIES
from worker.venues.client.masking import SecretMask
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import figures_in, instant_in, object_in, reason_in, told_instant
from worker.venues.parsing.markets import Markets
from worker.venues.port.errors import AccessDenied, Ambiguous
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

RULES = FeedRules(ping='{"op":"ping"}', ping_s=20, silent_s=45, dials=500, dials_in_s=300)

VALID: Milliseconds = 20_000
"""How long a login is valid after it was signed: longer than a handshake may take. A second, as pybit has it, fails
where a clock is slow; no document has a most.
"""

POSITION, WALLET, EXECUTION = TOPICS = ("position", "wallet", "execution")
AUTH, SUBSCRIBE, PONG = "auth", "subscribe", "pong"
OURS = "perps-dma"
"""The `req_id` of our one subscription."""

RISKS: Mapping[str, RiskKind] = MappingProxyType(
    {
        "Liq": RiskKind.LIQUIDATION,
        "Adl": RiskKind.AUTO_DELEVERAGING,
        "BustTrade": RiskKind.LIQUIDATION,
        "AdlTrade": RiskKind.AUTO_DELEVERAGING,
    }
)
"""What a position's status and an execution's type warn of; other statuses and types of the documents do not."""

NORMAL = "Normal"

EXECUTIONS: Mapping[str, Why] = MappingProxyType(
    {
        "Funding": Why.FUNDING,
        "Dividend": Why.FUNDING,
        **dict.fromkeys(("Trade", "BustTrade", "AdlTrade", "Delivery", "Settle"), Why.POSITIONS),
        **dict.fromkeys(("BlockTrade", "MovePosition", "FutureSpread", "UNKNOWN"), Why.POSITIONS),
        **dict.fromkeys(("ForwardSplitSettle", "ReverseSplitSettle", "CorporateAction"), Why.POSITIONS),
    }
)
"""What an execution of each type changes ("Enums Definitions", execType)."""

SIDES: Mapping[object, str | None] = MappingProxyType({0: None, 1: "long", 2: "short"})
"""Whose leverage a row has, by its `positionIdx`."""

POSITION_FIGURES = ("side", "size", "leverage", "entryPrice", "markPrice", "liqPrice", "positionIM", "positionMM")
EXECUTION_FIGURES = ("side", "execQty", "execPrice", "execValue", "closedSize", "markPrice")


def signed(text: str, secret: str) -> str:
    """The signature of a login: HMAC, or RSA where the secret is a private key. Raises AccessDenied for a bad one."""
    if "PRIVATE KEY" not in secret:
        return hmac.new(secret.encode(), text.encode(), hashlib.sha256).hexdigest()
    try:
        return str(bybit.rsa(text, secret, "sha256"))
    except (TypeError, ValueError) as error:
        problem = type(error).__name__
    # out of the handler: the original may carry the key
    raise AccessDenied(f"the login can't be signed ({problem}); check the account's secret")


@dataclass(frozen=True, slots=True)
class BybitFeed:
    """The one private connection of an account. `now` is Bybit's time, as far as it is known."""

    account: Account
    now: Callable[[], Milliseconds]
    markets: Markets
    name: str = "private"
    rules: FeedRules = RULES

    async def converse(self) -> "BybitConversation":
        """A login that is signed now, and the subscription. Raises AccessDenied for a secret that can't sign."""
        expires = self.now() + VALID
        key, secret = self.account.reveal("api_key"), self.account.reveal("secret")
        signature = signed(f"GET/realtime{expires}", secret)
        opening = ({"op": AUTH, "args": [key, expires, signature]}, {"op": SUBSCRIBE, "req_id": OURS, "args": TOPICS})
        return BybitConversation(
            url=private_stream(self.account),
            opening=tuple(orjson.dumps(frame).decode() for frame in opening),
            markets=self.markets,
            mask=SecretMask(key, secret),
        )


@dataclass(slots=True)
class BybitConversation:
    """One connection. Its opening holds a login, which no representation of it shows."""

    url: str = field(repr=False)
    opening: Sequence[str] = field(repr=False)
    markets: Markets = field(repr=False)
    mask: SecretMask = field(repr=False)
    waiting: set[str] = field(default_factory=lambda: {AUTH, *TOPICS})

    @property
    def waiting_for(self) -> frozenset[str]:
        """The login, and each topic."""
        return frozenset(self.waiting)

    async def renew(self) -> None:
        """Nothing: pings are all that it lives by."""

    def hear(self, frame: str) -> Sequence[Heard]:
        """What a frame means."""
        content = object_in(frame)
        if isinstance(content, NotUnderstood):
            return (content,)
        if isinstance(topic := content.get("topic"), str):
            return tuple(self._pushed(topic, content))
        return self._answered(content)

    def _answered(self, content: Row) -> Sequence[Heard]:
        """What the answer to a frame of ours means, in any of its shapes."""
        op = _op(content)
        if PONG in (op, content.get("ret_msg")) or PONG in content:
            return ()
        if op not in (AUTH, SUBSCRIBE):
            return (NotUnderstood("an answer to nothing that was asked"),)
        if content.get("success") is True or content.get("retCode") == 0:
            self.waiting -= {AUTH} if op == AUTH else set(TOPICS)
            return ()
        return (self._refusal(op, content),)

    def _refusal(self, op: str, content: Row) -> Refusal:
        """What was refused. Without a code that says otherwise it lasts: no document says what becomes of it."""
        code = content.get("retCode")
        rule = CODES.get(code) if isinstance(code, int) else None
        words = reason_in(content.get("ret_msg") or content.get("retMsg"), self.mask)
        advice = f": {rule.advice}" if rule else ""
        numbered = f" ({code})" if rule else ""
        what = "the login" if op == AUTH else "the subscription"
        lasts = rule is None or issubclass(rule.error, AccessDenied)
        return Refusal(f"Bybit refuses {what}: {words}{numbered}{advice}", lasts)

    def _pushed(self, topic: str, content: Row) -> Iterator[Heard]:
        name, rows = topic.partition(".")[0], content.get("data")
        if name not in TOPICS:
            yield NotUnderstood("a topic that was not subscribed to")
            return
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            yield NotUnderstood(f"{name} without rows")
            return
        at = told_instant(content, "creationTime")
        if name == WALLET:
            yield Nudge(Why.BALANCE, at)
            return
        about_us = [row for row in rows if row.get("category") not in ("spot", "option")]
        if about_us:
            yield from (self._positions if name == POSITION else self._executions)(about_us, at)

    def _positions(self, rows: list[Row], at: Milliseconds | None) -> Iterator[Heard]:
        evidence = []
        for row in rows:
            try:
                if (stated := self._stated(row)) is not None:
                    evidence.append(stated)
                status = row.get("positionStatus", NORMAL)
                if isinstance(status, str) and status in RISKS:
                    about = f"{row.get('symbol')}:{row.get('positionIdx')}:{status}:{row.get('updatedTime')}"
                    yield self._risk(row, status, about, instant_in(row, "updatedTime"), POSITION_FIGURES)
                elif status not in (NORMAL, ""):
                    yield NotUnderstood("position with a positionStatus that is in no document")
            except Ambiguous as problem:
                yield NotUnderstood(f"position: {problem.message}")
        yield Nudge(Why.POSITIONS, at, tuple(evidence))

    def _stated(self, row: Row) -> Evidence | None:
        """The leverage of a row; None where portfolio margin has none, or the market is not listed here."""
        leverage = shape.figure(row, "leverage")
        symbol, side = self._symbol(row), row.get("positionIdx")
        if not leverage or symbol is None:
            return None
        if not isinstance(side, int) or side not in SIDES:
            raise Ambiguous("the field positionIdx is unreadable")
        if leverage < 0:
            raise Ambiguous("the field leverage is unreadable")
        return Evidence(symbol, leverage=leverage, side=SIDES[side])

    def _executions(self, rows: list[Row], at: Milliseconds | None) -> Iterator[Heard]:
        whys: dict[Why, None] = {}
        for row in rows:
            kind = row.get("execType")
            if not isinstance(kind, str) or kind not in EXECUTIONS:
                yield NotUnderstood("execution with an execType that is in no document")
                continue
            whys[EXECUTIONS[kind]] = None
            if kind in RISKS:
                try:
                    about = shape.identifier(row, "execId")
                    yield self._risk(row, kind, about, instant_in(row, "execTime"), EXECUTION_FIGURES)
                except Ambiguous as problem:
                    yield NotUnderstood(f"execution: {problem.message}")
        for why in whys:
            yield Nudge(why, at)

    def _risk(self, row: Row, level: str, identity: str, at: Milliseconds, names: tuple[str, ...]) -> RiskPush:
        symbol = self._symbol(row) or shape.text(row, "symbol")
        return RiskPush(RISKS[level], at, identity, level, (symbol,), figures_in(row, names))

    def _symbol(self, row: Row) -> str | None:
        """The unified symbol; None for a market that is not among those loaded."""
        category, market_id = row.get("category"), shape.text(row, "symbol")
        if not isinstance(category, str) or category not in CATEGORIES:
            raise Ambiguous("the field category is unreadable")
        market = self.markets.by_id(market_id, inverse=CATEGORIES[category])
        return None if market is None else market.symbol


def _op(content: Row) -> Any:
    """What is answered: its own word, or the request's."""
    request = content.get("request")
    return content.get("op") or (request.get("op") if isinstance(request, dict) else None)
