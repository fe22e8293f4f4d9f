"""The margin of an isolated position: reading it, adding to it, taking some out.

Source: Add Or Reduce Margin (V5, read 2026-11-30): a negative `margin` reduces, four decimals at most, `positionIdx`
names the side. That `positionBalance` of the position list shows what was moved is a guess for unified accounts; where
it does not, nothing is confirmed by it.
"""

from decimal import Decimal

from worker.venues.bybit.account import AccountInfo
from worker.venues.bybit.listing import blank, named, result_of
from worker.venues.bybit.positions import side_of, size_of
from worker.venues.bybit.terms.settings import POSITIONS, category_of
from worker.venues.client.transport import ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, IsolatedMargin, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, ValueRefused
from worker.venues.reading.isolated import OpenSide, the_isolated

ADD_MARGIN, TOLD = "privatePostV5PositionAddMargin", "POST /v5/position/add-margin"
STEP = Decimal("0.0001")


def check_amount(amount: Decimal) -> None:
    """Raise ValueRefused for more decimals than Bybit takes."""
    if amount % STEP:
        raise ValueRefused(f"Bybit moves margin in steps of {STEP}, not {amount:f}", details={"step": STEP})


def margin_in(rows: list[Row], info: AccountInfo, market: Market, side: str | None) -> IsolatedMargin:
    """The margin of an isolated position among those of a market. Raises PreconditionFailed and Ambiguous."""
    held = [OpenSide(side_of(row), info.mode_of(row, inverse=market.inverse), row) for row in rows if size_of(row)]
    meant = the_isolated(market, held, side)
    with named(meant.row, POSITIONS.told):
        margin = Decimal(0) if blank(meant.row, "positionBalance") else shape.decimal(meant.row, "positionBalance")
    return IsolatedMargin(meant.side, margin, market.settle, margin, meant.row)


async def move_margin(transport: ChangingCalls, door: Door, market: Market, held: Row, amount: Decimal) -> Echo:
    """Move margin into the position of a row, or out of it where the amount is negative."""
    params = {
        "category": category_of(market),
        "symbol": market.id,
        "margin": f"{amount.normalize():f}",
        "positionIdx": held.get("positionIdx", 0),
    }
    raw = result_of(await transport.change(door, ADD_MARGIN, params), TOLD)
    if raw.get("symbol") != market.id:
        raise Ambiguous(f"Bybit answered for {raw.get('symbol')}, not for {market.id}", raw=raw)
    return Echo(raw=raw, accepted=True)
