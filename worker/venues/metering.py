"""Keeping ccxt's requests within the limits of their venue: all that it sends passes here first."""

import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any

from schemas.base import Milliseconds
from schemas.control import Network
from worker.context import bound
from worker.networks import MAINNET
from worker.venues.connections import PASSAGE, VenueConnections
from worker.venues.errors import Refused
from worker.venues.latency import Latency
from worker.venues.limits import DEADLINE
from worker.venues.limits.admission import ADMISSION
from worker.venues.limits.place import Place
from worker.venues.limits.tables import User, VenueLimits
from worker.venues.send_guard import SendGuard, require_guard

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

        A change then passes the guard of its sender. It is signed afterwards, for signatures bear the time; and only
        then its own time begins to run.
        """
        name, asked = implicit_name(path, api if isinstance(api, str) else tuple(api), method), params or {}
        passage = PASSAGE.get()
        if passage is None:
            raise RuntimeError(f"{name} is called past the transport")
        guard = require_guard(name) if self.metered.cost(name, asked).changes else None
        hold = guard.hold if guard else None
        passage.waits()
        async with self._place().admission(name, asked, self.user, self._deadline(passage.limit), hold) as admission:
            if guard:
                await guard.admit(self._latency().usual(name))
            passage.departs()
            with bound(ADMISSION, admission), _outcome_told(guard), self._timed(name):
                found = await super().request(path, api, method, asked, config or {})  # type: ignore[misc]
            admission.settle(found)
        return found

    @asynccontextmanager
    async def room(self, name: str, params: Mapping[str, Any], patience: Milliseconds) -> AsyncIterator[None]:
        """Wait for the room that a request to an endpoint needs, and keep it for this task. Raises LimitReached."""
        async with self._place().room(name, params, self.user, self._deadline(patience)):
            yield

    @contextmanager
    def _timed(self, name: str) -> Iterator[None]:
        """Measure how long an answer takes, of the questions and changes of accounts."""
        began = time.monotonic()
        yield
        if self.user is not None:
            self._latency().observe(name, (time.monotonic() - began) * 1000)

    def _latency(self) -> Latency:
        return self.connections.latency(self.id, self.base_url, self.network)

    def _place(self) -> Place:
        return self.connections.limits.place(self.id, self.base_url, self.metered, self.network)

    def _deadline(self, patience: Milliseconds) -> Milliseconds:
        """Until when to wait for room: as long as the command may, or as for an answer where there is no command."""
        told = DEADLINE.get()
        return self.connections.limits.now() + patience if told is None else told


@contextmanager
def _outcome_told(guard: SendGuard | None) -> Iterator[None]:
    """Tell the guard of a change when the venue definitively did not process it."""
    try:
        yield
    except Refused:
        if guard:
            guard.not_processed()
        raise


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
