"""What is traded: the perpetuals of the main dex and of every builder-deployed one, by the venue's own names.

Sources: documentation, "Asset IDs" and info endpoint "meta", "perpDexs". A coin of a builder-deployed dex carries the
dex in its name, such as `xyz:GOLD`. Prices have at most six decimals less those of the size ("Tick and lot size").
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.venues.parsing.markets import Markets, Unlisted, market_of, nobody
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous

MAIN = "main"
"""What coverage calls the dex that the venue itself calls the empty string."""

PRICE_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Instrument:
    """A perpetual: its market, whose id is the coin, its number in actions, its dex and its highest leverage."""

    market: Market
    asset: int
    dex: str
    max_leverage: int
    price_decimals: int


class Universe:
    """All perpetuals of the venue. Never changes; a reload makes a new one."""

    def __init__(self, instruments: Iterable[Instrument], unlisted: Unlisted = nobody) -> None:
        self._by_coin = {instrument.market.id: instrument for instrument in instruments}
        self.markets = Markets((instrument.market for instrument in self._by_coin.values()), unlisted)
        self.dexes = tuple(dict.fromkeys(instrument.dex for instrument in self._by_coin.values()))
        """The dexes that positions can be in, the main one, the empty string, first."""

    @classmethod
    def from_ccxt(cls, rows: Iterable[Mapping[str, Any]], unlisted: Unlisted = nobody) -> "Universe":
        """The perpetuals among ccxt's markets. Raises Ambiguous if there are none, or one is beyond use."""
        try:
            universe = cls((_instrument(row) for row in rows), unlisted)
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            raise Ambiguous(f"Hyperliquid's list of markets can't be read ({type(error).__name__})") from error
        if "" not in universe.dexes:
            raise Ambiguous("Hyperliquid lists no markets")
        return universe

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Universe) and self._by_coin == other._by_coin

    __hash__ = None  # type: ignore[assignment]  # compared, never looked up

    def of_market(self, market: Market) -> Instrument:
        """The instrument of one of our markets."""
        return self._by_coin[market.id]

    def of_coin(self, coin: str) -> Instrument | None:
        """The instrument of a coin, or None for one that was not listed when the markets were loaded."""
        return self._by_coin.get(coin)


def _instrument(row: Mapping[str, Any]) -> Instrument:
    info = row["info"]
    if info.get("hip3") and not info.get("collateralTokenName"):
        raise LookupError  # ccxt would have it settle in USDC
    return Instrument(
        market=market_of({**row, "id": info["name"]}),
        asset=int(row["baseId"]),
        dex=info.get("dex", ""),
        max_leverage=int(info["maxLeverage"]),
        price_decimals=max(0, PRICE_DECIMALS - int(info["szDecimals"])),
    )


def coverage_of(dex: str) -> str:
    """How coverage names a dex."""
    return dex or MAIN
