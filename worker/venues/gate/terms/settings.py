"""Changing leverage or margin mode of Gate markets, one without the other.

Sources: APIv4 documentation and gate-api 7.2.161, checked 2026-11-29. Perpetuals: Update Leverage for Specified Mode
(`leverage`, `margin_mode`), Switch Position Margin Mode, and under hedge mode Update position leverage in Hedge Mode
(`leverage` 0 with `cross_leverage_limit` means cross, anything else isolated). Deliveries: Update position leverage,
which documents `leverage` alone; in a delivery's row 0 means cross, and anything else isolated.
"""

from decimal import Decimal
from typing import Any

from schemas.requests import MarginMode
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.gate.endpoints import GateEndpoints, part_of, reading
from worker.venues.gate.positions import Holding, address, read_holding, terms_in, terms_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent, NotSupported

MODE_NAMES = {MarginMode.CROSS: "CROSS", MarginMode.ISOLATED: "ISOLATED"}


async def set_leverage(transport: ChangingCalls, door: Door, market: Market, leverage: Decimal) -> Echo:
    """Set a leverage under the present margin mode, which is read first and sent along. The answer states both.

    Raises NotSupported for a delivery in cross margin.
    """
    holding, before = await _before(transport, market)
    name, params = _request(part_of(market).endpoints, market, holding, before.margin_mode, leverage)
    body = await transport.change(door, name, address(market) | params)
    after = _after(body, market, holding)
    return Echo(raw=_raw(body), leverage=after.leverage if after.all_at(after.leverage) else None)


def _request(
    endpoints: GateEndpoints, market: Market, holding: Holding, mode: MarginMode, leverage: Decimal
) -> tuple[str, dict[str, str]]:
    if holding.hedged and endpoints.hedged:
        return endpoints.hedged.leverage, _implying(mode, leverage)
    if endpoints.margin_mode:
        return endpoints.leverage, {"leverage": _text(leverage), "margin_mode": mode.value}
    if mode is MarginMode.CROSS:
        raise NotSupported(
            f"Gate's API sets no leverage of a delivery in cross margin, as {market.symbol} is: any that it takes "
            "switches to isolated. Set it on Gate's site, or switch the margin mode to isolated first"
        )
    return endpoints.leverage, {"leverage": _text(leverage)}


async def set_margin_mode(transport: ChangingCalls, door: Door, market: Market, mode: MarginMode) -> Echo:
    """Switch a margin mode. The answer states it, and the leverage that comes with it.

    Raises AlreadySo, and NotSupported for a delivery that is to be in cross margin.
    """
    holding, before = await _before(transport, market)
    endpoints = part_of(market).endpoints
    if endpoints.margin_mode is None:
        return await _isolate(transport, door, market, mode, before)
    name = endpoints.hedged.margin_mode if holding.hedged and endpoints.hedged else endpoints.margin_mode
    body = await transport.change(door, name, address(market) | {"mode": MODE_NAMES[mode]})
    after = _after(body, market, holding)
    return Echo(raw=_raw(body), margin_mode=after.margin_mode, note=_note(before, after))


async def _before(transport: Calls, market: Market) -> tuple[Holding, MarginSettings]:
    """What holds now. A doubtful answer to this question leaves no doubt about the change, which was not sent."""
    try:
        holding = await read_holding(transport, market)
        return holding, await terms_in(transport, holding, market)
    except Ambiguous as doubt:
        raise NotSent(f"the present margin mode can't be read, so nothing was changed: {doubt.message}") from doubt


async def _isolate(
    transport: ChangingCalls, door: Door, market: Market, mode: MarginMode, before: MarginSettings
) -> Echo:
    """A delivery is made isolated by a leverage; the present one is sent, so that it stays.

    It would be made cross by a leverage of 0, and nothing documented could keep the present one then.
    """
    if before.margin_mode is mode:
        raise AlreadySo(f"the margin mode of {market.symbol} is {mode} already", raw=before.raw)
    if mode is MarginMode.CROSS:
        raise NotSupported(
            f"Gate's API can't switch a delivery to cross margin and keep its leverage ({_text(before.leverage)}x for "
            f"{market.symbol}); switch it on Gate's site"
        )
    params = address(market) | {"leverage": _text(before.leverage)}
    body = await transport.change(door, part_of(market).endpoints.leverage, params)
    after = _after(body, market, Holding(hedged=False, rows=[]))
    return Echo(raw=_raw(body), margin_mode=after.margin_mode, note=_note(before, after))


def _implying(mode: MarginMode, leverage: Decimal) -> dict[str, str]:
    """A leverage for the endpoint of hedge mode, where it implies the margin mode."""
    if mode is MarginMode.CROSS:
        return {"leverage": "0", "cross_leverage_limit": _text(leverage)}
    return {"leverage": _text(leverage)}


def _after(body: Any, market: Market, holding: Holding) -> MarginSettings:
    """What an answer states. Raises Ambiguous, as after everything that may have been carried out and does not tell."""
    with reading(f"the answer to a change of {market.id}, POST {part_of(market).path}/positions"):
        rows: list[Row] = shape.rows(body, "it") if holding.hedged else [shape.mapping(body, "it")]
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
