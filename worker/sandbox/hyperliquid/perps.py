"""What is listed: the perpetuals of the main dex and of two builder-deployed ones (HIP-3), and a few spot pairs.

Sources: info endpoint "meta", "allPerpMetas" and "perpDexs" with the answer schemas of @nktkas/hyperliquid 0.33.3, and
"Asset IDs". Checked 2026-11-29.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import chain
from typing import Any

from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS

PRICE_DECIMALS = 6
BUILDER_OFFSET, DEX_STEP = 100_000, 10_000
"""The asset of a builder-deployed perpetual is 100000 + 10000 x its dex's index + its own index ("Asset IDs")."""


@dataclass(frozen=True, slots=True)
class Token:
    """A spot token. Its index is its place in the list."""

    name: str
    index: int
    sz_decimals: int


TOKENS = (Token("USDC", 0, 8), Token("PURR", 1, 0), Token("HYPE", 2, 2), Token("USDH", 3, 2), Token("USDe", 4, 2))
SPOT_PAIRS = (("PURR/USDC", 1, 0), ("@1", 2, 0))
"""Name, base token and quote token of each pair; a pair's index is its place in the list."""


@dataclass(frozen=True, slots=True)
class Dex:
    """A perpetual dex. The main one has the index 0 and no name."""

    name: str
    index: int
    full_name: str
    collateral: Token


@dataclass(frozen=True, slots=True)
class Perp:
    """A perpetual. `index` is its place in its dex; `margin_mode` is what restricts it, where anything does."""

    coin: str
    dex: Dex
    index: int
    mark_price: Decimal
    sz_decimals: int
    max_leverage: int
    margin_mode: str | None = None
    delisted: bool = False

    @property
    def only_isolated(self) -> bool:
        """Whether it can't be held with cross margin."""
        return self.margin_mode is not None

    @property
    def asset(self) -> int:
        """Its number in actions."""
        if not self.dex.index:
            return self.index
        return BUILDER_OFFSET + DEX_STEP * self.dex.index + self.index


MAIN = Dex("", 0, "", TOKENS[0])
XYZ = Dex("xyz", 1, "XYZ", TOKENS[0])
FLX = Dex("flx", 2, "Felix Exchange", TOKENS[3])
DEXES = (MAIN, XYZ, FLX)

NO_CROSS, STRICT = "noCross", "strictIsolated"

_MAIN_ROWS = (
    ("BTC", "98505", 5, 40, None),
    ("ETH", "3200", 4, 25, None),
    ("SOL", "185.5", 2, 20, None),
    ("kPEPE", "0.0205", 0, 10, None),
    ("CANTO", "0.024", 0, 3, NO_CROSS),
    *((base, mark, 0, 10, None) for base, mark in FURTHER_PERPETUALS),
)
_XYZ_ROWS = (("xyz:GOLD", "4125.5", 4, 20, None), ("xyz:NVDA", "182.4", 3, 10, STRICT))
_FLX_ROWS = (("flx:OIL", "60.25", 2, 5, STRICT),)


def _perps(dex: Dex, rows: Iterable[tuple[str, str, int, int, str | None]]) -> tuple[Perp, ...]:
    return tuple(
        Perp(coin, dex, index, Decimal(mark), sz_decimals, most, margin_mode)
        for index, (coin, mark, sz_decimals, most, margin_mode) in enumerate(rows)
    )


class Perpetuals:
    """The dexes by their index, with None where the venue has none to tell of, and their perpetuals."""

    def __init__(self, dexes: Iterable[Dex | None], perps: Iterable[Perp]) -> None:
        self.dexes = tuple(dexes)
        self.perps: Mapping[str, Perp] = {perp.coin: perp for perp in perps}
        """All perpetuals by coin."""
        self.by_asset: Mapping[int, Perp] = {perp.asset: perp for perp in self.perps.values()}
        """All perpetuals by their number in actions."""

    def named(self, name: str) -> Dex | None:
        """The dex of a name."""
        return next((dex for dex in self.dexes if dex and dex.name == name), None)

    def on(self, dex: Dex) -> tuple[Perp, ...]:
        """The perpetuals of a dex, in the order of their indices."""
        return tuple(perp for perp in self.perps.values() if perp.dex == dex)

    def with_dexes(self, number: int, collateral: Token = TOKENS[0]) -> "Perpetuals":
        """So many more dexes, `d1` and so on, of one perpetual each."""
        first = len(self.dexes)
        added = [Dex(f"d{n}", first + n - 1, f"Dex {n}", collateral) for n in range(1, number + 1)]
        perps = (_perps(dex, [(f"{dex.name}:ONE", "10", 2, 10, None)]) for dex in added)
        return Perpetuals((*self.dexes, *added), chain(self.perps.values(), *perps))

    def without(self, name: str) -> "Perpetuals":
        """Null in the place of a dex; the indices of the others stay."""
        gone = self.named(name)
        kept = (perp for perp in self.perps.values() if perp.dex != gone)
        return Perpetuals((None if dex == gone else dex for dex in self.dexes), kept)

    def changed(self, coin: str, **facts: Any) -> "Perpetuals":
        """One perpetual with other facts, such as its highest leverage, or delisted."""
        perps = {**self.perps, coin: replace(self.perps[coin], **facts)}
        return Perpetuals(self.dexes, perps.values())


LISTED = Perpetuals(DEXES, (*_perps(MAIN, _MAIN_ROWS), *_perps(XYZ, _XYZ_ROWS), *_perps(FLX, _FLX_ROWS)))
"""What is listed at the start."""
