"""How near a Gate account is to liquidation.

```
classic                        the cross margin of each settle currency, and each isolated position's own
unified, one currency          the cross margin of USDT
unified, several, portfolio    one pool in USD
```

Sources: gate-api 7.2.161, `FuturesAccount`, `Position`, `DeliveryPosition`, `UnifiedAccount` and `UnifiedBalance`, read
2026-11-30. The account of each settle currency says by `margin_mode` what the whole account is. Which way Gate's own
rates (`cross_mmr`, `mmr`, `total_maintenance_margin_rate`) grow is not written there: they are told as they are, and
our ratio is made of maintenance margin and balance.
"""

from collections.abc import Sequence
from decimal import Decimal

from schemas.margin import MarginPool, VenueRatio
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import GatePart, reading
from worker.venues.gate.errors import NO_ACCOUNT
from worker.venues.gate.positions import figure_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Refused
from worker.venues.reading.margin import PoolFigures, cross_pool, isolated_pool, settle_of

UNIFIED, UNIFIED_TOLD = "privateUnifiedGetAccounts", "GET /unified/accounts"
CLASSIC, SINGLE_CURRENCY = 0, 3
USD = "USD"
NOT_TOLD = "Gate tells it of new classic accounts only"
NO_MAINTENANCE = "Gate tells no maintenance margin of it"

Pairs = Sequence[tuple[Position, Row]]


async def read_pools(transport: Calls, part: GatePart, pairs: Pairs, *, held_only: bool) -> tuple[MarginPool, ...]:
    """The pools of a settle currency. Those of a unified account are told by each that holds a part of it.

    Raises VenueError.
    """
    isolated = tuple(
        isolated_pool(part.coverage, _isolated(position, row), position)
        for position, row in pairs
        if position.margin_mode is MarginMode.ISOLATED
    )
    cross = [position for position, _ in pairs if position.margin_mode is MarginMode.CROSS]
    if held_only and not cross:
        return isolated
    account = await _account(transport, part)
    if account is None:
        return isolated
    if account.get("margin_mode") in (None, CLASSIC):
        with reading(f"GET {part.path}/accounts"):
            figures = _classic(account, part)
        shared = cross_pool("cross", part.coverage, figures, cross)
        return (shared, *isolated) if cross or figures.equity else isolated
    return (await _unified(transport, part, cross), *isolated)


async def _account(transport: Calls, part: GatePart) -> Row | None:
    """The account of a settle currency; None where there is none yet."""
    try:
        body = await transport.call(part.endpoints.wallet, {"settle": part.settle})
    except Refused as refusal:
        if refusal.venue_code != NO_ACCOUNT:
            raise
        return None
    return shape.mapping(body, f"GET {part.path}/accounts")


def _classic(account: Row, part: GatePart) -> PoolFigures:
    equity = figure_of(account, "cross_margin_balance")
    return _figures(
        str(account.get("currency") or part.settle.upper()),
        equity,
        figure_of(account, "cross_maintenance_margin"),
        ("cross_mmr", figure_of(account, "cross_mmr")),
    )


async def _unified(transport: Calls, part: GatePart, cross: Sequence[Position]) -> MarginPool:
    body = shape.mapping(await transport.call(UNIFIED), UNIFIED_TOLD)
    with reading(UNIFIED_TOLD):
        if body.get("mode") == "single_currency":
            return cross_pool("cross", part.coverage, _one_currency(body, part), cross)
        figures = _figures(
            USD,
            figure_of(body, "total_margin_balance"),
            figure_of(body, "total_maintenance_margin"),
            ("total_maintenance_margin_rate", figure_of(body, "total_maintenance_margin_rate")),
        )
    return cross_pool("unified", part.coverage, figures, cross)


def _one_currency(body: Row, part: GatePart) -> PoolFigures:
    currency = part.settle.upper()
    balances = shape.mapping(body.get("balances"), "the balances of a unified account")
    row = shape.mapping(balances.get(currency, {}), currency)
    told = figure_of(row, "margin_balance"), figure_of(row, "mm")
    return _figures(currency, *told, ("mmr", figure_of(row, "mmr")))


def _isolated(position: Position, row: Row) -> PoolFigures:
    """`margin` is without the profit. A delivery tells its maintenance margin under portfolio margin only."""
    with reading(f"{row.get('contract')}, positions"):
        margin = shape.decimal(row, "margin")
        maintenance = figure_of(row, "maintenance_margin") or None
    untold = {} if maintenance else {"maintenance_margin": NO_MAINTENANCE, "margin_ratio": NO_MAINTENANCE}
    return PoolFigures(settle_of(position), margin + position.unrealized_pnl, maintenance, untold=untold)


def _figures(
    currency: str, equity: Decimal | None, maintenance: Decimal | None, rate: tuple[str, Decimal | None]
) -> PoolFigures:
    name, value = rate
    missing = {"equity": equity, "maintenance_margin": maintenance}
    untold = {field: NOT_TOLD for field, figure in missing.items() if figure is None}
    return PoolFigures(
        currency,
        equity,
        maintenance,
        venue_ratio=None if value is None else VenueRatio(name=name, value=value),
        untold=untold | ({"margin_ratio": NOT_TOLD} if untold else {}),
    )
