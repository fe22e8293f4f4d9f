"""What is listed: the perpetuals of the main dex and of two builder-deployed ones (HIP-3), and a few spot pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

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


TOKENS = (Token("USDC", 0, 8), Token("PURR", 1, 0), Token("HYPE", 2, 2), Token("USDH", 3, 2))
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
    """A perpetual. `index` is its place in its dex."""

    coin: str
    dex: Dex
    index: int
    mark_price: Decimal
    sz_decimals: int
    max_leverage: int
    only_isolated: bool = False

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

_MAIN_ROWS = (
    ("BTC", "98505", 5, 40, False),
    ("ETH", "3200", 4, 25, False),
    ("SOL", "185.5", 2, 20, False),
    ("kPEPE", "0.0205", 0, 10, False),
    ("CANTO", "0.024", 0, 3, True),
    *((base, mark, 0, 10, False) for base, mark in FURTHER_PERPETUALS),
)
_XYZ_ROWS = (("xyz:GOLD", "4125.5", 4, 20, False), ("xyz:NVDA", "182.4", 3, 10, True))
_FLX_ROWS = (("flx:OIL", "60.25", 2, 5, True),)


def _perps(dex: Dex, rows: tuple[tuple[str, str, int, int, bool], ...]) -> tuple[Perp, ...]:
    return tuple(
        Perp(coin, dex, index, Decimal(mark), sz_decimals, most, isolated)
        for index, (coin, mark, sz_decimals, most, isolated) in enumerate(rows)
    )


PERPS: Mapping[str, Perp] = {
    perp.coin: perp for perp in (*_perps(MAIN, _MAIN_ROWS), *_perps(XYZ, _XYZ_ROWS), *_perps(FLX, _FLX_ROWS))
}
"""All perpetuals by coin."""

BY_ASSET: Mapping[int, Perp] = {perp.asset: perp for perp in PERPS.values()}
"""All perpetuals by their number in actions."""


def listed_on(dex: Dex) -> tuple[Perp, ...]:
    """The perpetuals of a dex, in the order of their indices."""
    return tuple(perp for perp in PERPS.values() if perp.dex is dex)
