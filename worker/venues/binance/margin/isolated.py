"""The margin of an isolated position: reading it, adding to it, taking some out.

Source: Modify Isolated Position Margin (USDⓈ-M and COIN-M, official clients 18.1 and 14.1, read 2026-11-30): `type` 1
adds and 2 reduces; the answer states code 200, the amount and the type. Portfolio Margin has no such endpoint. How much
may be taken out Binance does not tell.
"""

from decimal import Decimal

from schemas.base import Milliseconds
from worker.venues.binance.endpoints import BinanceEndpoints, spoken
from worker.venues.binance.positions import amount_of, mode_of
from worker.venues.binance.terms.settings import read_positions, read_rows
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.position_math import side_of
from worker.venues.port.adapter import Echo, IsolatedMargin, MarginMovement, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSupported
from worker.venues.reading.isolated import OpenSide, the_isolated

ADD, REDUCE = 1, 2
SIDES = {"LONG": "long", "SHORT": "short"}
"""The side of a position in hedge mode; in one-way mode a record does not tell it."""


async def read_margin(
    transport: Calls, endpoints: BinanceEndpoints, market: Market, side: str | None
) -> IsolatedMargin:
    """The margin of an isolated position now. Raises VenueError."""
    rows = await read_positions(transport, endpoints, market)
    with shape.ReadFrom(spoken(endpoints.positions), market.id):
        held = [OpenSide(side_of(amount_of(row)), mode_of(row), row) for row in rows if amount_of(row)]
        meant = the_isolated(market, held, side)
        wallet = _wallet(meant.row)
    return IsolatedMargin(meant.side, wallet, market.settle, wallet, meant.row)


def _wallet(row: Row) -> Decimal:
    """The margin without the profit. COIN-M documents `isolatedMargin` alone, which has it in."""
    wallet = shape.figure(row, "isolatedWallet")
    return shape.decimal(row, "isolatedMargin") - shape.decimal(row, "unRealizedProfit") if wallet is None else wallet


async def read_movements(
    transport: Calls, endpoints: BinanceEndpoints, market: Market, since: Milliseconds
) -> tuple[MarginMovement, ...] | None:
    """What was moved in a market from then on (Get Position Margin Change History, kept for 30 days)."""
    if endpoints.margin_history is None:
        return None
    asked = spoken(endpoints.margin_history)
    rows = await read_rows(transport, endpoints.margin_history, {"symbol": market.id, "startTime": str(since)})
    with shape.ReadFrom(asked, market.id):
        found = [_movement(row) for row in rows if row.get("symbol") == market.id]
    return tuple(sorted(found, key=lambda one: one.at))


def _movement(row: Row) -> MarginMovement:
    amount = abs(shape.decimal(row, "amount"))
    kind = shape.decimal(row, "type")
    return MarginMovement(
        shape.milliseconds(row, "time"), SIDES.get(str(row.get("positionSide"))), amount if kind == ADD else -amount
    )


async def move_margin(
    transport: ChangingCalls, door: Door, endpoints: BinanceEndpoints, market: Market, move: tuple[Row, Decimal]
) -> Echo:
    """Move margin into the position of a row, or out of it where the amount is negative."""
    row, amount = move
    if endpoints.isolated_margin is None:
        raise NotSupported("a Binance Portfolio Margin account has no isolated positions")
    params = {
        "symbol": market.id,
        "positionSide": shape.text(row, "positionSide"),
        "amount": f"{abs(amount).normalize():f}",
        "type": ADD if amount > 0 else REDUCE,
    }
    asked = spoken(endpoints.isolated_margin)
    raw = shape.mapping(await transport.change(door, endpoints.isolated_margin, params), asked)
    if raw.get("code") != 200:
        raise Ambiguous(f"Binance's answer to {asked} for {market.id} is not the documented one", raw=raw)
    return Echo(raw=raw, accepted=True)
