"""How often connections are opened at a venue: its limit of them is of an address, so all accounts here share it."""

import asyncio
from collections import deque
from time import monotonic

from worker.accounts.account import Site
from worker.venues.port.streams import FeedRules

Place = tuple[str, str, str | None]
"""Exchange, network and address: where dials are counted."""


class DialGate:
    """Lets `dials` connections be opened in any `within_s` seconds, in the order in which they are asked for."""

    def __init__(self, dials: int, within_s: float) -> None:
        self._last: deque[float] = deque(maxlen=max(1, dials))
        self._within_s = within_s
        self._turn = asyncio.Lock()

    async def passed(self) -> None:
        """Return when a connection may be opened; it is counted from now on."""
        async with self._turn:
            if len(self._last) == self._last.maxlen:
                await asyncio.sleep(max(0.0, self._last[0] + self._within_s - monotonic()))
            self._last.append(monotonic())


class DialGates:
    """One gate for each venue. `share` is the part of its limits that is this process's own."""

    def __init__(self, share: float = 1.0) -> None:
        self._share = share
        self._gates: dict[Place, DialGate] = {}

    def at(self, site: Site, rules: FeedRules) -> DialGate:
        """The gate of a venue."""
        if (gate := self._gates.get(site.seat)) is None:
            gate = self._gates[site.seat] = DialGate(int(rules.dials * self._share), rules.dials_in_s)
        return gate
