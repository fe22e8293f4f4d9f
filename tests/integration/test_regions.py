"""A key of one legal house of a venue is used there, and found there by whoever asks."""

from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

import pytest

from schemas.requests import MarketType
from worker.accounts.account import Account, Accounts
from worker.sandbox.app.server import Sandbox
from worker.venues.client.connections import VenueConnections
from worker.venues.client.hosts import Host
from worker.venues.lifecycle.account_checks import Report, check_accounts
from worker.venues.lifecycle.registry import HOUSES, Houses, Venues
from worker.venues.port.check_results import Check, Verdict

SWAP = MarketType.SWAP


class TwoHouses:
    """OKX twice: each with accounts and keys of its own, at the hosts of two regions."""

    def __init__(self, main: Sandbox, eea: Sandbox) -> None:
        self.main, self.eea = main, eea
        hosts: Mapping[str, Host] = {
            "global": Host(main.base_urls["okx"], "wss://main", "a test", headers=MappingProxyType({"x-site": "main"})),
            "eea": Host(eea.base_urls["okx"], "wss://eea", "a test", headers=MappingProxyType({"x-site": "eea"})),
        }
        self.houses: Houses = {**HOUSES, "okx": hosts}

    def account_of_eea(self, region: str | None) -> Account:
        """An account of the second house, registered at a region."""
        opened = next(row for row in self.eea.accounts if row.id == "okx-perp-001")
        return opened.model_copy(update={"base_url": None, "region": region})

    async def check(self, region: str | None) -> Report:
        (report,) = await check_accounts(
            [self.account_of_eea(region)], 2_000, lambda _: None, regions=True, houses=self.houses
        )
        return report


@pytest.fixture
async def okx() -> AsyncIterator[TwoHouses]:
    async with Sandbox() as main, Sandbox() as eea:
        yield TwoHouses(main, eea)


def verdict_of(report: Report, check: Check) -> Verdict:
    (verdict,) = {finding.verdict for finding in report.findings if finding.check is check}
    return verdict


async def test_requests_of_an_account_go_to_its_region_and_to_no_other(okx: TwoHouses) -> None:
    account = okx.account_of_eea("eea")
    async with VenueConnections() as connections:
        venues = Venues(connections, Accounts([account]), 2_000, houses=okx.houses)
        await venues.load_once(account)
        found = await venues.adapter(account).positions(SWAP)
    assert found.positions
    assert okx.eea.desks["okx"].journal.entries
    assert not okx.main.desks["okx"].journal.entries


async def test_a_key_that_is_refused_is_found_at_the_house_that_takes_it(okx: TwoHouses) -> None:
    report = await okx.check(None)
    assert verdict_of(report, Check.KEY) is Verdict.PROBLEM
    finding = next(finding for finding in report.findings if finding.check is Check.REGION)
    assert finding.verdict is Verdict.WARNING
    assert finding.says == f"the key is taken by eea ({okx.eea.base_urls['okx']})"
    assert finding.remedy == "set `region` in the registry to where it is taken"


async def test_a_key_that_is_where_it_belongs_is_taken_nowhere_else(okx: TwoHouses) -> None:
    report = await okx.check("eea")
    assert verdict_of(report, Check.KEY) is Verdict.OK
    assert verdict_of(report, Check.REGION) is Verdict.OK
    assert okx.main.desks["okx"].journal.entries


async def test_nobody_else_is_asked_without_being_told_to(okx: TwoHouses) -> None:
    await check_accounts([okx.account_of_eea("eea")], 2_000, lambda _: None, houses=okx.houses)
    assert not okx.main.desks["okx"].journal.entries
