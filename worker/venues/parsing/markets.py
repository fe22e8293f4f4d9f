"""The markets of a venue by unified symbol and by the venue's own id, and what a misspelt symbol probably meant.

What can't be read of a list is left out alone, and remembered with the reason: a command on it is refused with that, a
position in it makes its part of the account unread, and all else goes on.
"""

import difflib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple, Self

import structlog

from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, NotSupported, UnknownSymbol, VenueError

log = structlog.get_logger(__name__)

Unlisted = Callable[[], None]
"""Is told that somebody means a market which is not among the loaded ones: it may be new."""

Raw = Mapping[str, Any]
"""A market as ccxt lists it, with the venue's own row under `info`."""

KindOf = Callable[[Raw], MarketType | None]
"""What the venue's own field says a contract is; None for what is no swap and no future. Raises LookupError where it
says what we do not know."""

ReadMarket = Callable[[Raw], Market | None]
"""What a row is as a market; None for what is none. Raises what `UNREADABLE` has where it can't be read."""

NamesOf = Callable[[Raw], tuple[str, str, str]]
"""Base, quote and settle currency as the venue itself writes them."""

UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, VenueError)
"""What reading a row that is not as documented can end in."""

_SEPARATORS = re.compile(r"[/:_-]")
CLOSE = 0.6


class UnreadableMarket(NamedTuple):
    """An instrument that the venue lists and we can't use; `symbol` as far as one can be told."""

    id: str
    symbol: str
    reason: str


def nobody() -> None:
    """Nobody wants to know."""


def kind_by_ccxt(raw: Raw) -> MarketType | None:
    """What ccxt takes a contract for. It infers that from dates, so that a venue's own field is better."""
    return MarketType(raw["type"]) if raw["type"] in frozenset(MarketType) else None


def symbol_of(base: str, quote: str, settle: str, expiry: Milliseconds | None) -> str:
    """The unified symbol of a contract; only a future has an expiry.

    >>> symbol_of("BTC", "USDT", "USDT", None), symbol_of("BTC", "USD", "BTC", 1_798_185_600_000)
    ('BTC/USDT:USDT', 'BTC/USD:BTC-261225')
    """
    date = "" if expiry is None else datetime.fromtimestamp(expiry / 1000, UTC).strftime("-%y%m%d")
    return f"{base}/{quote}:{settle}{date}"


def market_of(raw: Raw, kind: MarketType | None = None, names: tuple[str, str, str] | None = None) -> Market:
    """A ccxt market as we need it, of a kind and with names that are the venue's own where they are given."""
    kind = kind or MarketType(raw["type"])
    base, quote, settle = names or (raw["base"], raw["quote"], raw["settle"])
    as_ccxt = names is None and kind == raw["type"]
    expiry = int(raw["expiry"]) if kind is MarketType.FUTURE and not as_ccxt else None
    return Market(
        symbol=raw["symbol"] if as_ccxt else symbol_of(base, quote, settle, expiry),
        id=raw["id"],
        type=kind,
        inverse=bool(raw["inverse"]),
        base=base,
        quote=quote,
        settle=settle,
        contract_size=_without_zeros(Decimal(str(raw["contractSize"]))),
    )


def _without_zeros(size: Decimal) -> Decimal:
    """ccxt holds sizes as floats, so that a size of 1 comes as 1.0."""
    if not size.is_finite() or size <= 0:
        raise ValueError("contractSize")
    whole = size.to_integral_value()
    return whole if whole == size else size


def reason_of(error: Exception) -> str:
    """Why a row can't be read, with the field where the error names one."""
    if isinstance(error, VenueError):
        return error.message
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


class Markets:
    """All swap and future markets of a venue. Never changes; a reload makes a new one."""

    def __init__(
        self, markets: Iterable[Market], unlisted: Unlisted = nobody, unreadable: Iterable[UnreadableMarket] = ()
    ) -> None:
        self._unlisted = unlisted
        self._by_symbol = {market.symbol: market for market in markets}
        self._by_id = {(market.inverse, market.id): market for market in self._by_symbol.values()}
        self.unreadable: Mapping[str, UnreadableMarket] = {row.id: row for row in unreadable}
        """What is listed and can't be used, by the venue's id."""
        self.linear_settles = frozenset(market.settle for market in self._by_symbol.values() if not market.inverse)
        """Currencies in which linear markets settle."""

    @classmethod
    def from_ccxt(
        cls,
        raw: Iterable[Raw],
        unlisted: Unlisted = nobody,
        *,
        kind_of: KindOf = kind_by_ccxt,
        names_of: NamesOf | None = None,
        venue: str = "a venue",
    ) -> Self:
        """The swaps and futures among ccxt's markets. Raises Ambiguous if there are none that can be read."""

        def read(row: Raw) -> Market | None:
            kind = kind_of(row)
            return market_of(row, kind, names_of(row) if names_of else None) if kind else None

        return cls.read(raw, read, unlisted, venue=venue)

    @classmethod
    def read(
        cls, rows: Iterable[Raw], read: ReadMarket, unlisted: Unlisted = nobody, *, venue: str = "a venue"
    ) -> Self:
        """The markets that rows are about, as a venue reads its own. Raises Ambiguous if none can be read.

        Of a row, `id`, `symbol` and `active` are looked at where it can't be read, or shares its symbol with another.
        """
        found: dict[str, dict[Market, Raw]] = defaultdict(dict)
        unreadable: list[UnreadableMarket] = []
        for row in rows:
            try:
                if market := read(row):
                    found[market.symbol].setdefault(market, row)
            except UNREADABLE as error:
                unreadable.append(UnreadableMarket(_text(row, "id"), _text(row, "symbol"), reason_of(error)))
        markets = [only for sharing in found.values() if (only := _only(sharing, unreadable))]
        tell_unreadable(venue, unreadable)
        if not markets:
            why = f"no market can be read; {unreadable[0].id}: {unreadable[0].reason}" if unreadable else None
            raise Ambiguous(why or "the venue lists no markets")
        return cls(markets, unlisted, unreadable)

    def __len__(self) -> int:
        return len(self._by_symbol)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Markets) and self._by_symbol == other._by_symbol and self.unreadable == other.unreadable
        )

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def unlisted(self, venue: str, market_id: str, row: Any) -> Ambiguous:
        """What to raise for a position in a market that is not among these. Leaving it out would be a lie."""
        if known := self.unreadable.get(market_id):
            return Ambiguous(f"{venue} names a position in {market_id}, which can't be read: {known.reason}", raw=row)
        self._unlisted()
        return Ambiguous(f"{venue} names a position in {market_id}, which is not among its loaded markets", raw=row)

    def by_id(self, market_id: str, *, inverse: bool) -> Market | None:
        """The market of a venue's own id, which is unique among the linear and among the inverse ones."""
        return self._by_id.get((inverse, market_id))

    def by_symbol(self, symbol: str) -> Market | None:
        """The market of a unified symbol; None for one that is not listed, which is no news here."""
        return self._by_symbol.get(symbol)

    def listed(self, market_type: MarketType) -> tuple[Market, ...]:
        """All markets of a type, by symbol."""
        return tuple(market for _, market in sorted(self._by_symbol.items()) if market.type is market_type)

    def of_type(self, market_type: MarketType, *, inverse: bool) -> tuple[Market, ...]:
        """The linear or the inverse markets of a type."""
        return tuple(
            market for market in self._by_symbol.values() if market.type is market_type and market.inverse is inverse
        )

    def find(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol.

        Raises UnknownSymbol, saying what was probably meant, and NotSupported for one that is listed and unreadable.
        """
        market = self._by_symbol.get(symbol)
        if market and market.type is market_type:
            return market
        if market:
            raise UnknownSymbol(
                f"{symbol} is a {market.type}, not a {market_type}; pass market_type={market.type}",
                details={"symbol": symbol, "market_type": market.type.value},
            )
        if known := next((row for row in self.unreadable.values() if symbol in (row.symbol, row.id)), None):
            raise NotSupported(
                f"{symbol} is listed as {known.id}, and can't be used: {known.reason}", details={"symbol": symbol}
            )
        raise self._missing(symbol, market_type)

    def _missing(self, symbol: str, market_type: MarketType) -> UnknownSymbol | NotSupported:
        """What to raise for a symbol that is not listed, with what was probably meant."""
        self._unlisted()
        suggestion = self._probably(symbol, market_type)
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        return UnknownSymbol(
            f"there is no {market_type} market {symbol}{hint}",
            details={"symbol": symbol} | ({"suggestion": suggestion} if suggestion else {}),
        )

    def _probably(self, symbol: str, market_type: MarketType) -> str | None:
        """What was meant; never a market of another base currency, which is another coin."""
        wanted = [market for market in self._by_symbol.values() if market.type is market_type]
        spellings = {spelling: market for market in reversed(wanted) for spelling in _spellings(market)}
        key = symbol.upper()
        if key in spellings:
            return spellings[key].symbol
        same = {spelling: market.symbol for spelling, market in spellings.items() if _is_of(key, market)}
        close = difflib.get_close_matches(key, same, n=1, cutoff=CLOSE)
        return same[close[0]] if close else None


def tell_unreadable(venue: str, unreadable: Iterable[UnreadableMarket]) -> None:
    """Say in the log what of a list can't be used."""
    rows = list(unreadable)
    if rows:
        log.warning("instruments_unreadable", venue=venue, count=len(rows), first=rows[0].id, reason=rows[0].reason)


def _only(rows: Mapping[Market, Raw], unreadable: list[UnreadableMarket]) -> Market | None:
    """The market that has a symbol. Of several ids that share it, the one that is traded; the others are told."""
    active = [market for market, raw in rows.items() if raw.get("active") or len(rows) == 1]
    chosen = active[0] if len(active) == 1 else None
    ids = ", ".join(market.id for market in rows)
    unreadable += (
        UnreadableMarket(market.id, market.symbol if chosen is None else market.id, f"several share the symbol: {ids}")
        for market in rows
        if market is not chosen
    )
    return chosen


def _text(row: Raw, name: str) -> str:
    return str(row.get(name, "?")) if isinstance(row, Mapping) else "?"


def _is_of(key: str, market: Market) -> bool:
    """Whether a text, in capitals, is about the base currency of a market."""
    typed = _SEPARATORS.split(key, maxsplit=1)[0]
    base, quote = market.base.upper(), market.quote.upper()
    after = typed.removeprefix(base)
    is_quote = after[:1] == quote[:1] and difflib.SequenceMatcher(None, after, quote).ratio() >= CLOSE
    return typed == base or (typed.startswith(base) and is_quote)


def _spellings(market: Market) -> Iterable[str]:
    """How people write a market: its id, its pair with and without a slash or a dash, its symbol."""
    pair = (market.base, market.quote)
    return (market.symbol, market.id, "/".join(pair), "-".join(pair), "".join(pair))
