"""Open positions."""

from schemas.replies import Positions
from schemas.requests import GetPositions
from worker.handlers.coverage import read_of, unread_of
from worker.handlers.plan import QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, OpenPositions


def get_positions(request: GetPositions, adapter: Adapter) -> QueryPlan[OpenPositions]:
    """All open positions of a market type, or those of one market."""
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None

    def present(found: OpenPositions) -> QueryResult:
        data = Positions(positions=found.positions, count=len(found.positions))
        return QueryResult(data, read_of(found.parts) | unread_of(found.parts))

    return QueryPlan(lambda: adapter.positions(request.market_type, market), present)
