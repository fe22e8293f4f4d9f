"""Leverage and margin mode of Binance markets: changing them, and reading them back."""

from decimal import Decimal

from schemas.requests import MarginMode
from worker.venues.binance.brackets import Brackets
from worker.venues.binance.endpoints import BinanceEndpoints
from worker.venues.binance.positions import terms_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market
from worker.venues.port.errors import Ambiguous, NotSupported, ValueRefused, VenueError

MARGIN_TYPES = {MarginMode.CROSS: "CROSSED", MarginMode.ISOLATED: "ISOLATED"}


async def check_leverage(brackets: Brackets, endpoints: BinanceEndpoints, market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for a fraction or for more than the highest bracket allows.

    Where the brackets can't be read nothing is raised: the venue itself will decide.
    """
    if leverage != leverage.to_integral_value() or leverage < 1:
        raise ValueRefused(f"Binance takes whole leverages from 1x on, not {leverage:f}x")
    try:
        maximum = await brackets.maximum(endpoints, market)
    except VenueError:
        return
    if maximum is not None and leverage > maximum:
        raise ValueRefused(
            f"{market.symbol} takes 1x to {maximum}x, not {leverage:f}x",
            details={"symbol": market.symbol, "minimum": 1, "maximum": maximum},
        )


async def set_leverage(transport: Calls, endpoints: BinanceEndpoints, market: Market, leverage: Decimal) -> Echo:
    """Set a leverage. The answer states market and leverage."""
    body = await transport.call(endpoints.set_leverage, {"symbol": market.id, "leverage": int(leverage)})
    raw = shape.mapping(body, "leverage")
    if shape.text(raw, "symbol") != market.id:
        raise Ambiguous(f"Binance answered for {raw['symbol']}, not for {market.id}", raw=raw)
    return Echo(raw=raw, leverage=shape.decimal(raw, "leverage"))


async def set_margin_mode(transport: Calls, endpoints: BinanceEndpoints, market: Market, mode: MarginMode) -> Echo:
    """Switch a margin mode. The answer states success, but no mode. Raises NotSupported for Portfolio Margin."""
    if endpoints.set_margin_mode is None:
        raise NotSupported("a Binance Portfolio Margin account is cross margin throughout; its mode can't be switched")
    params = {"symbol": market.id, "marginType": MARGIN_TYPES[mode]}
    raw = shape.mapping(await transport.call(endpoints.set_margin_mode, params), "marginType")
    if raw.get("code") != 200:
        raise Ambiguous("Binance's answer to the margin mode is not the documented one", raw=raw)
    return Echo(raw=raw)


async def read_terms(transport: Calls, endpoints: BinanceEndpoints, market: Market) -> MarginSettings:
    """Terms of a market, with or without a position in it."""
    if endpoints.symbol_config:
        return terms_of(_of(market, await _rows(transport, endpoints.symbol_config, {"symbol": market.id})))
    return terms_of(_of(market, await read_positions(transport, endpoints, market)))


async def read_all_terms(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Rows with the terms of all markets, or of one; none where the position rows carry them."""
    if endpoints.symbol_config is None:
        return []
    return await _rows(transport, endpoints.symbol_config, {"symbol": market.id} if market else {})


async def read_positions(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Position rows, of one market or of all; flat ones among them."""
    found = await _rows(transport, endpoints.positions, endpoints.narrowed_to(market))
    return [row for row in found if market is None or row.get("symbol") == market.id]


async def _rows(transport: Calls, name: str, params: dict[str, str]) -> list[Row]:
    return shape.rows(await transport.call(name, params), name)


def _of(market: Market, found: list[Row]) -> Row:
    for row in found:
        if row.get("symbol") == market.id:
            return row
    raise Ambiguous(f"Binance's answer has no row for {market.id}", raw=found)
