"""Funding payments and realized profits."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from schemas.replies import FundingHistory, RealizedPnl
from schemas.requests import GetFundingHistory, GetRealizedPnl, HistoryRequest
from worker.handlers.coverage import unread_of
from worker.handlers.plan import QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, History, HistoryQuery
from worker.venues.port.errors import UnknownSymbol


class _Asked(NamedTuple):
    """The question, and why its symbol is not listed, if it is not."""

    query: HistoryQuery
    unlisted: UnknownSymbol | None


def _asked(request: HistoryRequest, adapter: Adapter) -> _Asked:
    """The question of a request. A symbol that is listed no longer can be asked about. Raises UnknownSymbol."""
    market, unlisted = None, None
    if request.symbol:
        try:
            market = adapter.market(request.symbol, request.market_type)
        except UnknownSymbol as error:
            market, unlisted = adapter.past_market(request.symbol, request.market_type), error
            if "suggestion" in error.details or market is None:
                raise
    query = HistoryQuery(market, request.market_type, request.since, request.limit, request.cursor)
    return _Asked(query, unlisted)


async def _read(read: Callable[[HistoryQuery], Awaitable[History]], asked: _Asked) -> History:
    """The history. Raises UnknownSymbol where a symbol is not listed and the venue has no record of it either."""
    history = await read(asked.query)
    if asked.unlisted and not (history.entries or history.next_cursor or asked.query.cursor):
        raise asked.unlisted
    return history


def _coverage(history: History) -> dict[str, str]:
    """What is told whole: from when to when nothing is missing, or which parts could not be read; and what follows."""
    if unread := unread_of(history.parts):
        told = unread
    else:
        told = {"Coverage-From": str(history.complete_from), "Coverage-To": str(history.complete_to)}
    return told | ({"Next-Cursor": history.next_cursor} if history.next_cursor else {})


def get_funding_history(request: GetFundingHistory, adapter: Adapter) -> QueryPlan[History]:
    """Funding payments, oldest first; received is positive."""
    asked = _asked(request, adapter)

    def present(history: History) -> QueryResult:
        data = FundingHistory(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=request.symbol,
            payments=history.entries,
            count=len(history.entries),
        )
        return QueryResult(data, _coverage(history))

    return QueryPlan(lambda: _read(adapter.funding_history, asked), present)


def get_realized_pnl(request: GetRealizedPnl, adapter: Adapter) -> QueryPlan[History]:
    """Realized profits and losses, oldest first, gross of fees."""
    asked = _asked(request, adapter)

    def present(history: History) -> QueryResult:
        data = RealizedPnl(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            symbol=request.symbol,
            entries=history.entries,
            count=len(history.entries),
        )
        return QueryResult(data, _coverage(history))

    return QueryPlan(lambda: _read(adapter.realized_pnl, asked), present)
