"""Leverage and margin mode of Binance markets: changing them, and reading them back."""

from collections.abc import Sequence
from typing import Any

from schemas.requests import MarginMode
from worker.venues.binance.endpoints import BinanceEndpoints, spoken
from worker.venues.binance.positions import terms_of
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market, TermsOfMany
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSupported, VenueError
from worker.venues.reading.many_terms import told_of, untold

MARGIN_TYPES = {MarginMode.CROSS: "CROSSED", MarginMode.ISOLATED: "ISOLATED"}


def leverage_in(body: Any, name: str, market: Market) -> Echo:
    """What an answer to a change of leverage states: market and leverage."""
    asked = spoken(name)
    raw = shape.mapping(body, asked)
    with shape.ReadFrom(asked, market.id):
        if shape.text(raw, "symbol") != market.id:
            raise Ambiguous(f"Binance answered for {raw['symbol']}, not for {market.id}", raw=raw)
        return Echo(raw=raw, leverage=shape.decimal(raw, "leverage"))


async def set_margin_mode(
    transport: ChangingCalls, door: Door, endpoints: BinanceEndpoints, market: Market, mode: MarginMode
) -> Echo:
    """Switch a margin mode. The answer states success, but no mode. Raises NotSupported for Portfolio Margin."""
    if endpoints.set_margin_mode is None:
        raise NotSupported("a Binance Portfolio Margin account is cross margin throughout; its mode can't be switched")
    params = {"symbol": market.id, "marginType": MARGIN_TYPES[mode]}
    asked = spoken(endpoints.set_margin_mode)
    raw = shape.mapping(await transport.change(door, endpoints.set_margin_mode, params), asked)
    if raw.get("code") != 200:
        code = raw.get("code")
        raise Ambiguous(
            f"Binance's answer to {asked} for {market.id} is not the documented one",
            venue_code=None if code is None else str(code),
            raw=raw,
        )
    return Echo(raw=raw)


async def read_terms(transport: Calls, endpoints: BinanceEndpoints, market: Market) -> MarginSettings:
    """Terms of a market, with or without a position in it."""
    if endpoints.symbol_config:
        rows = await read_rows(transport, endpoints.symbol_config, {"symbol": market.id})
    else:
        rows = await read_positions(transport, endpoints, market)
    asked = spoken(endpoints.symbol_config or endpoints.positions)
    with shape.ReadFrom(asked, market.id):
        return terms_of(_of(market, rows), all_cross=endpoints.all_cross)


async def terms_of_family(transport: Calls, endpoints: BinanceEndpoints, markets: Sequence[Market]) -> TermsOfMany:
    """Terms of markets of one family, out of one answer that tells of all its contracts."""
    asked = endpoints.symbol_config or endpoints.positions
    try:
        found = await read_rows(transport, asked, {})
    except VenueError as error:
        return untold(markets, error)
    rows = {row.get("symbol"): row for row in found}

    def told(market: Market) -> MarginSettings:
        with shape.ReadFrom(spoken(asked), market.id):
            return terms_of(_of(market, [rows[market.id]] if market.id in rows else []), all_cross=endpoints.all_cross)

    return told_of(markets, told)


async def read_all_terms(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Rows with the terms of all markets, or of one; none where the position rows carry them."""
    if endpoints.symbol_config is None:
        return []
    return await read_rows(transport, endpoints.symbol_config, {"symbol": market.id} if market else {})


async def read_positions(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Position rows, of one market or of all that trade, flat ones among them."""
    found = await read_rows(transport, endpoints.positions, endpoints.narrowed_to(market))
    return [row for row in found if market is None or row.get("symbol") == market.id]


async def read_rows(transport: Calls, name: str, params: dict[str, str]) -> list[Row]:
    """The rows that an endpoint answers. Raises VenueError."""
    return shape.rows(await transport.call(name, params), spoken(name))


def _of(market: Market, found: list[Row]) -> Row:
    for row in found:
        if row.get("symbol") == market.id:
            return row
    raise Ambiguous("Binance's answer has no row for it", raw=found)
