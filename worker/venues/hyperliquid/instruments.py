"""What is traded: the perpetuals of the main dex and of every builder-deployed one, by the venue's own names.

Sources: documentation, "Asset IDs", and info endpoint "allPerpMetas", "perpDexs" and "spotMeta"; answer schemas of
@nktkas/hyperliquid 0.33.3; read 2026-11-29. Three questions tell all, however many dexes there are: the testnet had
209 in 2026. A coin of a builder-deployed dex carries the dex in its name, such as `xyz:GOLD`. Prices have at most six
decimals less those of the size ("Tick and lot size").
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas.requests import MarketType
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets, Unlisted, UnreadableMarket, nobody, symbol_of, tell_unreadable
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.reading.past_markets import PastSymbol

MAIN = "main"
"""What coverage calls the dex that the venue itself calls the empty string."""

MAIN_COLLATERAL = "USDC"
"""What the main dex is margined in ("Contract specifications"); other dexes name a spot token by its index."""

PRICE_DECIMALS = 6
BUILDER_OFFSET, DEX_STEP = 100_000, 10_000
"""The asset of a builder-deployed perpetual is 100000 + 10000 x its dex's index + its own index ("Asset IDs")."""

ISOLATED_ONLY = frozenset({"strictIsolated", "noCross"})
"""The `marginMode` of markets without cross margin; `onlyIsolated` is what says so in older answers."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A perpetual: its market, whose id is the coin, its number in actions, its dex and its highest leverage."""

    market: Market
    asset: int
    dex: str
    max_leverage: int
    price_decimals: int
    isolated_only: bool = False
    delisted: bool = False


@dataclass(frozen=True, slots=True)
class ListedDex:
    """A dex: its name, its index, the token it is margined in, and its perpetuals in the order of their indices.

    `unread` says why nothing is known of them.
    """

    name: str
    index: int | None
    collateral: str | None = None
    rows: tuple[Any, ...] = ()
    unread: str | None = None


class Universe:
    """All perpetuals of the venue. Never changes; a reload makes a new one."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        unlisted: Unlisted = nobody,
        unreadable: Iterable[UnreadableMarket] = (),
        dexes: Iterable[str] = (),
        incomplete: VenueError | None = None,
    ) -> None:
        self.incomplete = incomplete
        """Why a part of what is listed can't be used that could be if the venue had answered every question."""
        self._by_coin = {instrument.market.id: instrument for instrument in instruments}
        self.markets = Markets((instrument.market for instrument in self._by_coin.values()), unlisted, unreadable)
        self._collaterals = {"": MAIN_COLLATERAL} | {
            instrument.dex: instrument.market.settle for instrument in self._by_coin.values()
        }
        self.dexes = tuple(dexes or dict.fromkeys(instrument.dex for instrument in self._by_coin.values()))
        """The dexes that positions can be in, the main one, the empty string, first."""

    @classmethod
    def of(
        cls, dexes: Iterable[ListedDex], unlisted: Unlisted = nobody, incomplete: VenueError | None = None
    ) -> "Universe":
        """The perpetuals of some dexes. One that can't be read is left out alone. Raises Ambiguous if none can be."""
        dexes = tuple(dexes)
        found, unreadable = _read(dexes)
        unreadable += _sharing(found)
        tell_unreadable("hyperliquid", unreadable)
        unusable = {row.id for row in unreadable}
        usable = [instrument for instrument in found if instrument.market.id not in unusable]
        if not usable:
            raise Ambiguous("Hyperliquid lists no markets")
        asked = (dex.name for dex in dexes if dex.rows or dex.unread)
        return cls(usable, unlisted, unreadable, asked, incomplete)

    @classmethod
    def from_listing(cls, rows: Iterable[Mapping[str, Any]], unlisted: Unlisted = nobody) -> "Universe":
        """The perpetuals in the venue's answers to the questions of a listing, which are the only row."""
        (answers,) = rows
        metas, *more = (answers[kind] for kind in ("allPerpMetas", "perpDexs", "spotMeta"))
        missing = next((answer for answer in more if isinstance(answer, VenueError)), None)
        return cls.of(dexes_of(metas, *more), unlisted, missing)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Universe) and (self._by_coin, self.markets, self.dexes) == (
            other._by_coin,
            other.markets,
            other.dexes,
        )

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def of_market(self, market: Market) -> Instrument:
        """The instrument of one of our markets."""
        return self._by_coin[market.id]

    def collateral_of(self, coin: str) -> str:
        """What a coin settles in, listed or not: all of a dex settle in the same. Raises Ambiguous if it is unknown."""
        if (code := self.collateral_of_dex(dex_of(coin))) is None:
            raise Ambiguous(f"what {coin} settles in is not known: its dex is not among the loaded ones")
        return code

    def collateral_of_dex(self, dex: str) -> str | None:
        """What a dex is margined in; None where nothing of it could be read."""
        return self._collaterals.get(dex)

    def of_coin(self, coin: str) -> Instrument | None:
        """The instrument of a coin, or None for one that was not listed when the markets were loaded."""
        return self._by_coin.get(coin)


def dexes_of(metas: Any, names: Any, tokens: Any) -> Iterator[ListedDex]:
    """The dexes in the venue's answers. `names` or `tokens` may be the error that came instead of an answer.

    A dex's index is its place in perpDexs, and there alone: by it assets are numbered, so that a dex which is not found
    there by its name has no perpetual that could be changed.
    """
    indices = _indices(names)
    codes = _token_codes(tokens)
    listed = [(meta, _rows_of(meta)) for meta in (metas if isinstance(metas, list) else ())]
    named = [""] + [_first_dex(rows) for _, rows in listed[1:]]
    told: set[str] = set()
    for place, (meta, rows) in enumerate(listed):
        # what has no coins to tell its name is at its place, unless coins of that name are somewhere else
        name = indices.name_at(place) if named[place] is None else named[place]
        if name is None or name in told or (named[place] is None and name in named):
            continue
        told.add(name)
        yield _dex(name, meta, rows, indices, codes)
    yield from (ListedDex(name, index, unread="allPerpMetas has nothing of it") for name, index in indices.beyond(told))


class _Indices:
    """Which dex has which index, as perpDexs tells it; `problem` says why that is not known."""

    def __init__(self, names: tuple[str | None, ...], problem: str | None = None) -> None:
        self._names = names
        self.problem = problem

    def of(self, name: str) -> int | None:
        return self._names.index(name) if name in self._names else None

    def name_at(self, place: int) -> str | None:
        return self._names[place] if place < len(self._names) else None

    def beyond(self, told: set[str]) -> Iterator[tuple[str, int]]:
        return ((name, index) for index, name in enumerate(self._names) if name is not None and name not in told)


def _indices(answer: Any) -> _Indices:
    if isinstance(answer, VenueError):
        return _Indices(("",), answer.message)
    rows = answer if isinstance(answer, list) else []
    names = [row.get("name") if isinstance(row, dict) else None for row in rows[1:]]
    return _Indices(("", *(name if isinstance(name, str) and name else None for name in names)))


def _token_codes(answer: Any) -> Mapping[Any, str]:
    """Currency codes of spot tokens by index."""
    tokens = answer.get("tokens") if isinstance(answer, dict) else None
    return {
        token.get("index"): token["name"].upper()
        for token in (tokens if isinstance(tokens, list) else ())
        if isinstance(token, dict) and isinstance(token.get("name"), str)
    }


def _rows_of(meta: Any) -> tuple[Any, ...]:
    rows = meta.get("universe") if isinstance(meta, dict) else None
    return tuple(rows) if isinstance(rows, list) else ()


def _first_dex(rows: Iterable[Any]) -> str | None:
    """The dex that the first readable coin carries in its name."""
    coins = (row["name"] for row in rows if isinstance(row, dict) and isinstance(row.get("name"), str))
    return next((dex for coin in coins if (dex := dex_of(coin))), None)


def _dex(name: str, meta: Any, rows: tuple[Any, ...], indices: _Indices, codes: Mapping[Any, str]) -> ListedDex:
    if not isinstance(meta, dict):
        return ListedDex(name, indices.of(name), unread="allPerpMetas has nothing of it")
    collateral = MAIN_COLLATERAL if not name else codes.get(meta.get("collateralToken"))
    return ListedDex(name, indices.of(name), collateral, rows, indices.problem)


def _read(dexes: Iterable[ListedDex]) -> tuple[list[Instrument], list[UnreadableMarket]]:
    """What can be read of some dexes, and why something can't be."""
    found: list[Instrument] = []
    unreadable: list[UnreadableMarket] = []
    for dex in dexes:
        for place, row in enumerate(dex.rows):
            try:
                found.append(_instrument(dex, place, row))
            except Ambiguous as problem:
                unreadable.append(_unreadable(dex, place, row, problem))
    return found, unreadable


def _sharing(instruments: Iterable[Instrument]) -> Iterator[UnreadableMarket]:
    """Coins that differ in nothing but the case of their letters: nobody could tell which of them a symbol means.

    Where one of them is traded, and the others are delisted, it is meant.
    """
    by_symbol: dict[str, list[Instrument]] = {}
    for instrument in instruments:
        by_symbol.setdefault(instrument.market.symbol, []).append(instrument)
    for symbol, sharers in by_symbol.items():
        traded = [instrument for instrument in sharers if not instrument.delisted]
        meant = traded[0] if len(traded) == 1 else sharers[0] if len(sharers) == 1 else None
        coins = " and ".join(instrument.market.id for instrument in sharers)
        for other in sharers:
            if other is not meant:
                coin = other.market.id
                yield UnreadableMarket(coin, coin if meant else symbol, f"{coins} would share a symbol")


def _instrument(dex: ListedDex, place: int, row: Any) -> Instrument:
    """A perpetual. Raises Ambiguous, naming what is amiss with it."""
    coin = shape.text(shape.mapping(row, "a perpetual of allPerpMetas"), "name")
    if dex_of(coin) != dex.name:
        raise Ambiguous(f"{coin} stands among the perpetuals of the dex {dex.name or MAIN}, so its number is not known")
    if dex.index is None:
        raise Ambiguous(f"the index of the dex {dex.name} is not told by perpDexs: {dex.unread or 'it is not there'}")
    if dex.collateral is None:
        raise Ambiguous(f"the collateral of the dex {dex.name or MAIN} is no token that spotMeta tells of")
    base = base_of(coin)
    return Instrument(
        market=Market(
            symbol=symbol_of(base, dex.collateral, dex.collateral, None),
            id=coin,
            type=MarketType.SWAP,
            inverse=False,
            base=base,
            quote=dex.collateral,
            settle=dex.collateral,
            contract_size=Decimal(1),
        ),
        asset=place if not dex.index else BUILDER_OFFSET + DEX_STEP * dex.index + place,
        dex=dex.name,
        max_leverage=max_leverage_of(row),
        price_decimals=max(0, PRICE_DECIMALS - _whole(row, "szDecimals", 0)),
        isolated_only=is_isolated_only(row),
        delisted=row.get("isDelisted") is True,
    )


def is_isolated_only(row: Row) -> bool:
    """Whether a perpetual can't be held with cross margin."""
    return row.get("onlyIsolated") is True or row.get("marginMode") in ISOLATED_ONLY


def max_leverage_of(row: Row) -> int:
    """The highest leverage of a perpetual. Raises Ambiguous where there is none."""
    return _whole(row, "maxLeverage", 1)


def _whole(row: Row, name: str, least: int) -> int:
    value = shape.decimal(row, name)
    if value != value.to_integral_value() or value < least:
        raise Ambiguous(f"the field {name} of the venue's answer is {row[name]!r}", raw=row)
    return int(value)


def _name_of(dex: ListedDex, place: int, row: Any) -> str:
    name = row.get("name") if isinstance(row, dict) else None
    return name if isinstance(name, str) and name else f"{dex.name or MAIN}[{place}]"


def _unreadable(dex: ListedDex, place: int, row: Any, problem: Ambiguous) -> UnreadableMarket:
    """A perpetual that can't be used, with the symbol that it would have as far as that can be told."""
    coin, collateral = _name_of(dex, place, row), dex.collateral or "?"
    reason = f"{problem.message} (POST /info allPerpMetas)"
    return UnreadableMarket(coin, symbol_of(base_of(coin), collateral, collateral, None), reason)


def dex_of(coin: str) -> str:
    """The dex that a coin carries in its name.

    >>> dex_of("kPEPE"), dex_of("xyz:GOLD")
    ('', 'xyz')
    """
    return coin.partition(":")[0] if ":" in coin else ""


def base_of(coin: str) -> str:
    """How a coin is called as a base currency.

    >>> base_of("kPEPE"), base_of("xyz:GOLD")
    ('KPEPE', 'XYZ-GOLD')
    """
    return coin.upper().replace(":", "-")


def coverage_of(dex: str) -> str:
    """How coverage names a dex."""
    return dex or MAIN


def id_of(past: PastSymbol) -> str | None:
    """BTC, or xyz:GOLD where the dex stands before the coin in its symbol, XYZ-GOLD; there are no futures."""
    dex, dash, coin = past.base.partition("-")
    if past.expiry:
        return None
    return f"{dex.lower()}:{coin}" if dash else past.base
