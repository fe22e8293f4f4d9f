"""Open positions."""

from schemas.replies import Positions
from schemas.requests import GetPositions
from worker.execution.calls import VenueCalls
from worker.execution.completion import Found
from worker.venues.seam import Adapter


async def get_positions(request: GetPositions, adapter: Adapter, calls: VenueCalls) -> Found:
    """All open positions of a market type, or those of one market."""
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None
    found = await calls.query(lambda: adapter.positions(request.market_type, market))
    return Found(Positions(positions=found.positions, count=len(found.positions)))
