"""The markets of a venue by unified symbol and by the venue's own id, and what a misspelt symbol probably meant."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from schemas.requests import MarketType
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, UnknownSymbol

Unlisted = Callable[[], None]
"""Is told that somebody means a market which is not among the loaded ones: it may be new."""


def nobody() -> None:
    """Nobody wants to know."""


def market_of(raw: Mapping[str, Any]) -> Market:
    """A ccxt market as we need it."""
    return Market(
        symbol=raw["symbol"],
        id=raw["id"],
        type=MarketType(raw["type"]),
        inverse=bool(raw["inverse"]),
        base=raw["base"],
        quote=raw["quote"],
        settle=raw["settle"],
        contract_size=_without_zeros(Decimal(str(raw["contractSize"]))),
    )


def _without_zeros(size: Decimal) -> Decimal:
    """ccxt holds sizes as floats, so that a size of 1 comes as 1.0."""
    whole = size.to_integral_value()
    return whole if whole == size else size


class Markets:
    """All swap and future markets of a venue. Never changes; a reload makes a new one."""

    def __init__(self, markets: Iterable[Market], unlisted: Unlisted = nobody) -> None:
        self._unlisted = unlisted
        self._by_symbol = {market.symbol: market for market in markets}
        self._by_id = {(market.inverse, market.id): market for market in self._by_symbol.values()}
        self.linear_settles = frozenset(market.settle for market in self._by_symbol.values() if not market.inverse)
        """Currencies in which linear markets settle."""

    @classmethod
    def from_ccxt(cls, raw: Iterable[Mapping[str, Any]], unlisted: Unlisted = nobody) -> "Markets":
        """The swaps and futures among ccxt's markets. Raises Ambiguous if there are none, or one is beyond use."""
        try:
            markets = cls((market_of(row) for row in raw if row["type"] in frozenset(MarketType)), unlisted)
        except (KeyError, ArithmeticError) as error:
            raise Ambiguous(f"the venue's list of markets can't be read ({type(error).__name__})") from error
        if not len(markets):
            raise Ambiguous("the venue lists no markets")
        return markets

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Markets) and self._by_symbol == other._by_symbol

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def unlisted(self, venue: str, market_id: str, row: Any) -> Ambiguous:
        """What to raise for a position in a market that is not among these. Leaving it out would be a lie."""
        self._unlisted()
        return Ambiguous(f"{venue} names a position in {market_id}, which is not among its loaded markets", raw=row)

    def by_id(self, market_id: str, *, inverse: bool) -> Market | None:
        """The market of a venue's own id, which is unique among the linear and among the inverse ones."""
        return self._by_id.get((inverse, market_id))

    def find(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, saying what was probably meant."""
        market = self._by_symbol.get(symbol)
        if market and market.type is market_type:
            return market
        if market:
            raise UnknownSymbol(
                f"{symbol} is a {market.type}, not a {market_type}; pass market_type={market.type}",
                details={"symbol": symbol, "market_type": market.type.value},
            )
        self._unlisted()
        suggestion = self._probably(symbol, market_type)
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        raise UnknownSymbol(
            f"there is no {market_type} market {symbol}{hint}",
            details={"symbol": symbol} | ({"suggestion": suggestion} if suggestion else {}),
        )

    def _probably(self, symbol: str, market_type: MarketType) -> str | None:
        wanted = [market for market in self._by_symbol.values() if market.type is market_type]
        spellings = {spelling: market.symbol for market in reversed(wanted) for spelling in _spellings(market)}
        key = symbol.upper()
        if key in spellings:
            return spellings[key]
        close = difflib.get_close_matches(key, spellings, n=1)
        return spellings[close[0]] if close else None


def _spellings(market: Market) -> Iterable[str]:
    """How people write a market: its id, its pair with and without a slash or a dash, its symbol."""
    pair = (market.base, market.quote)
    return (market.symbol, market.id, "/".join(pair), "-".join(pair), "".join(pair))
