"""The position mode of a Gate account: one for the perpetuals of each settle currency.

Source, read 2026-11-30: gate-api 7.2.161, "Set Position Holding Mode, replacing the dual_mode interface" (single, dual
or dual_plus; nothing may be held and no order pending), "Query futures account" (`in_dual_mode`, `position_mode`),
"Query futures order list". Deliveries document none.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable

from schemas.outcomes import Scope
from schemas.replies import PositionModePart
from schemas.requests import MarketType, PositionMode
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.gate.endpoints import GatePart, part_of, reading
from worker.venues.gate.errors import NO_ACCOUNT
from worker.venues.gate.positions import is_hedged
from worker.venues.parsing import fields as shape
from worker.venues.port.adapter import Echo, ModeAddress, PositionModesRead
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, NotSupported, Refused, ValueRefused, VenueError
from worker.venues.reading.position_mode import now_or_not_sent
from worker.venues.reading.preflight import attempted

SET_POSITION_MODE = "privateFuturesPostSettleSetPositionMode"
ORDERS = "privateFuturesGetSettleOrders"
WRITTEN = {PositionMode.ONE_WAY: "single", PositionMode.HEDGE: "dual"}
ORDERS_AT_ONCE = 100


def parts_meant(address: ModeAddress, parts: Iterable[GatePart]) -> tuple[GatePart, ...]:
    """The parts that have a mode, of those that are meant. Raises NotSupported for a delivery, and ValueRefused."""
    if address.market is not None:
        if address.market.type is MarketType.FUTURE:
            raise NotSupported("Gate documents no position mode of deliveries")
        return (part_of(address.market),)
    having = tuple(part for part in parts if part.type is MarketType.SWAP)
    if address.settle is None:
        return having
    if found := tuple(part for part in having if part.settle == address.settle.lower()):
        return found
    settles = ", ".join(part.settle.upper() for part in having)
    raise ValueRefused(f"Gate has no perpetuals that settle in {address.settle}, only in {settles}")


async def read_modes(transport: Calls, parts: Iterable[GatePart]) -> PositionModesRead:
    """The mode of each part; where nothing was ever paid in there is none. Raises VenueError where all have none."""
    asked = tuple(parts)
    answers = await asyncio.gather(*(attempted(is_hedged(transport, part)) for part in asked))
    told = [(part, answer) for part, answer in zip(asked, answers, strict=True) if not _has_no_account(answer)]
    for _, answer in told or zip(asked, answers, strict=True):
        if isinstance(answer, VenueError):
            raise answer
    modes = ((part, PositionMode.HEDGE if answer else PositionMode.ONE_WAY) for part, answer in told)
    found = tuple(_part(part, mode) for part, mode in modes)
    return PositionModesRead(found, Scope.SETTLE, raw={part.part: part.position_mode.value for part in found})


def _has_no_account(answer: object) -> bool:
    return isinstance(answer, Refused) and answer.venue_code == NO_ACCOUNT


def _part(part: GatePart, mode: PositionMode) -> PositionModePart:
    return PositionModePart(scope=Scope.SETTLE, part=part.settle.upper(), position_mode=mode)


async def set_position_mode(transport: ChangingCalls, door: Door, part: GatePart, mode: PositionMode) -> Echo:
    """Switch the perpetuals of a settle currency. The answer states the mode. Raises AlreadySo."""
    before = await now_or_not_sent(read_modes(transport, (part,)))
    if before.all_in(mode):
        said = f"the perpetuals in {part.settle.upper()} are in {mode} mode already"
        raise AlreadySo(said, scope=Scope.SETTLE, raw=before.raw)
    params = {"settle": part.settle, "position_mode": WRITTEN[mode]}
    where = f"POST {part.path}/set_position_mode"
    raw = shape.mapping(await transport.change(door, SET_POSITION_MODE, params), where)
    with reading(where):
        echoed = PositionMode.HEDGE if shape.boolean(raw, "in_dual_mode") else PositionMode.ONE_WAY
    return Echo(raw=raw, position_mode=echoed, scope=Scope.SETTLE)


async def orders_by_name(transport: Calls, part: GatePart) -> Counter[str]:
    """How many orders are open, by contract: of the newest hundred, for more are not asked for."""
    params = {"settle": part.settle, "status": "open", "limit": ORDERS_AT_ONCE}
    rows = shape.rows(await transport.call(ORDERS, params), f"GET {part.path}/orders")
    return Counter(shape.text(row, "contract") for row in rows)
