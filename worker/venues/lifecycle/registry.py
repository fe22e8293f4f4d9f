"""The table of venues, and the venues that a set of accounts needs."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from functools import partial
from importlib import import_module
from types import MappingProxyType
from typing import Protocol, cast

from aiohttp import ClientWebSocketResponse

from schemas.base import Milliseconds
from schemas.control import Exchange, Network, VenueState
from worker.accounts.account import Account, Accounts, Site
from worker.accounts.regions import MAIN
from worker.accounts.venues import VENUES as KNOWN
from worker.venues.client.connections import VenueConnections
from worker.venues.client.hosts import Host, route_to
from worker.venues.client.observer import PATIENCE_MS, Heard, RequestObserver
from worker.venues.lifecycle.health import VenueChange, VenueWatch
from worker.venues.lifecycle.supervisor import HOURLY, KeptVenue, Reloads, Told
from worker.venues.limits import Limits
from worker.venues.limits.limiter import Granted
from worker.venues.limits.tables import UnknownLimit, VenueLimits
from worker.venues.port.adapter import Adapter, Venue
from worker.venues.port.errors import VenueError

VenueFactory = Callable[[VenueConnections, str | None, Milliseconds, Network], Venue]
"""Makes a venue of the shared connections, a base URL if not its own, the time limit of a request, and its network."""

Houses = Mapping[str, Mapping[str, Host]]


class VenuePackage(Protocol):
    """What the package of a venue has to offer. `HOSTS` are its legal houses, by region."""

    VENUE: VenueFactory
    LIMITS: VenueLimits
    HOSTS: Mapping[str, Host]


def _package(exchange: Exchange) -> VenuePackage:
    return cast("VenuePackage", import_module(f"worker.venues.{exchange}"))


_PACKAGES = {exchange: _package(exchange) for exchange in sorted(KNOWN)}
"""The package of each venue, which has its name: nothing else here knows which venues there are."""

VENUES: Mapping[str, VenueFactory] = MappingProxyType({name: package.VENUE for name, package in _PACKAGES.items()})
"""All venues by the name of the exchange."""

METERED: Mapping[str, VenueLimits] = MappingProxyType({name: package.LIMITS for name, package in _PACKAGES.items()})
"""What each of them meters."""

HOUSES: Houses = MappingProxyType({name: package.HOSTS for name, package in _PACKAGES.items()})
"""The legal houses of each, by region."""


def limits_kept(share: float, granted: Granted, background: float = 1.0) -> Limits:
    """The limits of all venues: a share of those by address, and some other than documented. Raises UnknownLimit."""
    for exchange, limits in granted.items():
        if exchange not in METERED:
            raise UnknownLimit(f"no limits are known of {exchange}, only of {', '.join(METERED)}")
        known = {scope.name for scope in METERED[exchange].scopes}
        if unknown := sorted(limits.keys() - known):
            raise UnknownLimit(f"{exchange} has no limit {unknown[0]!r}, only {', '.join(sorted(known))}")
    return Limits(share, granted, background=background)


class Venues:
    """The venues of all accounts: one for each site among them, as accounts come and go.

    One that no account is at any more is loaded no longer, and stays for commands that are under way.
    """

    def __init__(
        self,
        connections: VenueConnections,
        accounts: Accounts,
        timeout_ms: Milliseconds,
        reloads: Reloads = HOURLY,
        houses: Houses = HOUSES,
    ) -> None:
        self._connections = connections
        self._accounts = accounts
        self._timeout_ms = timeout_ms
        self._reloads = reloads
        self._houses = houses
        self._changes: list[VenueChange] = []
        self._kept: dict[Site, KeptVenue] = {}
        self._in_use: tuple[Site, ...] = ()
        self._take_stock()

    async def load_once(self, account: Account) -> None:
        """Load the markets of an account's venue. Raises VenueError."""
        await self._at(account.site).load_once()

    async def keep_loaded(self, told: Told) -> None:
        """Load each venue's markets, try again for as long as it takes, and load them again before they are old.

        Until cancelled. `told` hears of every failure. A venue that can't be reached holds up nobody but its own
        accounts.
        """
        loading: dict[Site, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            async for _ in self._accounts.versions():
                self._take_stock()
                for left in loading.keys() - set(self._in_use):
                    loading.pop(left).cancel()
                for site in self._in_use:
                    if site not in loading:
                        loading[site] = group.create_task(self._at(site).keep_loaded(told))

    def load_now(self) -> None:
        """Load the markets of all venues in use again, at once."""
        for site in self._in_use:
            self._at(site).load_now()

    async def prepare(self, accounts: Iterable[Account]) -> None:
        """Load the markets that accounts to come need, and that none of now does. Who can't be reached is left out."""
        new = {account.site for account in accounts} - set(self._in_use)
        await asyncio.gather(*(self._attempt(site) for site in new))

    async def _attempt(self, site: Site) -> None:
        with suppress(VenueError):  # `keep_loaded` tries again, and tells
            await self._at(site).load_once()

    async def tried(self) -> None:
        """Wait until each venue's markets were loaded, or could not be for the first time."""
        await asyncio.gather(*(self._at(site).tried.wait() for site in self._in_use))

    def adapter(self, account: Account) -> Adapter:
        """The adapter of an account, with its credentials of now. Raises NotSent while no markets are loaded."""
        current = self._accounts.current(account)
        return self._at(current.site).adapter(current)

    def socket(self, url: str) -> AbstractAsyncContextManager[ClientWebSocketResponse]:
        """A WebSocket to a venue, over the shared session."""
        return self._connections.socket(url)

    @property
    def watch(self) -> VenueWatch:
        """Who knows how they fare."""
        return VenueWatch(self.states, self.changes)

    def states(self) -> tuple[VenueState, ...]:
        """How each venue fares now."""
        return tuple(self._at(site).health.state() for site in self._in_use)

    def changes(self) -> list[VenueChange]:
        """What has changed since this was asked last, oldest first. How each venue fares at first is a change too."""
        self.states()
        changes, self._changes[:] = list(self._changes), []
        return changes

    def _take_stock(self) -> None:
        """Which venues the accounts need now; adapters of accounts that are gone are forgotten."""
        members: dict[Site, set[str]] = {site: set() for site in self._kept}
        for account in self._accounts.values():
            members.setdefault(account.site, set()).add(account.id)
        for site, names in members.items():
            self._at(site).keep_only(names)
        self._in_use = tuple(sorted((site for site, names in members.items() if names), key=str))

    def _at(self, site: Site) -> KeptVenue:
        if (kept := self._kept.get(site)) is None:
            kept = self._kept[site] = KeptVenue(site, partial(self._make, site), self._reloads, self._changes.append)
        return kept

    def _make(self, site: Site, heard: Heard) -> Venue:
        hearing = RequestObserver(heard, min(PATIENCE_MS, self._timeout_ms * 9 // 10), site.venue)
        main = HOUSES[site.exchange][MAIN]
        route = route_to(main.rest, self._houses[site.exchange][site.region or MAIN])
        connections = self._connections.heard_by(hearing, route)
        return VENUES[site.exchange](connections, site.base_url, self._timeout_ms, site.network)
