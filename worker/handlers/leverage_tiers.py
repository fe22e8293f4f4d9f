"""Reading leverage tiers, and what they say of a leverage for a position of some size."""

from collections.abc import Sequence
from decimal import Decimal
from functools import partial

from schemas.replies import LeverageTier, LeverageTiers
from schemas.requests import GetLeverageTiers
from worker.handlers.coverage import unread_of
from worker.handlers.plan import QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, Market, TiersRead
from worker.venues.port.errors import Ambiguous, NotSent, ValueRefused


def get_leverage_tiers(request: GetLeverageTiers, adapter: Adapter) -> QueryPlan[TiersRead]:
    """The tiers of a market, or of all of a type."""
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None

    def present(read: TiersRead) -> QueryResult:
        data = LeverageTiers(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=request.symbol,
            markets=read.markets,
            count=len(read.markets),
            as_of=read.as_of,
        )
        return QueryResult(data, unread_of(read.parts))

    return QueryPlan(partial(adapter.leverage_tiers, market, request.market_type), present)


async def require_tier(adapter: Adapter, market: Market, leverage: Decimal, notional: Decimal) -> None:
    """Raise ValueRefused where the market can't have the leverage, or none of its positions of this size.

    By what the venue says now. Raises NotSent where the tiers can't be read: nothing was changed then.
    """
    await adapter.check_leverage(market, leverage)
    for anew in (False, True):  # what was read within the hour may have changed since, and only refuses when read anew
        try:
            read = await adapter.leverage_tiers(market, market.type, anew=anew)
        except Ambiguous as doubt:
            raise NotSent(f"its tiers can't be read, so nothing was changed: {doubt.message}") from doubt
        told = read.markets[0]
        maximum = highest_leverage(told.tiers, notional)
        if leverage <= maximum:
            return
    at = f"at {notional.normalize():f} {told.currency}"
    takes = f"takes 1x to {maximum.normalize():f}x {at}" if maximum else f"has no tier {at}"
    raise ValueRefused(
        f"{market.symbol} {takes}, not {leverage.normalize():f}x",
        details={"symbol": market.symbol, "notional": notional, "currency": told.currency, "maximum": maximum},
    )


def highest_leverage(tiers: Sequence[LeverageTier], notional: Decimal) -> Decimal:
    """The highest leverage that a position of this size may have; 0 beyond the last tier."""
    fitting = (tier.max_leverage for tier in tiers if tier.notional_cap is None or notional <= tier.notional_cap)
    return max(fitting, default=Decimal(0))
