"""Checking many accounts at once: all venues side by side, the accounts of a venue side by side, nothing changed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.accounts.account import Account, Accounts, Site
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import Venues
from worker.venues.port.check_results import Check, CheckResult, Verdict
from worker.venues.port.errors import VenueError
from worker.venues.reading.preflight import no_account


@dataclass(frozen=True, slots=True)
class Report:
    """What was found out about one account."""

    account: Account
    findings: tuple[CheckResult, ...]

    @property
    def sound(self) -> bool:
        """Whether nothing that was found will make commands fail."""
        return all(finding.verdict is not Verdict.PROBLEM for finding in self.findings)


Told = Callable[[Report], None]
"""Hears of each account as soon as it is checked."""


async def check_accounts(accounts: Sequence[Account], timeout_ms: Milliseconds, told: Told) -> list[Report]:
    """A report on each account, in the order of the accounts. Raises nothing that a venue answers."""
    reports: dict[str, Report] = {}

    def note(report: Report) -> None:
        reports[report.account.id] = report
        told(report)

    async with VenueConnections() as connections:
        venues = Venues(connections, Accounts(accounts), timeout_ms)
        await asyncio.gather(*(_check_venue(venues, members, note) for members in _by_venue(accounts)))
    return [reports[account.id] for account in accounts]


def _by_venue(accounts: Sequence[Account]) -> list[list[Account]]:
    groups: dict[Site, list[Account]] = {}
    for account in accounts:
        groups.setdefault(account.site, []).append(account)
    return list(groups.values())


async def _check_venue(venues: Venues, members: Sequence[Account], told: Told) -> None:
    try:
        await venues.load_once(members[0])
    except VenueError as error:
        for account in members:
            told(Report(account, no_account(Check.VENUE, error)))
        return
    await asyncio.gather(*(_check(venues, account, told) for account in members))


async def _check(venues: Venues, account: Account, told: Told) -> None:
    try:
        adapter = venues.adapter(account)
    except VenueError as error:  # a key or an address that is none
        told(Report(account, no_account(Check.KEY, error)))
        return
    told(Report(account, await adapter.preflight()))
