"""The margin of an isolated position: reading it, adding to it, taking some out.

Source: Increase/decrease margin (python-okx 0.4.4 and the documents of 2026-07): the answer repeats instrument, side,
type and amount. OKX works out the leverage of the position anew. `margin` of a row is without the profit.

What was moved stands in the bills of the last seven days: type 6, "Margin transfer", with the subtypes 160 and 161 for
what was moved by hand; `posBalChg` is the change of the position's balance. A bill names no side. Which sign it has of
margin that was taken out no document shows, so that the subtype alone is believed.
"""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from schemas.base import Milliseconds
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.okx.answers import MARGIN_BALANCE, POSITIONS, RECENT_BILLS, instant, items, only_item, reading
from worker.venues.okx.positions import mode_of_row, side_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, IsolatedMargin, MarginMovement, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.isolated import OpenSide, the_isolated

MARGIN_TRANSFER = "6"
SIGNS: Mapping[str, int] = MappingProxyType({"160": 1, "161": -1})
"""Of the subtypes of bills: manual margin increase, manual margin decrease."""


def margin_in(rows: list[Row], market: Market, side: str | None) -> IsolatedMargin:
    """The margin of an isolated position among those of a market. Raises PreconditionFailed and Ambiguous."""
    meant = the_isolated(market, [OpenSide(side_of(row), mode_of_row(row), row) for row in rows], side)
    with reading(POSITIONS, meant.row):
        margin = shape.decimal(meant.row, "margin")
    return IsolatedMargin(meant.side, margin, market.settle, margin, meant.row)


async def move_margin(transport: ChangingCalls, door: Door, market: Market, held: Row, amount: Decimal) -> Echo:
    """Move margin into the position of a row, or out of it where the amount is negative."""
    params = {
        "instId": market.id,
        "posSide": shape.text(held, "posSide"),
        "type": "add" if amount > 0 else "reduce",
        "amt": f"{abs(amount).normalize():f}",
    }
    raw = only_item(await transport.change(door, "privatePostAccountPositionMarginBalance", params), MARGIN_BALANCE)
    if raw.get("instId") != market.id:
        raise Ambiguous(f"OKX answered for {raw.get('instId')}, not for {market.id}", raw=raw)
    return Echo(raw=raw, accepted=True)


async def read_movements(transport: Calls, market: Market, since: Milliseconds) -> tuple[MarginMovement, ...]:
    """What was moved by hand in a market from then on: the newest hundred such bills."""
    params = {"type": MARGIN_TRANSFER, "instId": market.id, "begin": str(since)}
    rows = items(await transport.call("privateGetAccountBills", params), RECENT_BILLS)
    ours = (row for row in rows if row.get("instId") == market.id and row.get("subType") in SIGNS)
    found = [move for move in map(_movement, ours) if move.at >= since]
    return tuple(sorted(found, key=lambda move: move.at))


def _movement(row: Row) -> MarginMovement:
    with reading(RECENT_BILLS, row):
        return MarginMovement(
            instant(row, "ts"), None, SIGNS[str(row["subType"])] * abs(shape.decimal(row, "posBalChg"))
        )
