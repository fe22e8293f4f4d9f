"""What the data on OKX's private channels says: of what to read the account, and what it states itself.

`positions` has all open positions at first, and then those that an event has touched; so what is open is known, and a
market's leverage and mode are told as the adapter would read them: of all its positions together. Regular pushes are
not subscribed to, yet one would nudge only if it differs from what was told.

A trade is told by both channels. Where `balance_and_position` has told a position as `positions` then has it, and the
leverage is what it was, the account is being read for that already: one nudge is enough.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from schemas.requests import MarginMode
from worker.venues.okx.answers import optional
from worker.venues.okx.positions import amount_of, held_in, mode_of
from worker.venues.okx.streams.words import RISKS, WHY
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.frames import figures_in, instant_in
from worker.venues.port.adapter import Market
from worker.venues.port.streams import Evidence, Heard, NotUnderstood, Nudge, RiskKind, RiskPush, Why

BALANCE_AND_POSITION, POSITIONS, ACCOUNT = "balance_and_position", "positions", "account"
LIQUIDATION_WARNING = "liquidation-warning"

SNAPSHOT = "snapshot"
"""The `eventType` of what was there before: the account is read after it anyway."""

MarketOf = Callable[[str], Market | None]

_KEPT = ("instId", "mgnMode", "posSide", "pos", "lever", "avgPx", "margin", "uTime")
"""What of a position is an account's doing, and not the market's."""

_WARNED = ("mgnRatio", "markPx", "pos", "lever", "mgnMode")
_HAPPENED = ("pos", "avgPx", "mgnMode", "posSide")
"""The figures of a position that are told with a word of danger."""


class _Place(NamedTuple):
    mode: str
    side: str


class _Nudged(NamedTuple):
    """How a position was when `balance_and_position` told of it, as it is written."""

    amount: Any
    changed: Any


class StreamData:
    """What one connection has told of an account so far."""

    def __init__(self, market_of: MarketOf) -> None:
        self._market_of = market_of
        self._held: dict[str, dict[_Place, Row]] = defaultdict(dict)
        self._nudged: dict[tuple[str, _Place], _Nudged] = {}
        self._cash: dict[str, Any] = {}
        self._whole: set[str] = set()
        self._channels = {
            BALANCE_AND_POSITION: self._event,
            POSITIONS: self._positions,
            ACCOUNT: self._account,
            LIQUIDATION_WARNING: self._warnings,
        }

    def read(self, channel: str, frame: Row) -> Sequence[Heard]:
        """What the data of a channel means. Raises what reading a row can end in."""
        rows = shape.rows(frame.get("data"), channel)
        if (reader := self._channels.get(channel)) is None:
            return (NotUnderstood("data of a channel that was not subscribed to"),)
        return tuple(reader(frame, rows))

    def _event(self, _frame: Row, rows: list[Row]) -> Iterator[Heard]:
        for row in rows:
            kind = shape.text(row, "eventType")
            if kind == SNAPSHOT:
                continue
            at, held = instant_in(row, "pTime"), shape.rows(row.get("posData", []), BALANCE_AND_POSITION)
            self._nudged |= {(str(one.get("instId")), _place(one)): _nudged(one) for one in held}
            if kind in RISKS:
                yield from self._happened(RISKS[kind], at, held)
            yield Nudge(WHY[kind], at) if kind in WHY else NotUnderstood("an eventType that no table has")

    def _happened(self, kind: RiskKind, at: Milliseconds, rows: list[Row]) -> Iterator[RiskPush]:
        """One for each position, or one alone where only a balance is told."""
        for row in rows or ({},):
            yield self._risk(kind, at, row, _HAPPENED)

    def _warnings(self, _frame: Row, rows: list[Row]) -> Iterator[Heard]:
        """Warnings are told apart by the time of the push: a guess, that it is one for all connections."""
        for row in rows:
            yield self._risk(RiskKind.LIQUIDATION_WARNING, instant_in(row, "pTime"), row, _WARNED)

    def _risk(self, kind: RiskKind, at: Milliseconds, row: Row, told: tuple[str, ...]) -> RiskPush:
        named = str(row.get("instId", ""))
        market = self._market_of(named)
        return RiskPush(
            kind,
            at,
            f"{kind}:{at}:{row.get('posId', '')}:{named}:{row.get('mgnMode', '')}:{row.get('posSide', '')}",
            symbols=(market.symbol if market else named,) if named else (),
            figures=figures_in(row, told),
        )

    def _positions(self, frame: Row, rows: list[Row]) -> Iterator[Heard]:
        """An order, too, makes OKX push the positions of its market; one that nothing has happened to is no nudge."""
        touched = [shape.text(row, "instId") for row in rows if self._keep(row)]
        if self._is_first(POSITIONS, frame) or not touched:
            return
        evidence = tuple(told for named in dict.fromkeys(touched) for told in self._evidence(named))
        yield Nudge(Why.POSITIONS, instant_in(rows[0], "pTime"), evidence)

    def _keep(self, row: Row) -> bool:
        """Remember a position; whether it is another than before, and the account is not read for that already."""
        named, place = shape.text(row, "instId"), _place(row)
        kept, held = {name: row.get(name) for name in _KEPT}, self._held[named]
        before = held.pop(place, None)
        if amount_of(row):
            held[place] = kept
        elif before is None:
            return False
        geared = before is not None and before["lever"] != kept["lever"]
        return before != kept and (geared or self._nudged.get((named, place)) != _nudged(row))

    def _evidence(self, named: str) -> Iterator[Evidence]:
        rows, market = list(self._held[named].values()), self._market_of(named)
        if market is None or not rows:
            return
        mode = mode_of(rows)
        leverages = {_side(row, mode): optional(row, "lever") for row in held_in(rows, mode)}
        for side, leverage in leverages.items():
            yield Evidence(market.symbol, leverage, mode, side)

    def _account(self, frame: Row, rows: list[Row]) -> Iterator[Heard]:
        """It comes with each order, too: what counts is whether a balance of cash is another."""
        cash = {
            shape.text(detail, "ccy"): shape.decimal(detail, "cashBal")
            for row in rows
            for detail in shape.rows(row.get("details", []), ACCOUNT)
        }
        changed = {currency: balance for currency, balance in cash.items() if self._cash.get(currency) != balance}
        self._cash |= changed
        if changed and not self._is_first(ACCOUNT, frame):
            yield Nudge(Why.BALANCE, instant_in(rows[0], "uTime"))

    def _is_first(self, channel: str, frame: Row) -> bool:
        """Whether it belongs to the snapshot after the subscription, which may come in several pages.

        What does not say so is news: where nothing is open there may be no snapshot, and the first push is an event.
        """
        if channel in self._whole or frame.get("eventType") != SNAPSHOT:
            return False
        if frame.get("lastPage", True):
            self._whole.add(channel)
        return True


def _place(row: Row) -> _Place:
    return _Place(str(row.get("mgnMode")), str(row.get("posSide")))


def _nudged(row: Row) -> _Nudged:
    return _Nudged(row.get("pos"), row.get("uTime"))


def _side(row: Row, mode: MarginMode) -> str | None:
    """The side that a leverage is of: isolated positions in long/short mode have one each."""
    side = row.get("posSide")
    return str(side) if mode is MarginMode.ISOLATED and side in ("long", "short") else None
