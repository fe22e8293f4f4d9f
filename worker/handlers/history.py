"""Funding payments and realized profits."""

from schemas.replies import FundingHistory, RealizedPnl
from schemas.requests import GetFundingHistory, GetRealizedPnl, HistoryRequest
from worker.handlers.plan import QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, History, HistoryQuery


def _query(request: HistoryRequest, adapter: Adapter) -> HistoryQuery:
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None
    return HistoryQuery(market, request.market_type, request.since, request.limit)


def _coverage(history: History) -> dict[str, str]:
    """From when on the venue had all its records: later than `since` when it no longer keeps that much."""
    return {"Coverage-From": str(history.complete_from)}


def get_funding_history(request: GetFundingHistory, adapter: Adapter) -> QueryPlan[History]:
    """Funding payments, oldest first; received is positive."""
    query = _query(request, adapter)

    def present(history: History) -> QueryResult:
        data = FundingHistory(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=request.symbol,
            payments=history.entries,
            count=len(history.entries),
        )
        return QueryResult(data, _coverage(history))

    return QueryPlan(lambda: adapter.funding_history(query), present)


def get_realized_pnl(request: GetRealizedPnl, adapter: Adapter) -> QueryPlan[History]:
    """Realized profits and losses, oldest first, gross of fees."""
    query = _query(request, adapter)

    def present(history: History) -> QueryResult:
        data = RealizedPnl(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=request.symbol,
            entries=history.entries,
            count=len(history.entries),
        )
        return QueryResult(data, _coverage(history))

    return QueryPlan(lambda: adapter.realized_pnl(query), present)
