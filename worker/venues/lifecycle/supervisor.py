"""The upkeep of a venue: its markets are loaded, loaded again before they are old, and its health is kept.

Loading goes on for as long as it takes, and what was loaded before stays in use meanwhile. Markets that are loaded
again before their time are so for a reason: somebody means one that is not among them, or nothing has been answered
lately, and then it is also the way to find out when the venue is back.
"""

import asyncio
import random
from collections.abc import Callable, Container
from contextlib import suppress
from dataclasses import dataclass

from schemas.control import VenueState
from worker.accounts.account import Account, Site
from worker.runtime.backoff import Backoff
from worker.runtime.clock import CLOCKS, Clocks
from worker.runtime.collector import made_to_stay
from worker.venues.client.observer import Heard
from worker.venues.lifecycle.health import Health, VenueChange
from worker.venues.port.adapter import Adapter, Venue
from worker.venues.port.errors import Ambiguous, NotSent, VenueError

FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
"""Between attempts to load, doubling."""

SPREAD = 0.1
"""The share by which reloads come earlier, at random, so that venues and workers don't all load at once."""

UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError)
"""What reading a list of markets that is not as documented can end in."""


@dataclass(frozen=True, slots=True)
class Reloads:
    """After how many seconds markets are loaded again: at the latest, and at the soonest if there is a reason to."""

    latest_s: float = 3_600
    soonest_s: float = 60


HOURLY = Reloads()

Told = Callable[[str, VenueError], None]
"""Hears of every failure to load, by the name of the venue."""


class KeptVenue:
    """One exchange at one site. Its adapters are made anew when its markets or an account have changed."""

    def __init__(
        self,
        site: Site,
        make: Callable[[Heard], Venue],
        reloads: Reloads,
        changed: Callable[[VenueChange], None],
        *,
        clocks: Clocks = CLOCKS,
    ) -> None:
        self.health = Health(site.exchange, clocks, self._health_changed, network=site.network)
        self.tried = asyncio.Event()
        """Set once the markets were loaded, or could not be."""
        self._site = site
        self._venue = make(self.health.heard)
        self._reloads = reloads
        self._changed = changed
        self._wanted = asyncio.Event()
        self._at_once = asyncio.Event()
        self._is_fresh = False
        self._adapters: dict[str, tuple[Account, Adapter]] = {}

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account. Raises NotSent while there are no markets."""
        if not self.health.is_listed:
            raise NotSent(f"the markets of {self._site.exchange} are not loaded yet")
        made_for, adapter = self._adapters.get(account.id, (None, None))
        if made_for is not account or adapter is None:
            adapter = self._venue.adapter(account)
            self._adapters[account.id] = account, adapter
        return adapter

    def keep_only(self, accounts: Container[str]) -> None:
        """Forget the adapters, and with them the keys, of all other accounts."""
        self._adapters = {name: row for name, row in self._adapters.items() if name in accounts}

    async def load_once(self) -> None:
        """Load the markets. Raises VenueError, and those before stay."""
        try:
            with made_to_stay():
                if await self._venue.load(self._wanted.set):
                    self._adapters.clear()
        except VenueError as error:
            self.health.listed(error.message)
            raise
        except UNREADABLE as error:
            problem = f"the list of markets can't be read ({type(error).__name__})"
            self.health.listed(problem)
            raise Ambiguous(problem) from error
        else:
            self._is_fresh = True
            self.health.listed(None)
        finally:
            self.tried.set()

    def load_now(self) -> None:
        """Load the markets again at once; if they are being loaded just now, once more after that."""
        self._at_once.set()
        self._wanted.set()

    async def keep_loaded(self, told: Told) -> None:
        """Load the markets again and again, until cancelled; at first only if they were not loaded just before."""
        while True:
            self._wanted.clear()
            if not self._is_fresh or self._at_once.is_set():
                self._at_once.clear()
                await self._load(told)
            self._is_fresh = False
            await self._until_old()

    async def _load(self, told: Told) -> None:
        """Load the markets, and try again for as long as it takes."""
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        while True:
            try:
                return await self.load_once()
            except VenueError as error:
                told(str(self._site), error)
            await backoff.wait()

    async def _until_old(self) -> None:
        latest_s = self._reloads.latest_s * random.uniform(1 - SPREAD, 1)  # noqa: S311 - spreads load, guards nothing
        soonest_s = min(latest_s, self._reloads.soonest_s)
        if await self._is_wanted_at_once(soonest_s) or self.health.is_in_doubt:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(latest_s - soonest_s):
                await self._wanted.wait()

    async def _is_wanted_at_once(self, within_s: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._at_once.wait()
        return self._at_once.is_set()

    def _health_changed(self, state: VenueState) -> None:
        if self.health.is_in_doubt:
            self._wanted.set()
        self._changed(VenueChange(self._site, state))
