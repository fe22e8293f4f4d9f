"""Checking many accounts at once: all venues side by side, the accounts of a venue side by side, nothing changed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from schemas.base import Milliseconds
from worker.accounts.account import Account, Accounts, Site
from worker.accounts.regions import MAIN, takes_region
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import HOUSES, Houses, Venues
from worker.venues.port.check_results import Check, CheckResult, Verdict, not_checked, ok, warning
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


async def check_accounts(
    accounts: Sequence[Account],
    timeout_ms: Milliseconds,
    told: Told,
    *,
    regions: bool = False,
    houses: Houses = HOUSES,
) -> list[Report]:
    """A report on each account, in the order of the accounts. Raises nothing that a venue answers.

    With `regions` the venue's other houses are asked as well whether they know the key; nothing else ever does that.
    """
    reports: dict[str, Report] = {}

    def note(report: Report) -> None:
        reports[report.account.id] = report
        told(report)

    async with VenueConnections() as connections:
        venues = Venues(connections, Accounts(accounts), timeout_ms, houses=houses)
        await asyncio.gather(*(_check_venue(venues, members, note) for members in _by_venue(accounts)))
        if regions:
            asked = (_elsewhere(connections, report, timeout_ms, houses) for report in reports.values())
            for report, finding in zip(tuple(reports.values()), await asyncio.gather(*asked), strict=True):
                reports[report.account.id] = replace(report, findings=(*report.findings, finding))
    return [reports[account.id] for account in accounts]


async def _elsewhere(
    connections: VenueConnections, report: Report, timeout_ms: Milliseconds, houses: Houses
) -> CheckResult:
    """Which of the venue's other houses take the account's key."""
    account = report.account
    known = houses[account.exchange]
    others = [name for name in known if name != (account.region or MAIN)]
    if account.base_url is not None or not others or not takes_region(account.exchange, account.network):
        return not_checked(Check.REGION, "it has no other house")
    taken = await asyncio.gather(*(_takes(connections, account, name, timeout_ms, houses) for name in others))
    takers = [f"{name} ({known[name].rest})" for name, is_taken in zip(others, taken, strict=True) if is_taken]
    if not takers:
        return ok(Check.REGION, f"no other house takes the key; asked were {', '.join(others)}")
    says = f"the key is taken by {' and '.join(takers)}"
    if any(finding.check is Check.KEY and finding.verdict is Verdict.PROBLEM for finding in report.findings):
        return warning(Check.REGION, says, "set `region` in the registry to where it is taken")
    return ok(Check.REGION, f"{says} too")


async def _takes(
    connections: VenueConnections, account: Account, region: str, timeout_ms: Milliseconds, houses: Houses
) -> bool:
    moved = account.model_copy(update={"region": region})
    venues = Venues(connections, Accounts([moved]), timeout_ms, houses=houses)
    try:
        await venues.load_once(moved)
        findings = await venues.adapter(moved).preflight()
    except VenueError:
        return False
    keys = [finding.verdict for finding in findings if finding.check is Check.KEY]
    return bool(keys) and all(verdict in (Verdict.OK, Verdict.WARNING) for verdict in keys)


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
