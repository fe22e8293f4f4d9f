"""How an account is set up: its account mode and its position mode (Get account configuration)."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from worker.venues.client.transport import Calls
from worker.venues.okx.answers import CONFIG, only_item
from worker.venues.parsing import fields as shape

FRESH_S = 30.0
"""The endpoint takes five requests in two seconds, and both modes change rarely and only in a flat account."""

PORTFOLIO_MARGIN = "4"
LONG_SHORT = "long_short_mode"


@dataclass(frozen=True, slots=True)
class Configuration:
    """`portfolio_margin`: account mode 4. `two_sided`: long/short mode, where each side is a position of its own."""

    portfolio_margin: bool
    two_sided: bool


class AccountConfiguration:
    """The configuration of one account, kept for half a minute."""

    def __init__(
        self,
        transport: Calls,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._read: tuple[float, Configuration] | None = None

    async def recent(self) -> Configuration:
        """The configuration, at most half a minute old: to send by, never to refuse by. Raises VenueError."""
        if self._read is None or self._clock() - self._read[0] >= FRESH_S:
            return await self.anew()
        return self._read[1]

    def forget(self) -> None:
        """What was read may not be so any more."""
        self._read = None

    async def anew(self) -> Configuration:
        """The configuration as the venue tells it now. Raises VenueError."""
        row = only_item(await self._transport.call("privateGetAccountConfig"), CONFIG)
        read = Configuration(
            portfolio_margin=shape.text(row, "acctLv") == PORTFOLIO_MARGIN,
            two_sided=shape.text(row, "posMode") == LONG_SHORT,
        )
        self._read = (self._clock(), read)
        return read
