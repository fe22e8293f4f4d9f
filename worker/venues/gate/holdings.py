"""Reading the positions of a Gate account, and with them the terms of its markets."""

from dataclasses import dataclass

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.gate.codes import NEVER_HELD, NO_ACCOUNT
from worker.venues.gate.endpoints import GateEndpoints, GatePart, part_of
from worker.venues.gate.positions import amount_of, terms_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import MarginSettings, Market
from worker.venues.port.errors import Ambiguous, PreconditionFailed, Refused

PAGE = 100
"""The most positions one answer holds."""


@dataclass(frozen=True, slots=True)
class Holding:
    """The rows of one market: a long and a short one if `hedged`; none if the account never touched the market."""

    hedged: bool
    rows: list[Row]


def address(market: Market) -> dict[str, str]:
    """The parameters that name a market in every path."""
    return {"settle": part_of(market).settle, "contract": market.id}


async def read_holding(transport: Calls, market: Market) -> Holding:
    """The rows of a market, flat or not. Raises VenueError."""
    part = part_of(market)
    hedged = await _is_hedged(transport, part)
    dual = part.endpoints.hedged if hedged else None
    try:
        body = await transport.call(dual.position if dual else part.endpoints.position, address(market))
    except Refused as refusal:
        if refusal.venue_code != NEVER_HELD:
            raise
        return Holding(hedged, [])
    return Holding(hedged, shape.rows(body, "positions") if hedged else [shape.mapping(body, "position")])


async def _is_hedged(transport: Calls, part: GatePart) -> bool:
    """Whether markets of this part have two sides. Raises PreconditionFailed for split positions."""
    if part.endpoints.account is None:
        return False
    account = shape.mapping(await transport.call(part.endpoints.account, {"settle": part.settle}), "accounts")
    if account.get("position_mode") == "dual_plus":
        # every order is a position of its own there, and no setting holds for a market as a whole
        raise PreconditionFailed(
            "the account is in split position mode; switch it to one-way or hedge mode", raw=account
        )
    hedged = account.get("in_dual_mode")
    if not isinstance(hedged, bool):
        raise Ambiguous("the field in_dual_mode of the venue's answer is missing or unreadable", raw=account)
    return hedged


async def terms_in(transport: Calls, holding: Holding, market: Market) -> MarginSettings:
    """The terms of a market that was read before. Raises VenueError."""
    if holding.rows:
        return terms_of(holding.rows, market)
    return await _default_terms(transport, part_of(market).endpoints, market)


async def _default_terms(transport: Calls, endpoints: GateEndpoints, market: Market) -> MarginSettings:
    """What holds for a market that the account never touched: cross, with the leverage that Gate gives it."""
    if endpoints.default_leverage is None:
        raise PreconditionFailed(
            f"Gate tells no leverage of {market.symbol} before the account has held it or set it at Gate"
        )
    params = address(market) | {"pos_margin_mode": "cross", "dual_side": "dual_long"}
    body = shape.mapping(await transport.call(endpoints.default_leverage, params), "get_leverage")
    return MarginSettings(shape.decimal(body, "Lever"), MarginMode.CROSS, raw=body)


async def read_open(transport: Calls, part: GatePart) -> list[Row]:
    """All open positions of a part. Raises VenueError."""
    try:
        rows = await (_all_pages(transport, part) if part.endpoints.paged else _at_once(transport, part))
    except Refused as refusal:
        if refusal.venue_code != NO_ACCOUNT:
            raise
        return []  # where there is no account there is no position
    return [row for row in rows if amount_of(row)]


async def _all_pages(transport: Calls, part: GatePart) -> list[Row]:
    """Pages shift while positions are opened, so that a row can come twice."""
    rows: dict[tuple[object, ...], Row] = {}
    offset = 0
    while True:
        params = {"settle": part.settle, "holding": "true", "limit": PAGE, "offset": offset}
        page = shape.rows(await transport.call(part.endpoints.positions, params), "positions")
        rows.update({tuple(row.get(name) for name in ("contract", "mode", "pid")): row for row in page})
        offset += len(page)
        if len(page) < PAGE:
            return list(rows.values())


async def _at_once(transport: Calls, part: GatePart) -> list[Row]:
    return shape.rows(await transport.call(part.endpoints.positions, {"settle": part.settle}), "positions")
