"""Bybit's contracts as it tells of them, and the leverages each allows.

Source: V5 "Get Instruments Info" and "Enums Definitions" (contractType, status, symbol), read on 2026-11-29. Without a
`status` only what is traded is listed, so each status is asked for: a contract that is being delivered may be held, and
one that is closed for good has a history.
"""

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

import structlog

from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.venues.bybit.listing import blank, result_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets, Raw, Unlisted, nobody
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, ValueRefused, VenueError
from worker.venues.reading.past_markets import PastSymbol

log = structlog.get_logger(__name__)

LISTING = "publicGetV5MarketInstrumentsInfo"
PAGE = 1_000

TRADED = "Trading"
OF_THE_SDK = ("PendingOpen", "Settling")
"""Statuses that bybit-api 4.7.7 knows and no document has; Bybit need not take them."""

STATUSES = (TRADED, "PreLaunch", "Delivering", "Closed", *OF_THE_SDK)
"""What a contract may be."""

CATEGORIES: Mapping[str, bool] = MappingProxyType({"linear": False, "inverse": True})
"""Bybit's categories of futures, and whether they are inverse."""

COINS = ("baseCoin", "quoteCoin", "settleCoin")

KINDS: Mapping[object, MarketType] = MappingProxyType(
    {
        "LinearPerpetual": MarketType.SWAP,
        "InversePerpetual": MarketType.SWAP,
        "LinearFutures": MarketType.FUTURE,
        "InverseFutures": MarketType.FUTURE,
    }
)
"""What a contract is, by its `contractType`: a perpetual one that is to be delisted has a `deliveryTime` too."""

_DATED = re.compile(r"-\d{1,2}[A-Z]{3}\d{2}$|USD[FGHJKMNQUVXZ]\d{2}$")
"""How ids of futures end, as "Enums Definitions" (symbol) has them: BTCUSDT-21FEB25, BTC-24MAR23, BTCUSDH23."""


class TimedCalls(Protocol):
    """What asking for the contracts needs of a transport."""

    async def call(
        self, name: str, params: dict[str, Any] | None = None, timeout_ms: Milliseconds | None = None
    ) -> Any:
        """The JSON that a call answers. Raises VenueError."""


async def all_contracts(transport: TimedCalls, timeout_ms: Milliseconds) -> list[Row]:
    """Every contract of every status once, what is traded first. Raises VenueError where that can't be listed.

    What is not traded is told of as far as it can be listed: its positions are not known then, and all others are. One
    whose status changes just now may stand in two lists.
    """
    kinds = [(category, status) for status in STATUSES for category in CATEGORIES]
    lists = await asyncio.gather(*(_contracts(transport, *kind, timeout_ms) for kind in kinds))
    found: dict[object, Row] = {}
    for row in chain.from_iterable(lists):
        found.setdefault(row.get("symbol"), row)
    return list(found.values())


async def _contracts(transport: TimedCalls, category: str, status: str, timeout_ms: Milliseconds) -> list[Row]:
    try:
        return await _pages(transport, {"category": category, "status": status, "limit": PAGE}, timeout_ms)
    except VenueError as error:
        if status == TRADED:
            raise
        if status not in OF_THE_SDK:
            log.warning("market_list_unread", venue="bybit", part=f"{category} {status}", error=error.message)
        return []


async def _pages(transport: TimedCalls, params: Row, timeout_ms: Milliseconds) -> list[Row]:
    found: list[Row] = []
    cursor = ""
    while True:
        more = {"cursor": cursor} if cursor else {}
        result = result_of(await transport.call(LISTING, params | more, timeout_ms), "instruments-info")
        found += shape.rows(result.get("list"), "instruments-info")
        following = str(result.get("nextPageCursor") or "")
        if not following:
            return found
        if following == cursor:
            raise Ambiguous("Bybit's cursor of instruments-info stays where it is", raw=result)
        cursor = following


def kind_of(raw: Raw) -> MarketType:
    """What a contract is by Bybit's own word. Raises Ambiguous for a word that is not known here."""
    told = raw["info"].get("contractType")
    if (kind := KINDS.get(told)) is None:
        raise Ambiguous(f"the field contractType of GET /v5/market/instruments-info says {told!r}")
    return kind


def names_of(raw: Raw) -> tuple[str, str, str]:
    """Base, quote and settle coin. Raises Ambiguous, naming the field."""
    base, quote, settle = (shape.text(raw["info"], name) for name in COINS)
    return base, quote, settle


def described(row: Row) -> Raw:
    """A contract under the names that all venues' markets are made from."""
    base, quote, settle = (row.get(name) for name in COINS)
    return {
        "id": row.get("symbol"),
        "symbol": f"{base}/{quote}:{settle}",
        "inverse": str(row.get("contractType")).startswith("Inverse"),
        "contractSize": 1,  # sizes are in coins, and of inverse contracts in USD, whatever the smallest order is
        "expiry": row.get("deliveryTime"),
        "active": row.get("status") == TRADED,
        "info": row,
    }


@dataclass(frozen=True, slots=True)
class BybitLeverageRange:
    """The leverages of a market (`leverageFilter`)."""

    minimum: Decimal
    maximum: Decimal
    step: Decimal

    def problem(self, leverage: Decimal) -> str | None:
        """What is wrong with a leverage: the range or the step; None where it fits."""
        if not self.minimum <= leverage <= self.maximum:
            return f"takes {_plain(self.minimum)}x to {_plain(self.maximum)}x, not {_plain(leverage)}x"
        if leverage % self.step:
            return f"takes leverages in steps of {_plain(self.step)}x, not {_plain(leverage)}x"
        return None

    def check(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range or the step, for a leverage that does not fit."""
        if problem := self.problem(leverage):
            raise ValueRefused(
                f"{market.symbol} {problem}",
                details={"symbol": market.symbol, "minimum": self.minimum, "maximum": self.maximum},
            )


class Listed(NamedTuple):
    """The market that a row is about, as far as a history needs it."""

    symbol: str
    type: MarketType
    settle: str


@dataclass(frozen=True, slots=True)
class Instruments:
    """All markets, and the leverages they allow by market."""

    markets: Markets
    leverages: Mapping[Market, BybitLeverageRange]

    @classmethod
    def from_rows(cls, raw: Iterable[Row], unlisted: Unlisted = nobody) -> "Instruments":
        """The markets of contracts as Bybit tells of them. Raises Ambiguous if there are none."""
        rows = list(map(described, raw))
        markets = Markets.from_ccxt(rows, unlisted, kind_of=kind_of, names_of=names_of, venue="bybit")
        return cls(markets, dict(_ranges(rows, markets)))

    async def check_leverage(self, calls: Calls, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused for a leverage the market can't have. Where none is known the venue will decide.

        What was loaded may be an hour old, and Bybit raises and lowers ranges: it is asked anew before it is believed.
        """
        known = self.leverages.get(market)
        if known is None or known.problem(leverage) is None:
            return
        if now := await range_now(calls, market):
            now.check(market, leverage)

    def listed(self, market_id: str, *, inverse: bool) -> Listed:
        """The market of an id; one that Bybit does not tell of is told by its id."""
        if market := self.markets.by_id(market_id, inverse=inverse):
            return Listed(market.symbol, market.type, market.settle)
        kind = MarketType.FUTURE if _DATED.search(market_id) else MarketType.SWAP
        return Listed(market_id, kind, _settle_of_delisted(market_id, inverse=inverse))


async def range_now(calls: Calls, market: Market) -> BybitLeverageRange | None:
    """The leverages that a market allows now; None where that can't be found out, and the venue has to decide."""
    params = {"category": "inverse" if market.inverse else "linear", "symbol": market.id}
    try:
        result = result_of(await calls.call(LISTING, params), "instruments-info")
        rows = shape.rows(result.get("list"), "instruments-info")
    except VenueError:
        return None
    return next((range_of(row) for row in rows if row.get("symbol") == market.id), None)


def range_of(row: Row) -> BybitLeverageRange | None:
    """The leverages of a contract; None where Bybit tells none that could be meant."""
    allowed = row.get("leverageFilter")
    names = ("minLeverage", "maxLeverage", "leverageStep")
    if not isinstance(allowed, dict) or any(blank(allowed, name) for name in names):
        return None
    try:
        minimum, maximum, step = (shape.decimal(allowed, name) for name in names)
    except Ambiguous:
        return None
    return BybitLeverageRange(minimum, maximum, step) if maximum >= minimum > 0 and step > 0 else None


def _ranges(rows: Iterable[Raw], markets: Markets) -> Iterable[tuple[Market, BybitLeverageRange]]:
    for row in rows:
        market = markets.by_id(row["id"], inverse=row["inverse"])
        if market and (found := range_of(row["info"])):
            yield market, found


def _settle_of_delisted(market_id: str, *, inverse: bool) -> str:
    if inverse:
        return market_id.partition("USD")[0]
    return "USDT" if "USDT" in market_id else "USDC"


def _plain(leverage: Decimal) -> str:
    return f"{leverage.normalize():f}"


MONTHS = "FGHJKMNQUVXZ"
"""The letters of futures' months, January first: BTCUSDZ26 is delivered in December 2026."""


def id_of(past: PastSymbol) -> str | None:
    """BTCUSDT, BTCPERP, BTCUSD; BTCUSDT-25DEC26, BTC-25DEC26, BTCUSDZ26 (Get Instruments Info, `symbol`)."""
    if past.inverse:
        code = f"{MONTHS[past.expiry.month - 1]}{past.expiry:%y}" if past.expiry else ""
        return f"{past.base}{past.quote}{code}"
    if past.settle == "USDC":
        return past.base + (_day(past) if past.expiry else "PERP")
    return past.base + past.quote + _day(past)


def _day(past: PastSymbol) -> str:
    return f"-{past.expiry.day}{past.expiry:%b%y}".upper() if past.expiry else ""
