"""The sandbox: all stand-in venues, each on a port of its own, with the control endpoints beside it."""

import asyncio
from collections.abc import Mapping
from importlib import import_module
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from schemas.control import Exchange
from worker.accounts.account import Account
from worker.accounts.venues import VENUES
from worker.sandbox.app.control import CONTROL, control_application, describe_account
from worker.sandbox.app.frontend import Desk
from worker.sandbox.server.venue import StandIn

LOOPBACK = "127.0.0.1"
BACKLOG = 1_024
"""Connections that may wait to be taken up: a client whose burst finds no place would try again a second later."""

GOODBYE = 0.5
"""Seconds that answers under way get when the sandbox stops; delayed ones would otherwise hold it up."""


def application(desk: Desk) -> web.Application:
    """One venue and its control endpoints."""
    served = web.Application()
    served.add_subapp(CONTROL, control_application(desk))
    served.router.add_route("*", "/{path:.*}", desk.serve)
    return served


def _stand_in(exchange: Exchange) -> StandIn:
    """A new stand-in for a venue, from the package of its name."""
    made: StandIn = import_module(f"worker.sandbox.{exchange}.venue").STAND_IN()
    return made


class Sandbox:
    """All stand-in venues, served while the context is open.

    `ports` sets a venue's port by name; any free one is taken otherwise. `host` is an address of this machine, or a
    name for one. `desks` has each venue's journal and faults. Raises OSError if a port is taken.
    """

    def __init__(self, ports: Mapping[str, int] | None = None, host: str = LOOPBACK) -> None:
        self.base_urls: dict[str, str] = {}
        self._host = host
        self._ports = ports or {}
        self.desks = {venue.name: Desk(venue) for venue in map(_stand_in, VENUES)}
        self._runners: list[web.AppRunner] = []

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts of all venues with their keys; those opened on request are among them."""
        return tuple(
            account for name, desk in self.desks.items() for account in desk.venue.accounts(self.base_urls[name])
        )

    def open_account(self, venue: str, **content: Any) -> Account:
        """Open an account on request, as `POST /sandbox/accounts` does. Raises ControlRefused."""
        account_id = self.desks[venue].venue.open_account(content)
        return next(account for account in self.accounts if account.id == account_id)

    def describe(self) -> dict[str, Any]:
        """What other programs need to use the sandbox. It holds the keys, which are worth nothing elsewhere."""
        return {
            "venues": {
                name: {"base_url": base_url, "control_url": base_url + CONTROL}
                for name, base_url in self.base_urls.items()
            },
            "accounts": [describe_account(account) for account in self.accounts],
        }

    async def __aenter__(self) -> Self:
        try:
            await asyncio.gather(*(self._serve(name, desk) for name, desk in self.desks.items()))
        except OSError:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _serve(self, name: str, desk: Desk) -> None:
        runner = web.AppRunner(application(desk), access_log=None, shutdown_timeout=GOODBYE)
        self._runners.append(runner)
        await runner.setup()
        site = web.TCPSite(runner, self._host, self._ports.get(name, 0), backlog=BACKLOG)
        await site.start()
        self.base_urls[name] = f"http://{self._host}:{runner.addresses[0][1]}"

    async def _stop(self) -> None:
        await asyncio.gather(*(runner.cleanup() for runner in self._runners))
        self._runners.clear()
