"""Leverage of Newvenue's markets: reading it, and changing it.

Read: the pages of each endpoint that changes a setting. Find out: what it changes beside what it is named for (the
margin mode? the other side? the whole account?), what its answer states, and whether that is what is in force or only
what was asked for. An `Echo` holds what the answer itself states; what it does not state, is left None and read back.
"""

from decimal import Decimal

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous


async def set_leverage(transport: ChangingCalls, door: Door, market: Market, leverage: Decimal) -> Echo:
    """Set the leverage of a market. Raises Ambiguous for an answer that is not about it."""
    params = {"instrument": market.id, "leverage": f"{leverage.normalize():f}"}
    row = _about(market, await transport.change(door, "privatePostLeverage", params), "POST /v1/leverage")
    return Echo(raw=row, leverage=shape.decimal(row, "leverage"))


async def read_terms(transport: Calls, market: Market) -> MarginSettings:
    """Leverage and margin mode of a market, with or without a position."""
    endpoint = "GET /v1/settings"
    row = _about(market, await transport.call("privateGetSettings", {"instrument": market.id}), endpoint)
    with shape.ReadFrom(endpoint, market.id):
        return MarginSettings(shape.decimal(row, "leverage"), margin_mode(row), raw=row)


def margin_mode(row: Row) -> MarginMode:
    """The margin mode that a row tells. Raises Ambiguous for one that nobody knows."""
    try:
        return MarginMode(shape.text(row, "margin_mode"))
    except ValueError:
        raise Ambiguous("the field margin_mode of the venue's answer is unreadable", raw=row) from None


def _about(market: Market, body: object, endpoint: str) -> Row:
    row = shape.mapping(body, endpoint)
    if (told := shape.text(row, "instrument")) != market.id:
        raise Ambiguous(f"Newvenue answered for {told}, not for {market.id} ({endpoint})", raw=row)
    return row
