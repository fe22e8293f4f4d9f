"""Setting and reading leverage."""

from functools import partial

from schemas.replies import Leverage, LeverageEcho, LeverageSet
from schemas.requests import GetLeverage, SetLeverage
from worker.handlers.leverage_tiers import require_tier
from worker.handlers.plan import Applied, CommandPlan, Confirmed, QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, SymbolState


def set_leverage(request: SetLeverage, adapter: Adapter) -> CommandPlan:
    """Set the leverage of a market; confirmed by the venue's echo, else by reading it back."""
    market, leverage = adapter.market(request.symbol, request.market_type), request.leverage

    def present(confirmed: Confirmed) -> Applied:
        return Applied(
            message=f"Leverage set to {leverage.normalize():f}x for {market.symbol}",
            data=LeverageSet(
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                symbol=market.symbol,
                leverage=leverage,
                result=LeverageEcho(leverage=leverage, symbol=market.id),
            ),
            applied={"symbol": market.symbol, "leverage": leverage},
            confirmed=confirmed,
        )

    return CommandPlan(
        check=partial(adapter.check_leverage, market, leverage)
        if request.notional is None
        else partial(require_tier, adapter, market, leverage, request.notional),
        send=partial(adapter.set_leverage, market, leverage),
        echoed=lambda echo: echo.leverage == leverage,
        read_back=partial(adapter.terms, market),
        shown=lambda terms: terms.all_at(leverage),
        present=present,
    )


def get_leverage(request: GetLeverage, adapter: Adapter) -> QueryPlan[SymbolState]:
    """Leverage, margin mode and position of a market, flat or not."""
    market = adapter.market(request.symbol, request.market_type)

    def present(state: SymbolState) -> QueryResult:
        return QueryResult(
            Leverage(
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                symbol=market.symbol,
                leverage=state.terms.leverage or None,  # as in positions
                margin_mode=state.terms.margin_mode,
                position_side=state.side,
                position_size=state.size * market.contract_size,
                notional=state.notional,
                unrealized_pnl=state.unrealized_pnl,
            )
        )

    return QueryPlan(partial(adapter.symbol_state, market), present)
