"""Calls at the pace that OKX's limits allow: it tells no client how much of a limit is left, and refuses what is more.

Every endpoint has a limit of its own for each user (User ID), told on its page as requests in two seconds.
"""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from schemas.base import Milliseconds
from worker.venues.transport import Calls

WINDOW_S = 2.1
"""Two seconds and a little more, for not all requests are under way equally long."""

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "privateGetAccountPositions": 10,
        "privateGetAccountConfig": 5,
        "privateGetAccountLeverageInfo": 20,
        "privatePostAccountSetLeverage": 20,
        "privateGetAccountBillsArchive": 5,
    }
)
"""Requests in two seconds, by ccxt's name of the endpoint."""


class Pace:
    """Lets at most `calls` begin in any `window_s` seconds; the next one waits until the first of them is that old."""

    def __init__(self, calls: int, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._begun: deque[float] = deque(maxlen=calls)
        self._turn = asyncio.Lock()

    async def turn(self) -> None:
        """Wait until one more call may begin. Who asks first goes first."""
        async with self._turn:
            if len(self._begun) == self._begun.maxlen:
                await asyncio.sleep(self._begun[0] + self._window_s - time.monotonic())
            self._begun.append(time.monotonic())


class PacedCalls:
    """The calls of one account, each endpoint at its own pace."""

    def __init__(self, transport: Calls) -> None:
        self._transport = transport
        self._paces = {name: Pace(calls) for name, calls in LIMITS.items()}

    def now(self) -> Milliseconds:
        """The venue's time, UTC milliseconds."""
        return self._transport.now()

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        """The JSON that a call answers, once it is its turn. Raises what `worker.venues.errors` draws."""
        await self._paces[name].turn()
        return await self._transport.call(name, params)
