"""The margin of an isolated position: reading it, adding to it, taking some out.

Source: gate-api 7.2.161, "Update position margin" and the same of hedge mode, read 2026-11-30: `change` is negative to
take some out, `dual_side` names the side, and the answer is the position as it is then.
"""

from decimal import Decimal
from typing import Any

from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.gate.endpoints import part_of, reading
from worker.venues.gate.positions import Holding, address, amount_of, margin_mode_of, read_holding
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.position_math import side_of
from worker.venues.port.adapter import Echo, IsolatedMargin, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.isolated import OpenSide, the_isolated

SINGLE = "single"


async def read_margin(transport: Calls, market: Market, side: str | None) -> IsolatedMargin:
    """The margin of an isolated position now. Raises VenueError."""
    holding: Holding = await read_holding(transport, market)
    with reading(f"{market.id}, GET {part_of(market).path}/positions"):
        held = [OpenSide(side_of(amount_of(row)), margin_mode_of(row), row) for row in holding.rows if amount_of(row)]
        meant = the_isolated(market, held, side)
        margin = shape.decimal(meant.row, "margin")
    return IsolatedMargin(meant.side, margin, market.settle, margin, meant.row)


async def move_margin(transport: ChangingCalls, door: Door, market: Market, held: Row, amount: Decimal) -> Echo:
    """Move margin into the position of a row, or out of it where the amount is negative."""
    endpoints, params = part_of(market).endpoints, {**address(market), "change": f"{amount.normalize():f}"}
    name, mode = endpoints.margin, str(held.get("mode") or SINGLE)
    if mode != SINGLE and endpoints.hedged is not None:
        name, params = endpoints.hedged.margin, {**params, "dual_side": mode}
    body = await transport.change(door, name, params)
    raw = _of(market, body, mode)
    return Echo(raw=raw, accepted=True)


def _of(market: Market, body: Any, mode: str) -> Row:
    """The position in the answer. Raises Ambiguous where it is of another."""
    rows = shape.rows(body, "margin") if isinstance(body, list) else [shape.mapping(body, "margin")]
    for row in rows:
        if row.get("contract") == market.id and row.get("mode", SINGLE) == mode:
            return row
    raise Ambiguous(f"Gate's answer has no {mode} position in {market.id}", raw=body)
