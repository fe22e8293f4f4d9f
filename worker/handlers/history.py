"""Funding payments and realized profits."""

from schemas.replies import FundingHistory, RealizedPnl
from schemas.requests import GetFundingHistory, GetRealizedPnl, HistoryRequest
from worker.handlers.coverage import unread_of
from worker.handlers.plan import QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, History, HistoryQuery


def _query(request: HistoryRequest, adapter: Adapter) -> HistoryQuery:
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None
    return HistoryQuery(market, request.market_type, request.since, request.limit, request.cursor)


def _coverage(history: History) -> dict[str, str]:
    """What is told whole: from when to when nothing is missing, or which parts could not be read; and what follows."""
    if unread := unread_of(history.parts):
        told = unread
    else:
        told = {"Coverage-From": str(history.complete_from), "Coverage-To": str(history.complete_to)}
    return told | ({"Next-Cursor": history.next_cursor} if history.next_cursor else {})


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
