"""The highest leverage each market allows the account, kept for an hour."""

import asyncio
import time
from collections.abc import Callable

from worker.venues.binance.endpoints import BinanceEndpoints
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.port.adapter import Market

FRESH_S = 3_600.0


class Brackets:
    """Leverage brackets by endpoints; they differ from account to account."""

    def __init__(self, transport: Calls, clock: Callable[[], float] = time.monotonic) -> None:
        self._transport = transport
        self._clock = clock
        self._read: dict[str, tuple[float, dict[str, int]]] = {}
        self._reading = asyncio.Lock()

    async def maximum(self, endpoints: BinanceEndpoints, market: Market) -> int | None:
        """The highest leverage of a market; None if it has no brackets. Raises VenueError."""
        async with self._reading:
            read_at, maxima = self._read.get(endpoints.brackets, (-FRESH_S, {}))
            if self._clock() - read_at >= FRESH_S or market.id not in maxima:
                maxima = await self._maxima(endpoints)
                self._read[endpoints.brackets] = (self._clock(), maxima)
        return maxima.get(market.id)

    async def _maxima(self, endpoints: BinanceEndpoints) -> dict[str, int]:
        body = await self._transport.call(endpoints.brackets)
        return {
            shape.text(row, "symbol"): max(
                int(shape.decimal(bracket, "initialLeverage"))
                for bracket in shape.rows(row.get("brackets"), "the brackets of a market")
            )
            for row in shape.rows(body, "leverageBracket")
        }
