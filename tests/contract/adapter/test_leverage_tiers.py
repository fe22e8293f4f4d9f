"""What every adapter promises of leverage tiers: ascending, without a gap, kept for an hour, told with their age."""

from decimal import Decimal
from itertools import pairwise

import pytest

from schemas.requests import MarketType
from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import PATIENCE_MS, SandboxHarness, market
from tests.support.venues.description import DescribedVenue, TierCase
from worker.runtime.clock import now
from worker.venues.limits import requesting
from worker.venues.port.errors import VenueError


@each(lambda venue: venue.tiers)
async def test_the_tiers_of_a_market_begin_at_nothing_and_leave_no_gap(
    harness: SandboxHarness, venue: DescribedVenue, case: TierCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    read = await adapter.leverage_tiers(market(adapter, case.symbol), MarketType.SWAP)
    (told,) = read.markets
    assert (told.symbol, told.currency) == (case.symbol, case.currency)
    first, last = told.tiers[0], told.tiers[-1]
    assert (first.notional_floor, first.notional_cap) == (Decimal(0), Decimal(case.first_cap))
    assert (first.max_leverage, last.max_leverage) == tuple(map(Decimal, case.leverages))
    assert first.maintenance_margin_rate == Decimal(case.rate)
    for below, above in pairwise(told.tiers):
        assert below.notional_cap == above.notional_floor
        assert below.max_leverage > above.max_leverage
        assert below.maintenance_margin_rate < above.maintenance_margin_rate


@each(lambda venue: venue.tiers)
async def test_tiers_are_asked_for_once_an_hour_unless_they_are_wanted_anew(
    harness: SandboxHarness, venue: DescribedVenue, case: TierCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    first = await adapter.leverage_tiers(wanted, MarketType.SWAP)
    assert await adapter.leverage_tiers(wanted, MarketType.SWAP) == first
    assert await harness.paths() == [case.asked]
    anew = await adapter.leverage_tiers(wanted, MarketType.SWAP, anew=True)
    assert (anew.markets, anew.as_of >= first.as_of) == (first.markets, True)
    assert await harness.paths() == [case.asked] * 2


@each(lambda venue: venue.tiers)
async def test_the_tiers_of_all_are_those_of_each(
    harness: SandboxHarness, venue: DescribedVenue, case: TierCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    with requesting(deadline=now() + PATIENCE_MS):
        everything = await adapter.leverage_tiers(None, MarketType.SWAP)
    by_symbol = {row.symbol: row for row in everything.markets}
    assert {case.symbol, case.alike} <= by_symbol.keys()
    assert [part.unread for part in everything.parts if part.unread] == []
    assert list(by_symbol) == sorted(by_symbol)
    asked = await harness.paths()
    alone = await adapter.leverage_tiers(market(adapter, case.symbol), MarketType.SWAP)
    assert alone.markets == (by_symbol[case.symbol],)
    assert len(await harness.paths()) - len(asked) <= 1


@each(lambda venue: venue.tiers[:1])
async def test_tiers_that_cannot_be_read_are_not_told(
    harness: SandboxHarness, venue: DescribedVenue, case: TierCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    await harness.fault(case.asked, "html", times=5)
    with pytest.raises(VenueError):
        await adapter.leverage_tiers(market(adapter, case.symbol), MarketType.SWAP)
