"""How near a Binance account is to liquidation.

```
USDⓈ-M     each asset's cross wallet with its cross positions, or all of them in USD where several assets are margin
COIN-M     each coin's cross wallet, out of the answer that lists what is held
Portfolio  the whole account in USD: uniMMR, and the account's status
isolated   each position's own wallet
```

Sources: Account Information V3 and Futures Account Configuration (USDⓈ-M), Account Information (COIN-M and Portfolio
Margin), read 2026-11-30 in the official clients 18.1, 14.1 and 16.1. None tells a ratio but uniMMR: equity over
maintenance margin, and the account is liquidated from 1.05 down (support pages on liquidation in the Portfolio Margin
account, read 2026-11-30). Only one asset is margin of an isolated position, so multi-assets mode has none (-4168).
"""

import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from itertools import chain
from typing import NamedTuple

from schemas.margin import FigureSource, MarginPool, VenueRatio
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.binance.endpoints import BinanceEndpoints, spoken
from worker.venues.binance.open_rows import OpenRows
from worker.venues.binance.portfolio_margin import ACCOUNT
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.reading.margin import PoolFigures, cross_pool, inverted, isolated_pool, settle_of

UM_ACCOUNT, UM_CONFIGURATION = "fapiPrivateV3GetAccount", "fapiPrivateGetAccountConfig"
PORTFOLIO_PART = "portfolio"

LIQUIDATED_AT = Decimal("1.05")
"""The uniMMR that a Portfolio Margin account is liquidated at."""

FRESH_S = 300.0
"""For so long a reading on schedule believes what it knows of the multi-assets mode."""

USD = "USD"


class FamilyHeld(NamedTuple):
    """Positions of a family with the row of each."""

    positions: tuple[Position, ...]
    rows: OpenRows

    def pairs(self, mode: MarginMode) -> Iterable[tuple[Position, Row]]:
        """Those in a margin mode."""
        pairs = zip(self.positions, self.rows.rows, strict=True)
        return ((position, row) for position, row in pairs if position.margin_mode is mode)


class BinanceMargin:
    """The pools of one account."""

    def __init__(self, transport: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._multi_assets: tuple[float, bool] | None = None

    async def of_family(
        self, endpoints: BinanceEndpoints, held: FamilyHeld, *, held_only: bool
    ) -> tuple[MarginPool, ...]:
        """The pools of USDⓈ-M or of COIN-M. Raises VenueError."""
        if held_only and not held.positions:
            return ()
        if endpoints.inverse:
            return self._coin_margined(endpoints.coverage, held, held_only=held_only)
        return await self._usds_margined(endpoints.coverage, held, held_only=held_only)

    async def of_portfolio(self, positions: tuple[Position, ...]) -> MarginPool:
        """The one pool of a Portfolio Margin account. Raises VenueError."""
        asked = spoken(ACCOUNT)
        body = shape.mapping(await self._transport.call(ACCOUNT), asked)
        with shape.ReadFrom(asked):
            figures = _portfolio(body)
        return cross_pool("", PORTFOLIO_PART, figures, positions)

    async def _usds_margined(self, part: str, held: FamilyHeld, *, held_only: bool) -> tuple[MarginPool, ...]:
        asked = spoken(UM_ACCOUNT)
        body = shape.mapping(await self._transport.call(UM_ACCOUNT), asked)
        shared = await self._shares_assets(fresh=not held_only)
        with shape.ReadFrom(asked):
            if shared:
                figures = PoolFigures(
                    USD, shape.decimal(body, "totalMarginBalance"), shape.decimal(body, "totalMaintMargin")
                )
                return (cross_pool("", part, figures, held.positions),)
            assets = shape.rows(body.get("assets"), "the assets of an account")
            own = {id(position): shape.decimal(row, "maintMargin") for position, row in _all(held)}
            return _by_asset(part, assets, held, own, held_only=held_only)

    def _coin_margined(self, part: str, held: FamilyHeld, *, held_only: bool) -> tuple[MarginPool, ...]:
        """Position rows of COIN-M tell no maintenance margin; those of the account do."""
        body = held.rows.account or {}
        with shape.ReadFrom(spoken("dapiPrivateGetAccount")):
            rows = shape.rows(body.get("positions"), "the positions of an account")
            told = {(row.get("symbol"), row.get("positionSide")): row for row in rows}
            own = {
                id(position): shape.decimal(told.get((row.get("symbol"), row.get("positionSide")), {}), "maintMargin")
                for position, row in _all(held)
            }
            assets = shape.rows(body.get("assets"), "the assets of an account")
            return _by_asset(part, assets, held, own, held_only=held_only)

    async def _shares_assets(self, *, fresh: bool) -> bool:
        """Whether all assets of USDⓈ-M stand for all its positions (multi-assets mode)."""
        known = self._multi_assets
        if known is None or fresh or self._clock() - known[0] >= FRESH_S:
            asked = spoken(UM_CONFIGURATION)
            body = shape.mapping(await self._transport.call(UM_CONFIGURATION), asked)
            with shape.ReadFrom(asked):
                known = self._multi_assets = self._clock(), shape.boolean(body, "multiAssetsMargin")
        return known[1]


def _all(held: FamilyHeld) -> Iterable[tuple[Position, Row]]:
    return chain.from_iterable(held.pairs(mode) for mode in MarginMode)


def _by_asset(
    part: str, assets: Iterable[Row], held: FamilyHeld, own: Mapping[int, Decimal], *, held_only: bool
) -> tuple[MarginPool, ...]:
    """A pool of each asset that holds anything, and one of each isolated position; `own` are maintenance margins."""
    cross = [position for position, _ in held.pairs(MarginMode.CROSS)]
    settled = {asset: [row for row in cross if settle_of(row) == asset] for asset in map(settle_of, cross)}
    pools = []
    for row in assets:
        asset = shape.text(row, "asset")
        positions = settled.get(asset, [])
        equity = shape.decimal(row, "crossWalletBalance") + shape.decimal(row, "crossUnPnl")
        if positions or (equity and not held_only):
            maintenance = sum((own[id(position)] for position in positions), Decimal(0))
            pools.append(cross_pool(asset, part, PoolFigures(asset, equity, maintenance), positions))
    isolated = (
        isolated_pool(part, PoolFigures(settle_of(position), _isolated(row), own[id(position)]), position)
        for position, row in held.pairs(MarginMode.ISOLATED)
    )
    return (*pools, *isolated)


def _isolated(row: Row) -> Decimal:
    """`isolatedMargin` is `isolatedWallet` with the profit; COIN-M documents the first alone."""
    wallet, profit = shape.figure(row, "isolatedWallet"), shape.decimal(row, "unRealizedProfit")
    return shape.decimal(row, "isolatedMargin") if wallet is None else wallet + profit


def _portfolio(body: Row) -> PoolFigures:
    uni = shape.decimal(body, "uniMMR")
    return PoolFigures(
        USD,
        shape.decimal(body, "accountEquity"),
        shape.decimal(body, "accountMaintMargin"),
        ratio=inverted(uni, LIQUIDATED_AT),
        source=FigureSource.DERIVED,
        venue_ratio=VenueRatio(name="uniMMR", value=uni),
        status=shape.text(body, "accountStatus"),
    )
