"""What the data on Hyperliquid's subscriptions says of an account.

Source: documentation, "Subscriptions" with its data formats, and the schemas of @nktkas/hyperliquid 0.33.3 (read
2026-11-29). The state of the clearinghouse comes every few seconds whether anything has changed or not: what of it is
the account's doing and not the market's (size, leverage, mode, what an isolated position was given) is compared.

The terms of a coin, held or flat, are told by a subscription to that coin alone, again and again as prices move: what
is told first is what is in force, and then a change is one of the terms.

Fills and funding are told twice, by a subscription of their own and by `userEvents`; what was told once is no news. A
read of an account is one request for each dex, so that every nudge that is none counts. A liquidation is told by fills,
by an event and by the ledger, with no id in common: it is a risk of each.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from schemas.base import Milliseconds
from worker.venues.hyperliquid.positions import held_rows, position_in, size_of, terms_of
from worker.venues.hyperliquid.streams.coins import ASSET, WatchedCoins
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import figures_in
from worker.venues.port.adapter import MarginSettings, Market
from worker.venues.port.streams import Evidence, Heard, NotUnderstood, Nudge, RiskKind, RiskPush, Terms, Why

FILLS, FUNDINGS, LEDGER = "userFills", "userFundings", "userNonFundingLedgerUpdates"
EVENTS, STATES = "userEvents", "allDexsClearinghouseState"

REMEMBERED = 2_000
"""Fills and payments that are known when they are told again: as many as a snapshot has at most."""

MarketOf = Callable[[str], Market | None]
Clock = Callable[[], Milliseconds]

DELEVERAGED = "Auto-Deleveraging"
"""The `dir` of a fill by which somebody else's loss was closed against us."""

OF_ORDERS = frozenset({"nonUserCancel", "twapHistory", "twapSliceFills"})
"""Events of `userEvents` that are about orders: what the venue cancelled, and TWAP orders."""

_FILL, _PAYMENT = ("time", "coin", "tid", "oid"), ("time", "coin")
"""What tells two of them apart: a market pays an account once an hour at most."""

_OF_A_FILL = ("px", "sz", "dir", "closedPnl")
_OF_A_LIQUIDATION = ("liquidated_ntl_pos", "liquidated_account_value")
_OF_THE_LEDGER = ("liquidatedNtlPos", "accountValue", "leverageType")
"""The figures that are told with a word of danger."""


class HyperliquidStreamData:
    """What one connection has told of an account so far. It is the connection of this account alone."""

    def __init__(self, owner: str, market_of: MarketOf, now: Clock) -> None:
        self.coins = WatchedCoins(owner)
        self._owner = owner
        self._terms: dict[str, MarginSettings] = {}
        self._market_of = market_of
        self._now = now
        self._held: dict[str, dict[str, tuple[Any, ...]]] = {}
        self._known: OrderedDict[tuple[str, ...], None] = OrderedDict()
        self._channels: Mapping[str, Callable[[Row], Iterator[Heard]]] = {
            FILLS: self._fills,
            FUNDINGS: self._fundings,
            LEDGER: self._ledger,
            "user": self._events,
            STATES: self._states,
            ASSET: self._asset,
        }

    def read(self, channel: str, data: Any) -> Sequence[Heard]:
        """What the data of a channel means. Raises what reading a row can end in."""
        if (reader := self._channels.get(channel)) is None:
            return (NotUnderstood("data of a channel that was not subscribed to"),)
        row = shape.mapping(data, channel)
        if str(row.get("user", self._owner)).lower() != self._owner:
            return (NotUnderstood("data of another user"),)
        return tuple(reader(row))

    def _fills(self, row: Row) -> Iterator[Heard]:
        """A snapshot is what was there before: the account is read after it anyway."""
        fills = shape.rows(row.get("fills"), FILLS)
        if row.get("isSnapshot") is True:
            self._watch(shape.text(fill, "coin") for fill in sorted(fills, key=_time))
            return
        yield from self._filled(fills)

    def _fundings(self, row: Row) -> Iterator[Heard]:
        payments = shape.rows(row.get("fundings"), FUNDINGS)
        if row.get("isSnapshot") is not True:
            yield from self._funded(payments)

    def _filled(self, fills: Sequence[Row]) -> Iterator[Heard]:
        yield from self._risks_of(fills)
        self._watch(shape.text(fill, "coin") for fill in fills)
        if self._is_news(("fill", *(str(fill.get(name)) for name in _FILL)) for fill in fills):
            yield Nudge(Why.POSITIONS, _latest(fills))

    def _funded(self, payments: Sequence[Row]) -> Iterator[Heard]:
        if self._is_news(("funding", *(str(payment.get(name)) for name in _PAYMENT)) for payment in payments):
            yield Nudge(Why.FUNDING, _latest(payments))

    def _is_news(self, told: Iterable[tuple[str, ...]]) -> bool:
        """Whether any of these was not told before."""
        news = [one for one in told if one not in self._known]
        self._known.update(dict.fromkeys(news))
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return bool(news)

    def _ledger(self, row: Row) -> Iterator[Heard]:
        updates = shape.rows(row.get("nonFundingLedgerUpdates"), LEDGER)
        if row.get("isSnapshot") is True:
            return
        for update in updates:
            delta = shape.mapping(update.get("delta"), LEDGER)
            if delta.get("type") == "liquidation":
                yield self._liquidated(update, delta)
        yield Nudge(Why.BALANCE, _latest(updates))

    def _liquidated(self, update: Row, delta: Row) -> RiskPush:
        at = shape.milliseconds(update, "time")
        coins = [shape.text(held, "coin") for held in shape.rows(delta.get("liquidatedPositions"), LEDGER)]
        identity = f"ledger:{at}:{update.get('hash', '')}:{','.join(coins)}"
        symbols = tuple(map(self._symbol, coins))
        return RiskPush(RiskKind.LIQUIDATION, at, identity, None, symbols, figures_in(delta, _OF_THE_LEDGER))

    def _events(self, row: Row) -> Iterator[Heard]:
        """Nothing in it says whose it is: its one field says what it is."""
        for name, content in row.items():
            match name:
                case "fills":
                    yield from self._filled(shape.rows(content, EVENTS))
                case "funding":
                    yield from self._funded((shape.mapping(content, EVENTS),))
                case "liquidation":
                    yield from self._liquidation(shape.mapping(content, EVENTS))
                    yield Nudge(Why.RISK)
                case _:
                    yield Nudge(Why.ORDERS) if name in OF_ORDERS else NotUnderstood("an event that no table has")

    def _liquidation(self, row: Row) -> Iterator[RiskPush]:
        """Ours, and not one that we were the liquidator of. It has no time."""
        if shape.text(row, "liquidated_user").lower() != self._owner:
            return
        identity = f"event:{shape.identifier(row, 'lid')}"
        yield RiskPush(RiskKind.LIQUIDATION, self._now(), identity, figures=figures_in(row, _OF_A_LIQUIDATION))

    def _risks_of(self, fills: Sequence[Row]) -> Iterator[RiskPush]:
        for fill in fills:
            if (kind := self._danger(fill)) is None:
                continue
            at, coin = shape.milliseconds(fill, "time"), shape.text(fill, "coin")
            liquidation = fill.get("liquidation")
            level = str(liquidation["method"]) if isinstance(liquidation, dict) and "method" in liquidation else None
            identity = f"fill:{at}:{coin}:{fill.get('tid', '')}:{fill.get('oid', '')}"
            yield RiskPush(kind, at, identity, level, (self._symbol(coin),), figures_in(fill, _OF_A_FILL))

    def _danger(self, fill: Row) -> RiskKind | None:
        """What a fill says of danger. That it is ours where it does not say who was liquidated is a guess."""
        if fill.get("dir") == DELEVERAGED:
            return RiskKind.AUTO_DELEVERAGING
        liquidation = fill.get("liquidation")
        if not isinstance(liquidation, dict):
            return None
        whose = str(liquidation.get("liquidatedUser") or self._owner).lower()
        return RiskKind.LIQUIDATION if whose == self._owner else None

    def _states(self, row: Row) -> Iterator[Heard]:
        """The first one nudges too: what has changed between the read and it would be told by nothing else."""
        evidence: list[Evidence] = []
        changed, latest = False, None
        for dex, state in _by_dex(row):
            held = {shape.text(position, "coin"): position for position in _open(state)}
            own = {coin: _own(position) for coin, position in held.items()}
            before, self._held[dex] = self._held.get(dex), own
            changed = changed or own != before
            self._watch(coin for coin in own if coin not in (before or {}))
            news = [coin for coin in own if own[coin] != (before or {}).get(coin)]
            evidence += [told for coin in news for told in self._told(held[coin])]
            latest = max(latest or 0, shape.milliseconds(state, "time"))
        if changed:
            yield Nudge(Why.POSITIONS, latest, tuple(evidence))

    def _asset(self, row: Row) -> Iterator[Heard]:
        """Leverage and mode of a coin, with or without a position, unless the state has told the same."""
        coin, terms = shape.text(row, "coin"), terms_of(row)
        before, self._terms[coin] = self._terms.get(coin), terms
        if (market := self._market_of(coin)) is None or (before is not None and before.seen == terms.seen):
            return
        evidence = (Evidence(market.symbol, terms.leverage, terms.margin_mode),)
        yield Terms(evidence) if before is None else Nudge(Why.SETTINGS, evidence=evidence)

    def _watch(self, coins: Iterable[str]) -> None:
        """Be told of the terms of these from now on: spot, which fills tell of as well, has none."""
        self.coins.note(coin for coin in coins if self._market_of(coin) is not None)

    def _told(self, position: Row) -> Iterator[Evidence]:
        if market := self._market_of(coin := shape.text(position, "coin")):
            terms = self._terms[coin] = terms_of(position)
            yield Evidence(market.symbol, terms.leverage, terms.margin_mode)

    def _symbol(self, coin: str) -> str:
        market = self._market_of(coin)
        return market.symbol if market else coin


def _by_dex(row: Row) -> Iterator[tuple[str, Row]]:
    """The states, each a pair of the dex's name and what there is on it."""
    pairs = row["clearinghouseStates"]
    for dex, state in pairs:
        yield str(dex), shape.mapping(state, STATES)


def _open(state: Row) -> Iterator[Row]:
    return (position for position in map(position_in, held_rows(state)) if size_of(position))


def _own(position: Row) -> tuple[Any, ...]:
    """What of a position no price can change."""
    leverage = shape.mapping(position.get("leverage"), STATES)
    return (size_of(position), leverage.get("type"), leverage.get("value"), leverage.get("rawUsd"))


def _time(row: Row) -> Milliseconds:
    return shape.milliseconds(row, "time")


def _latest(rows: Sequence[Row]) -> Milliseconds | None:
    return max(map(_time, rows), default=None)
