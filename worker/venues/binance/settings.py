"""Leverage and margin mode of Binance markets: changing them, reading them back, and how high a leverage may be."""

import asyncio
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.requests import MarginMode
from worker.venues.binance.endpoints import BinanceEndpoints, pair_of, spoken
from worker.venues.binance.positions import terms_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, MarginSettings, Market
from worker.venues.port.errors import Ambiguous, LimitReached, NotSupported, ValueRefused, VenueError
from worker.venues.reading.preflight import attempted

MARGIN_TYPES = {MarginMode.CROSS: "CROSSED", MarginMode.ISOLATED: "ISOLATED"}

FRESH_S = 3_600.0


class Brackets:
    """The highest leverage of each market of the account, kept for an hour: brackets differ from account to account.

    A market whose brackets can't be read has none here; the venue itself will decide about it.
    """

    def __init__(self, transport: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._read: dict[str, tuple[float, dict[str, int]]] = {}
        self._reading = asyncio.Lock()

    async def maximum(self, endpoints: BinanceEndpoints, market: Market) -> int | None:
        """The highest leverage of a market as it was within the hour; None where nobody knows. Raises VenueError."""
        async with self._reading:
            read_at, maxima = self._read.get(endpoints.brackets, (-FRESH_S, {}))
            if self._clock() - read_at >= FRESH_S:
                maxima = _maxima(await self._transport.call(endpoints.brackets))
                self._read[endpoints.brackets] = (self._clock(), maxima)
        return maxima.get(market.id)

    async def maximum_now(self, endpoints: BinanceEndpoints, market: Market) -> int | None:
        """The same as it is now, for it may have been raised since. Raises VenueError."""
        maximum = _maxima(await self._transport.call(endpoints.brackets, {"symbol": market.id})).get(market.id)
        if maximum is not None and endpoints.brackets in self._read:
            self._read[endpoints.brackets][1][market.id] = maximum
        return maximum


def _maxima(body: Any) -> dict[str, int]:
    """The highest leverages in an answer of leverageBracket: a list, or an object for one symbol of USDⓈ-M."""
    found = [body] if isinstance(body, dict) and "symbol" in body else shape.rows(body, "leverageBracket")
    maxima = ((row.get("symbol"), _maximum(row)) for row in found)
    return {market_id: maximum for market_id, maximum in maxima if isinstance(market_id, str) and maximum is not None}


def _maximum(row: Row) -> int | None:
    try:
        ladder = shape.rows(row.get("brackets"), "the brackets of a market")
        return max((int(shape.decimal(bracket, "initialLeverage")) for bracket in ladder), default=None)
    except VenueError:
        return None


async def check_leverage(brackets: Brackets, endpoints: BinanceEndpoints, market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for a fraction or for more than the highest bracket allows now.

    Where the brackets can't be read nothing is raised: the venue itself will decide.
    """
    if leverage != leverage.to_integral_value() or leverage < 1:
        raise ValueRefused(f"Binance takes whole leverages from 1x on, not {leverage:f}x")
    try:
        maximum = await brackets.maximum(endpoints, market)
        if maximum is not None and leverage > maximum:
            maximum = await brackets.maximum_now(endpoints, market)
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
    asked = spoken(endpoints.set_leverage)
    raw = shape.mapping(body, asked)
    with shape.read_from(asked, market.id):
        if shape.text(raw, "symbol") != market.id:
            raise Ambiguous(f"Binance answered for {raw['symbol']}, not for {market.id}", raw=raw)
        return Echo(raw=raw, leverage=shape.decimal(raw, "leverage"))


async def set_margin_mode(transport: Calls, endpoints: BinanceEndpoints, market: Market, mode: MarginMode) -> Echo:
    """Switch a margin mode. The answer states success, but no mode. Raises NotSupported for Portfolio Margin."""
    if endpoints.set_margin_mode is None:
        raise NotSupported("a Binance Portfolio Margin account is cross margin throughout; its mode can't be switched")
    params = {"symbol": market.id, "marginType": MARGIN_TYPES[mode]}
    asked = spoken(endpoints.set_margin_mode)
    raw = shape.mapping(await transport.call(endpoints.set_margin_mode, params), asked)
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
        rows = await _rows(transport, endpoints.symbol_config, {"symbol": market.id})
    else:
        rows = await read_positions(transport, endpoints, market)
    asked = spoken(endpoints.symbol_config or endpoints.positions)
    with shape.read_from(asked, market.id):
        return terms_of(_of(market, rows), all_cross=endpoints.all_cross)


async def read_all_terms(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Rows with the terms of all markets, or of one; none where the position rows carry them."""
    if endpoints.symbol_config is None:
        return []
    return await _rows(transport, endpoints.symbol_config, {"symbol": market.id} if market else {})


async def read_positions(transport: Calls, endpoints: BinanceEndpoints, market: Market | None) -> list[Row]:
    """Position rows, of one market or of all that trade, flat ones among them."""
    found = await _rows(transport, endpoints.positions, endpoints.narrowed_to(market))
    return [row for row in found if market is None or row.get("symbol") == market.id]


class PositionsRead(NamedTuple):
    """Position rows of a family, and why some may be missing."""

    rows: list[Row]
    problem: VenueError | None = None


async def read_all_positions(transport: Calls, endpoints: BinanceEndpoints) -> PositionsRead:
    """Position rows of all markets, also of those that `read_positions` leaves out because they don't trade."""
    rows, held = await asyncio.gather(
        read_positions(transport, endpoints, None), attempted(_held(transport, endpoints))
    )
    if isinstance(held, LimitReached):
        raise held
    if isinstance(held, VenueError):
        return PositionsRead(rows, held)
    left_out = held - {row.get("symbol") for row in rows}
    pairs = sorted({pair_of(market_id) for market_id in left_out})
    parts = await asyncio.gather(*(attempted(_rows(transport, endpoints.positions, {"pair": pair})) for pair in pairs))
    more = [row for part in parts if not isinstance(part, VenueError) for row in part if row.get("symbol") in left_out]
    return PositionsRead(rows + more, next((part for part in parts if isinstance(part, VenueError)), None))


async def _held(transport: Calls, endpoints: BinanceEndpoints) -> set[str]:
    """The ids of all contracts with a position, where the position endpoint doesn't tell them all."""
    if endpoints.account is None:
        return set()
    asked = spoken(endpoints.account)
    body = shape.mapping(await transport.call(endpoints.account), asked)
    with shape.read_from(asked):
        everything = shape.rows(body.get("positions"), "the positions of an account")
        return {shape.text(row, "symbol") for row in everything if shape.decimal(row, "positionAmt")}


async def _rows(transport: Calls, name: str, params: dict[str, str]) -> list[Row]:
    return shape.rows(await transport.call(name, params), spoken(name))


def _of(market: Market, found: list[Row]) -> Row:
    for row in found:
        if row.get("symbol") == market.id:
            return row
    raise Ambiguous("Binance's answer has no row for it", raw=found)
