"""How near an account is to liquidation."""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from schemas.base import Milliseconds
from schemas.margin import GetMarginHealth, MarginHealth, UnreadMargin
from worker.handlers.coverage import read_of, unread_of
from worker.handlers.plan import QueryPlan, QueryResult
from worker.runtime import clock
from worker.venues.port.adapter import Adapter, MarginRead
from worker.venues.reading.margin import nearest_of

Read = tuple[Milliseconds, MarginRead]


def get_margin_health(request: GetMarginHealth, adapter: Adapter) -> QueryPlan[Read]:
    """The pools of an account, as its venue tells them now."""

    def present(read: Read) -> QueryResult:
        asked, found = read
        data = MarginHealth(**health_of(adapter.exchange, request.exchange_account_id, asked, found))
        return QueryResult(data, read_of(found.parts) | unread_of(found.parts))

    return QueryPlan(_asked(adapter), present)


def health_of(exchange: str, account: str, asked: Milliseconds, found: MarginRead) -> dict[str, object]:
    """What was read, with the worst of it, as the fields of an answer or of an event."""
    ratios = [pool.margin_ratio for pool in found.pools if pool.margin_ratio is not None]
    worst: Decimal | None = max(ratios, default=None)
    return {
        "exchange": exchange,
        "exchange_account_id": account,
        "as_of": asked,
        "coverage": tuple(part.name for part in found.parts if part.unread is None),
        "unread": tuple(UnreadMargin(part=part.name, reason=part.unread) for part in found.parts if part.unread),
        "pools": found.pools,
        "worst_ratio": worst,
        "nearest_liquidation": nearest_of(filter(None, (pool.nearest_liquidation for pool in found.pools))),
    }


def _asked(adapter: Adapter) -> Callable[[], Awaitable[Read]]:
    async def read() -> Read:
        """Raises VenueError where no pool can be read at all."""
        asked = clock.now()
        found = await adapter.margin_health()
        if found.problem is not None and not found.pools and all(part.unread for part in found.parts):
            raise found.problem
        return asked, found

    return read
