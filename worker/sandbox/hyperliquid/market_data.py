"""Public questions: what is listed and at which prices (info endpoint, "Perpetuals" and "Spot")."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.perps import SPOT_PAIRS, TOKENS, Dex, Perp, Perpetuals

BUILDER = "0x" + "88" * 20
"""Who deployed the builder-deployed dexes."""

SPOT_PRICE = Decimal("25.5")


def all_metas(listing: Perpetuals) -> list[Any]:
    """The perpetuals of every dex, in the order of the dexes' indices.

    That one which perpDexs tells as null is null here as well is a guess: no schema has it.
    """
    return [dex and meta(listing, dex) for dex in listing.dexes]


def meta(listing: Perpetuals, dex: Dex) -> dict[str, Any]:
    """The perpetuals of a dex and their margin tiers."""
    perps = listing.on(dex)
    return {
        "universe": [_universe_row(perp) for perp in perps],
        "marginTables": [_margin_table(number) for number in sorted({_table_of(perp) for perp in perps})],
        "collateralToken": dex.collateral.index,
    }


def _universe_row(perp: Perp) -> dict[str, Any]:
    row: dict[str, Any] = {
        "szDecimals": perp.sz_decimals,
        "name": perp.coin,
        "maxLeverage": perp.max_leverage,
        "marginTableId": _table_of(perp),
    }
    restricted = {"onlyIsolated": True, "marginMode": perp.margin_mode} if perp.margin_mode else {}
    return row | restricted | ({"isDelisted": True} if perp.delisted else {})


TIERED: Mapping[int, tuple[tuple[str, int], ...]] = MappingProxyType(
    {55: (("0.0", 25), ("100000000.0", 15)), 56: (("0.0", 40), ("150000000.0", 20))}
)
"""Tables of several tiers by their ids: from which value on, how much leverage (those of BTC, ETH: "Margin tiers")."""

TABLES: Mapping[tuple[str, int], int] = MappingProxyType({("BTC", 40): 56, ("ETH", 25): 55})
"""Which perpetuals have one, while their highest leverage is that of its first tier."""


def _table_of(perp: Perp) -> int:
    """The id of a perpetual's table: one tier alone has that of its leverage."""
    return TABLES.get((perp.coin, perp.max_leverage), perp.max_leverage)


def _margin_table(number: int) -> list[Any]:
    steps = TIERED.get(number, (("0.0", number),))
    description = f"tiered {steps[0][1]}x" if len(steps) > 1 else ""
    tiers = [{"lowerBound": bound, "maxLeverage": most} for bound, most in steps]
    return [number, {"description": description, "marginTiers": tiers}]


def meta_and_contexts(listing: Perpetuals, dex: Dex) -> list[Any]:
    """The perpetuals of a dex, and their prices in the same order."""
    return [meta(listing, dex), [_context(perp) for perp in listing.on(dex)]]


def _context(perp: Perp) -> dict[str, Any]:
    mark = wire(perp.mark_price)
    return {
        "funding": "0.0000125",
        "openInterest": "1000.0",
        "prevDayPx": mark,
        "dayNtlVlm": "1000000.0",
        "premium": "0.0",
        "oraclePx": mark,
        "markPx": mark,
        "midPx": mark,
        "impactPxs": [mark, mark],
        "dayBaseVlm": "1000.0",
    }


def perp_dexs(listing: Perpetuals) -> list[Any]:
    """The dexes by index; the main one is null, and so is one that the venue has nothing to tell of."""
    return [None, *(dex and _dex(listing, dex) for dex in listing.dexes[1:])]


def _dex(listing: Perpetuals, dex: Dex) -> dict[str, Any]:
    coins = [perp.coin for perp in listing.on(dex)]
    return {
        "name": dex.name,
        "fullName": dex.full_name,
        "deployer": BUILDER,
        "oracleUpdater": None,
        "feeRecipient": None,
        "assetToStreamingOiCap": [[coin, "100000000.0"] for coin in coins],
        "subDeployers": [],
        "deployerFeeScale": "1.0",
        "lastDeployerFeeScaleChangeTime": "1970-01-01T00:00:00",
        "assetToFundingMultiplier": [[coin, "1.0"] for coin in coins],
        "assetToFundingInterestRate": [[coin, "0.0"] for coin in coins],
    }


def all_mids(listing: Perpetuals, dex: Dex) -> dict[str, str]:
    """The price in the middle of each book."""
    return {perp.coin: wire(perp.mark_price) for perp in listing.on(dex)}


def spot_meta() -> dict[str, Any]:
    """Spot tokens and pairs."""
    return {
        "tokens": [
            {
                "name": token.name,
                "szDecimals": token.sz_decimals,
                "weiDecimals": 8,
                "index": token.index,
                "tokenId": f"0x{token.index:032x}",
                "isCanonical": True,
                "evmContract": None,
                "fullName": None,
                "deployerTradingFeeShare": "0.0",
            }
            for token in TOKENS
        ],
        "universe": [
            {"name": name, "tokens": [base, quote], "index": index, "isCanonical": not name.startswith("@")}
            for index, (name, base, quote) in enumerate(SPOT_PAIRS)
        ],
    }


def spot_meta_and_contexts() -> list[Any]:
    """Spot tokens and pairs, and the pairs' prices in the same order."""
    price = wire(SPOT_PRICE)
    contexts = [
        {"dayNtlVlm": "8906.0", "markPx": price, "midPx": price, "prevDayPx": price, "coin": name}
        for name, _, _ in SPOT_PAIRS
    ]
    return [spot_meta(), contexts]
