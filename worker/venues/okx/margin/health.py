"""How near an OKX account is to liquidation.

```
futures mode                 each currency's cross margin: its own mgnRatio
multi-currency, portfolio    one pool in USD: the account's mgnRatio
isolated                     each position's own margin with its profit, and its mgnRatio
```

OKX's `mgnRatio` shrinks with the danger: equity over maintenance margin and the fee of being liquidated. At 100 % (1)
the account is taken over, so that ours is its inverse.

Source: Get balance and Get positions (2026-07). Which account mode it is, the answer tells by itself: `adjEq` and the
`mgnRatio` beside it are empty in futures mode, and those of the currencies elsewhere.
"""

from collections.abc import Sequence
from decimal import Decimal

from schemas.margin import FigureSource, MarginPool, VenueRatio
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import BALANCE, only_item, optional
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.reading.margin import PoolFigures, cross_pool, inverted, isolated_pool, settle_of

ACCOUNT = "account"
USD = "USD"
NO_RATIO = "OKX tells no mgnRatio of it"

Pairs = Sequence[tuple[Position, Row]]


async def read_pools(transport: Calls, pairs: Pairs, *, held_only: bool) -> tuple[MarginPool, ...]:
    """All pools of an account. Raises VenueError."""
    cross = [position for position, _ in pairs if position.margin_mode is MarginMode.CROSS]
    own = [(position, row) for position, row in pairs if position.margin_mode is MarginMode.ISOLATED]
    isolated = tuple(isolated_pool(ACCOUNT, _isolated(position, row), position) for position, row in own)
    if held_only and not cross:
        return isolated
    row = only_item(await transport.call("privateGetAccountBalance"), BALANCE)
    with shape.ReadFrom(BALANCE):
        if optional(row, "adjEq") is not None:
            return (cross_pool("", ACCOUNT, _figures(row, USD, shape.decimal(row, "adjEq")), cross), *isolated)
        return (*_by_currency(row, cross, held_only=held_only), *isolated)


def _by_currency(row: Row, cross: Sequence[Position], *, held_only: bool) -> list[MarginPool]:
    pools = []
    for detail in shape.rows(row.get("details"), "the details of a balance"):
        currency = shape.text(detail, "ccy")
        positions = [position for position in cross if settle_of(position) == currency]
        equity = shape.decimal(detail, "eq") - (optional(detail, "isoEq") or Decimal(0))
        if positions or (equity and not held_only):
            pools.append(cross_pool(currency, ACCOUNT, _figures(detail, currency, equity), positions))
    return pools


def _figures(row: Row, currency: str, equity: Decimal) -> PoolFigures:
    """Without a position there is nothing to maintain, and `mmr` and `mgnRatio` may be empty."""
    maintenance, ratio = optional(row, "mmr") or Decimal(0), optional(row, "mgnRatio")
    return _with_ratio(currency, equity, maintenance, ratio)


def _isolated(position: Position, row: Row) -> PoolFigures:
    with shape.ReadFrom(BALANCE, str(row.get("instId"))):
        equity = shape.decimal(row, "margin") + shape.decimal(row, "upl")
        return _with_ratio(settle_of(position), equity, optional(row, "mmr"), optional(row, "mgnRatio"))


def _with_ratio(currency: str, equity: Decimal, maintenance: Decimal | None, ratio: Decimal | None) -> PoolFigures:
    return PoolFigures(
        currency,
        equity,
        maintenance,
        ratio=inverted(ratio),
        source=FigureSource.VENUE,
        venue_ratio=None if ratio is None else VenueRatio(name="mgnRatio", value=ratio),
        untold={} if maintenance is not None else {"maintenance_margin": NO_RATIO, "margin_ratio": NO_RATIO},
    )
