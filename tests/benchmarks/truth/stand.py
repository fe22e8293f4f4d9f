"""The stand-in venues, the changes that are made on them, and what is really in force there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

from schemas.requests import MarginMode, MarketType
from tests.benchmarks.truth.played import TIMEOUT_MS, ChangeKind, Played
from worker.accounts.account import Account, Accounts
from worker.console.seeded import SEEDED
from worker.runtime.clock import now
from worker.sandbox.app.server import Sandbox
from worker.sandbox.server.faults import Fault
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import METERED, Venues
from worker.venues.limits import Limits, within
from worker.venues.port.adapter import Adapter, Market

LEVERAGE = 7
ASSET = "USDT"
COLLECTIONS = frozenset({ChangeKind.AUTO_COLLECTION, ChangeKind.ASSET_COLLECTION})
PM_ACCOUNT = "binance-pm-001"
PLENTY = 10**9


@dataclass(frozen=True, slots=True)
class Stand:
    """One stand-in venue, and a way of ours to it that meets no faults."""

    sandbox: Sandbox
    venues: Venues
    venue: str

    def account(self, change: ChangeKind) -> Account:
        """The account that a change is made on."""
        wanted = PM_ACCOUNT if change in COLLECTIONS else SEEDED[self.venue].account
        return next(account for account in self.sandbox.accounts if account.id == wanted)

    @property
    def symbol(self) -> str:
        """The market that a change is made on: nothing is open there."""
        return SEEDED[self.venue].flat

    def adapter(self, change: ChangeKind) -> Adapter:
        """Our adapter of that account."""
        return self.venues.adapter(self.account(change))

    def market(self, change: ChangeKind) -> Market:
        """That market, as we know it."""
        return self.adapter(change).market(self.symbol, MarketType.SWAP)

    def play(self, played: Played) -> None:
        """Begin anew, and let the next change go wrong."""
        self.sandbox.desks[self.venue].reset()
        if fault := played.fault():
            self.sandbox.desks[self.venue].faults.add(Fault.model_validate(fault))

    async def is_in_force(self, change: ChangeKind) -> bool:
        """Whether the venue shows what was wanted. Nothing goes wrong any more."""
        self.sandbox.desks[self.venue].faults.clear()
        adapter = self.adapter(change)
        if change in COLLECTIONS:
            assert adapter.portfolio_margin
            with within(now() + PATIENCE_MS):
                balance = (await adapter.portfolio_margin.balance())[ASSET]
            return not balance.um_futures.wallet and not balance.cm_futures.wallet
        with within(now() + PATIENCE_MS):
            terms = await adapter.terms(self.market(change))
        if change is ChangeKind.LEVERAGE:
            return terms.all_at(Decimal(LEVERAGE))
        return terms.margin_mode is MarginMode.ISOLATED


PATIENCE_MS = 30_000
"""How long it may take to see what is in force: a venue tells its own limits, and they are waited for."""


@asynccontextmanager
async def stands(venue: str) -> AsyncIterator[Stand]:
    """A stand-in venue with its markets loaded. Only one is used, though all are there."""
    lifted = {scope.name: PLENTY for scope in METERED[venue].scopes}  # it is not about limits, and a reset lifts theirs
    async with Sandbox() as sandbox, VenueConnections(Limits(granted={venue: lifted})) as connections:
        venues = Venues(connections, Accounts(sandbox.accounts), TIMEOUT_MS)
        stand = Stand(sandbox, venues, venue)
        for change in (ChangeKind.LEVERAGE, *COLLECTIONS) if venue == "binance" else (ChangeKind.LEVERAGE,):
            await venues.load_once(stand.account(change))
        yield stand
