"""Setting and reading leverage."""

from schemas.replies import Leverage, LeverageEcho, LeverageSet
from schemas.requests import GetLeverage, SetLeverage
from worker.execution.calls import VenueCalls
from worker.execution.completion import Done, Found
from worker.execution.confirmation import Change, carry_out
from worker.execution.retries import SETTER
from worker.venues.seam import Adapter


async def set_leverage(request: SetLeverage, adapter: Adapter, calls: VenueCalls) -> Done:
    """Set the leverage of a market; confirmed by the venue's echo, else by reading it back."""
    market = adapter.market(request.symbol, request.market_type)
    await calls.check(lambda: adapter.check_leverage(market, request.leverage))
    change = Change(
        send=lambda: adapter.set_leverage(market, request.leverage),
        echoed=lambda echo: echo.leverage == request.leverage,
        read_back=lambda: adapter.terms(market),
        shown=lambda terms: terms.all_at(request.leverage),
        retries=SETTER,
    )
    confirmed = await carry_out(change, calls)
    leverage = f"{request.leverage.normalize():f}"
    return Done(
        message=f"Leverage set to {leverage}x for {market.symbol}",
        data=LeverageSet(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=market.symbol,
            leverage=request.leverage,
            result=LeverageEcho(leverage=request.leverage, symbol=market.id),
        ),
        applied={"symbol": market.symbol, "leverage": request.leverage},
        confirmed=confirmed,
    )


async def get_leverage(request: GetLeverage, adapter: Adapter, calls: VenueCalls) -> Found:
    """Leverage, margin mode and position of a market, flat or not."""
    market = adapter.market(request.symbol, request.market_type)
    state = await calls.query(lambda: adapter.symbol_state(market))
    return Found(
        Leverage(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=market.symbol,
            leverage=state.terms.leverage,
            margin_mode=state.terms.margin_mode,
            position_side=state.side,
            position_size=state.size,
            notional=state.notional,
            unrealized_pnl=state.unrealized_pnl,
        )
    )
