"""How near a Bybit account is to liquidation.

```
unified, cross or portfolio   one pool in USD: accountMMRate, which is our ratio by its own name
isolated                      each position's own margin (positionBalance) with its profit
not unified                   each coin of the contract wallet
```

Sources: Get Wallet Balance and Get Position Info, read 2026-11-30. The figures of the whole account are empty where all
is isolated, and for the wallet of contracts. Maintenance over margin balance is liquidated at 1 (100 %).
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from schemas.margin import FigureSource, MarginPool, VenueRatio
from schemas.replies import Position
from schemas.requests import MarginMode
from worker.venues.bybit.listing import blank, result_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.margin import PoolFigures, cross_pool, isolated_pool, settle_of

WALLET, TOLD = "privateGetV5AccountWalletBalance", "GET /v5/account/wallet-balance"
UNIFIED, CONTRACT = "unified", "contract"
TYPES = {UNIFIED: "UNIFIED", CONTRACT: "CONTRACT"}
"""The parts of an account that a wallet stands for, and Bybit's words for them."""

USD = "USD"
NO_MARGIN = "Bybit tells no margin of this position (positionBalance)"
NO_MAINTENANCE = "Bybit tells no maintenance margin of isolated positions that are not unified"
MIXED = "Bybit tells the maintenance margin of a coin with that of isolated positions in it"

Pairs = Sequence[tuple[Position, Row]]


async def read_pools(transport: Calls, part: str, pairs: Pairs, *, held_only: bool) -> tuple[MarginPool, ...]:
    """The pools of the unified part of an account, or of the rest. Raises VenueError."""
    isolated = [isolated_pool(part, _isolated(part, position, row), position) for position, row in _in(pairs, True)]
    cross = [position for position, _ in _in(pairs, False)]
    if not cross and (held_only or isolated):
        return tuple(isolated)
    wallet = await _wallet(transport, TYPES[part])
    with shape.ReadFrom(TOLD):
        if part == CONTRACT:
            return (*_by_coin(wallet, pairs, held_only=held_only), *isolated)
        return (cross_pool("", part, _unified(wallet), cross), *isolated) if _is_shared(wallet) else tuple(isolated)


def _in(pairs: Pairs, is_isolated: bool) -> Iterable[tuple[Position, Row]]:
    return ((position, row) for position, row in pairs if (position.margin_mode is MarginMode.ISOLATED) is is_isolated)


async def _wallet(transport: Calls, kind: str) -> Row:
    rows = shape.rows(result_of(await transport.call(WALLET, {"accountType": kind}), TOLD).get("list"), TOLD)
    if len(rows) != 1:
        raise Ambiguous(f"Bybit's answer to {TOLD} has {len(rows)} accounts, not one", raw=rows)
    return rows[0]


def _is_shared(wallet: Row) -> bool:
    """Whether the account has margin that its positions share: it tells no rate where all is isolated."""
    return not blank(wallet, "totalMarginBalance")


def _unified(wallet: Row) -> PoolFigures:
    rate = _figure(wallet, "accountMMRate")
    return PoolFigures(
        USD,
        shape.decimal(wallet, "totalMarginBalance"),
        _figure(wallet, "totalMaintenanceMargin"),
        ratio=rate,
        source=FigureSource.VENUE,
        venue_ratio=None if rate is None else VenueRatio(name="accountMMRate", value=rate),
    )


def _isolated(part: str, position: Position, row: Row) -> PoolFigures:
    """That `positionBalance` is the margin of an isolated position of a unified account as well is a guess."""
    held = _figure(row, "positionBalance")
    equity = held + position.unrealized_pnl if held else None
    maintenance = _figure(row, "positionMM") if part == UNIFIED else None
    untold = {} if equity is not None else {"equity": NO_MARGIN, "margin_ratio": NO_MARGIN}
    if maintenance is None:
        untold |= {"maintenance_margin": NO_MAINTENANCE, "margin_ratio": NO_MAINTENANCE}
    return PoolFigures(settle_of(position), equity, maintenance, untold=untold)


def _by_coin(wallet: Row, pairs: Pairs, *, held_only: bool) -> list[MarginPool]:
    pools = []
    for row in shape.rows(wallet.get("coin"), "the coins of a wallet"):
        coin = shape.text(row, "coin")
        own = [(position, its) for position, its in pairs if settle_of(position) == coin]
        cross = [position for position, _ in _in(own, False)]
        if cross or (not held_only and shape.decimal(row, "equity")):
            pools.append(cross_pool(coin, CONTRACT, _of_coin(coin, row, list(_in(own, True))), cross))
    return pools


def _of_coin(coin: str, row: Row, isolated: Pairs) -> PoolFigures:
    bound = sum((shape.decimal(its, "positionBalance") + held.unrealized_pnl for held, its in isolated), Decimal(0))
    maintenance = None if isolated else _figure(row, "totalPositionMM")
    untold = {} if maintenance is not None else {"maintenance_margin": MIXED, "margin_ratio": MIXED}
    return PoolFigures(coin, shape.decimal(row, "equity") - bound, maintenance, untold=untold)


def _figure(row: Row, name: str) -> Decimal | None:
    return None if blank(row, name) else shape.decimal(row, name)
