"""Changing leverage or margin mode of Gate markets, one without the other.

Sources: APIv4 documentation, Update position leverage (0 means cross, anything else switches to isolated), Update
leverage for specified mode, Switch position margin mode, and their counterparts under hedge mode.
"""

from decimal import Decimal
from typing import Any

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls
from worker.venues.gate.endpoints import part_of
from worker.venues.gate.holdings import Holding, address, read_holding, terms_in
from worker.venues.gate.positions import terms_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent

MODE_NAMES = {MarginMode.CROSS: "CROSS", MarginMode.ISOLATED: "ISOLATED"}


async def set_leverage(transport: Calls, market: Market, leverage: Decimal) -> Echo:
    """Set a leverage under the present margin mode, which is read first and sent along. The answer states both."""
    holding, before = await _before(transport, market)
    mode = before.margin_mode
    endpoints = part_of(market).endpoints
    if holding.hedged and endpoints.hedged:
        name, params = endpoints.hedged.leverage, _implying(mode, leverage)
    elif endpoints.set_leverage:
        name, params = endpoints.set_leverage, {"leverage": _text(leverage), "margin_mode": mode.value}
    else:
        name, params = endpoints.leverage, _implying(mode, leverage)
    body = await transport.call(name, address(market) | params)
    after = _after(body, market, holding)
    return Echo(raw=_raw(body), leverage=after.leverage if after.all_at(after.leverage) else None)


async def set_margin_mode(transport: Calls, market: Market, mode: MarginMode) -> Echo:
    """Switch a margin mode. The answer states it, and the leverage that comes with it. Raises AlreadySo."""
    holding, before = await _before(transport, market)
    endpoints = part_of(market).endpoints
    if endpoints.margin_mode is None:
        return await _switch_by_leverage(transport, market, mode, before)
    name = endpoints.hedged.margin_mode if holding.hedged and endpoints.hedged else endpoints.margin_mode
    body = await transport.call(name, address(market) | {"mode": MODE_NAMES[mode]})
    after = _after(body, market, holding)
    return Echo(raw=_raw(body), margin_mode=after.margin_mode, note=_note(before, after))


async def _before(transport: Calls, market: Market) -> tuple[Holding, MarginSettings]:
    """What holds now. A doubtful answer to this question leaves no doubt about the change, which was not sent."""
    try:
        holding = await read_holding(transport, market)
        return holding, await terms_in(transport, holding, market)
    except Ambiguous as doubt:
        raise NotSent(f"the present margin mode can't be read, so nothing was changed: {doubt.message}") from doubt


async def _switch_by_leverage(transport: Calls, market: Market, mode: MarginMode, before: MarginSettings) -> Echo:
    """Deliveries have no other way; the present leverage is sent along, so that it stays."""
    if before.margin_mode is mode:
        raise AlreadySo(f"the margin mode of {market.symbol} is {mode} already", raw=before.raw)
    params = address(market) | _implying(mode, before.leverage)
    body = await transport.call(part_of(market).endpoints.leverage, params)
    after = _after(body, market, Holding(hedged=False, rows=[]))
    return Echo(raw=_raw(body), margin_mode=after.margin_mode, note=_note(before, after))


def _implying(mode: MarginMode, leverage: Decimal) -> dict[str, str]:
    """A leverage for the endpoints where it implies the mode."""
    if mode is MarginMode.CROSS:
        return {"leverage": "0", "cross_leverage_limit": _text(leverage)}
    return {"leverage": _text(leverage)}


def _after(body: Any, market: Market, holding: Holding) -> MarginSettings:
    rows: list[Row] = shape.rows(body, "position") if holding.hedged else [shape.mapping(body, "position")]
    return terms_of(rows, market)


def _note(before: MarginSettings, after: MarginSettings) -> str | None:
    """Gate may keep a leverage for each margin mode."""
    if after.all_at(before.leverage):
        return None
    return f"its leverage in this mode is {_text(after.leverage)}x, it was {_text(before.leverage)}x"


def _raw(body: Any) -> dict[str, Any]:
    return body if isinstance(body, dict) else {"positions": body}


def _text(leverage: Decimal) -> str:
    return f"{leverage.normalize():f}"
