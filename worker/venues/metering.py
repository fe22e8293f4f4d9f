"""Keeping ccxt's requests within the limits of their venue: all that it sends passes here first."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

from schemas.base import Milliseconds
from schemas.control import Network
from worker.networks import MAINNET
from worker.venues.connections import PASSAGE, VenueConnections
from worker.venues.limits import DEADLINE
from worker.venues.limits.admission import ADMISSION
from worker.venues.limits.place import Place
from worker.venues.limits.tables import User, VenueLimits

_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


class MeteredExchange:
    """Mixed in before a ccxt exchange class. `metered` is the venue's table of limits, `user` who signs, if anybody."""

    id: str
    metered: VenueLimits
    connections: VenueConnections
    base_url: str | None = None
    network: Network = MAINNET
    user: User | None = None

    async def request(
        self, path: str, api: Any = "public", method: str = "GET", params: Any = None, config: Any = None
    ) -> Any:
        """Make a request once there is room for it. Raises LimitReached if there is none in time.

        It is signed afterwards, for signatures bear the time; and only then its own time begins to run.
        """
        name, asked = implicit_name(path, api if isinstance(api, str) else tuple(api), method), params or {}
        passage = PASSAGE.get()
        if passage is None:
            raise RuntimeError(f"{name} is called past the transport")
        passage.waits()
        async with self._place().admission(name, asked, self.user, self._deadline(passage.limit)) as admission:
            passage.departs()
            token = ADMISSION.set(admission)
            try:
                found = await super().request(path, api, method, asked, config or {})  # type: ignore[misc]
            finally:
                ADMISSION.reset(token)
            admission.settle(found)
        return found

    @asynccontextmanager
    async def room(self, name: str, params: Mapping[str, Any], patience: Milliseconds) -> AsyncIterator[None]:
        """Wait for the room that a request to an endpoint needs, and keep it for this task. Raises LimitReached."""
        async with self._place().room(name, params, self.user, self._deadline(patience)):
            yield

    def _place(self) -> Place:
        return self.connections.limits.place(self.id, self.base_url, self.metered, self.network)

    def _deadline(self, patience: Milliseconds) -> Milliseconds:
        """Until when to wait for room: as long as the command may, or as for an answer where there is no command."""
        told = DEADLINE.get()
        return self.connections.limits.now() + patience if told is None else told


@cache
def implicit_name(path: str, api: str | tuple[str, ...], method: str) -> str:
    """ccxt's name of an endpoint, by what it says of it when it calls it.

    >>> implicit_name("{settle}/positions/{contract}", ("private", "futures"), "GET")
    'privateFuturesGetSettlePositionsContract'
    >>> implicit_name("v5/position/set-leverage", "private", "POST")
    'privatePostV5PositionSetLeverage'
    """
    first, *families = (api,) if isinstance(api, str) else api
    words = (*families, method.lower(), *_BETWEEN_WORDS.split(path))
    return first + "".join(word[:1].upper() + word[1:] for word in words)
