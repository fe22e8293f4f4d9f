"""Position modes of a Bybit account: each market has one, and only perpetuals in USDT have any but one-way.

Source, read 2026-11-30: V5 "Switch Position Mode" (`symbol`, or `coin` for all that settle in it: those without
position and order are switched, the others are not, and the answer says nothing of them; 110025 so already, 110024
position, 110028 orders, 110029 no hedge mode), "Get Position Info" (`positionIdx` 0 is one-way), "Get Open Orders".
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from schemas.outcomes import Scope
from schemas.replies import PositionModePart
from schemas.requests import MarketType, PositionMode
from worker.venues.bybit.listing import Listing
from worker.venues.bybit.terms.settings import category_of, read_positions
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous

SWITCH_MODE = "privatePostV5PositionSwitchMode"
ORDERS = Listing("/v5/order/realtime", 50)

HEDGEABLE = "USDT"
"""The settle coin whose perpetuals have a hedge mode."""

REFERENCE = "BTCUSDT"
"""A market that everybody can trade: its rows tell the position mode while nothing is open."""

WRITTEN: Mapping[PositionMode, int] = MappingProxyType({PositionMode.ONE_WAY: 0, PositionMode.HEDGE: 3})

MODES: Mapping[object, PositionMode] = MappingProxyType(
    {0: PositionMode.ONE_WAY, 1: PositionMode.HEDGE, 2: PositionMode.HEDGE}
)
"""The position mode by `positionIdx`."""

OF_A_SAMPLE = (
    f"Bybit tells no mode of all markets that settle in {HEDGEABLE}: nothing was open there when it was switched, and "
    f"{REFERENCE} was read back"
)


def may_have_hedge_mode(market: Market) -> bool:
    """Whether a market can be in hedge mode, as far as the page tells.

    It names inverse futures as well, which Bybit's newer tools do not: about these Bybit itself decides (110029).
    """
    if market.inverse:
        return market.type is MarketType.FUTURE
    return market.type is MarketType.SWAP and market.settle == HEDGEABLE


async def read_modes(transport: Calls, *asked: Mapping[str, str]) -> dict[str, PositionMode]:
    """Position modes by the market's id, of what is open and of the reference, or of what is asked about instead."""
    questions = asked or ({"symbol": REFERENCE}, {"settleCoin": HEDGEABLE})
    lists = await asyncio.gather(*(read_positions(transport, {"category": "linear", **more}) for more in questions))
    return {shape.text(row, "symbol"): mode_of(row) for rows in lists for row in rows if _is_perpetual(row)}


async def read_market_mode(transport: Calls, market: Market) -> PositionMode:
    """The position mode of one market. Raises VenueError."""
    rows = await read_positions(transport, {"category": category_of(market), "symbol": market.id})
    modes = {mode_of(row) for row in rows if row.get("symbol") == market.id}
    if len(modes) != 1:
        raise Ambiguous(f"Bybit's answer tells no position mode of {market.id}", raw=rows)
    return modes.pop()


def _is_perpetual(row: Row) -> bool:
    """Bybit writes the date of a delivery behind a dash, BTCUSDT-26DEC25."""
    return "-" not in shape.text(row, "symbol")


def mode_of(row: Row) -> PositionMode:
    """The position mode in a row of a position or of an order. Raises Ambiguous."""
    if (mode := MODES.get(row.get("positionIdx"))) is None:
        raise Ambiguous("the field positionIdx of the venue's answer is unreadable", raw=row)
    return mode


def parts_of(modes: Mapping[str, PositionMode]) -> tuple[PositionModePart, ...]:
    """Modes by symbol as parts of an account."""
    rows = sorted(modes.items())
    return tuple(PositionModePart(scope=Scope.SYMBOL, part=name, position_mode=mode) for name, mode in rows)


async def switch_market(transport: ChangingCalls, door: Door, market: Market, mode: PositionMode) -> Echo:
    """Switch one market. The answer states nothing."""
    params = {"category": category_of(market), "symbol": market.id, "mode": WRITTEN[mode]}
    return Echo(raw=shape.mapping(await transport.change(door, SWITCH_MODE, params), "switch-mode"))


async def switch_all(transport: ChangingCalls, door: Door, mode: PositionMode) -> Echo:
    """Switch all perpetuals in USDT in which nothing is open. The answer states nothing."""
    params = {"category": "linear", "coin": HEDGEABLE, "mode": WRITTEN[mode]}
    raw = shape.mapping(await transport.change(door, SWITCH_MODE, params), "switch-mode")
    return Echo(raw=raw, scope=Scope.SETTLE, note=OF_A_SAMPLE)


async def read_orders(transport: Calls, params: Mapping[str, str]) -> list[Row]:
    """The open orders that a question asks for. Raises VenueError."""
    return await ORDERS.rows(transport, dict(params))


def orders_by_id(rows: Iterable[Row]) -> Counter[str]:
    """How many orders are open, by the market's id."""
    return Counter(shape.text(row, "symbol") for row in rows)
