"""What every adapter promises of margin: one ratio with one meaning, and nothing that the venue did not tell."""

from decimal import Decimal

import pytest

from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import SandboxHarness, unread
from tests.support.venues import DESCRIBED
from tests.support.venues.description import DescribedVenue, PoolCase
from worker.venues.port.adapter import Adapter, MarginRead

TOLD = {name: venue for name, venue in DESCRIBED.items() if venue.pools}
each_with_margin = pytest.mark.parametrize("venue", TOLD.values(), ids=TOLD)
"""A test of each venue whose margin is read."""

PLACES = Decimal("0.000001")


async def read(adapter: Adapter, *, held_only: bool = False) -> MarginRead:
    return await adapter.margin_health(held_only=held_only)


@each(lambda venue: venue.pools)
async def test_a_pool_says_how_near_it_is_to_liquidation(
    harness: SandboxHarness, venue: DescribedVenue, case: PoolCase
) -> None:
    account = venue.account(case.account)
    if case.change:
        await harness.change(account, **case.change)
    found = await read(harness.adapter(account))
    pools = {pool.pool: pool for pool in found.pools}
    assert case.pool in pools, sorted(pools)
    pool = pools[case.pool]
    shown = None if pool.margin_ratio is None else f"{pool.margin_ratio:f}"
    assert (shown, pool.margin_ratio_source, pool.currency) == (case.ratio, case.source, case.currency)
    assert (pool.venue_ratio and pool.venue_ratio.name, pool.positions) == (case.own, case.positions)
    assert (pool.nearest_liquidation and pool.nearest_liquidation.symbol) == case.nearest


@each_with_margin
async def test_what_is_not_told_is_null_with_the_reason(harness: SandboxHarness, venue: DescribedVenue) -> None:
    for account in {case.account for case in venue.pools}:
        for pool in (await read(harness.adapter(venue.account(account)))).pools:
            figures = pool.model_dump(include={"equity", "maintenance_margin", "margin_ratio", "nearest_liquidation"})
            assert {name for name, figure in figures.items() if figure is None} == pool.untold.keys()


@each_with_margin
async def test_a_ratio_is_maintenance_over_equity_unless_the_venue_tells_its_own(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    found = await read(harness.adapter())
    derived = [pool for pool in found.pools if pool.margin_ratio_source == "derived" and pool.venue_ratio is None]
    for pool in derived:
        ratio, equity = pool.margin_ratio or Decimal(0), pool.equity or Decimal(1)
        assert abs(ratio - (pool.maintenance_margin or Decimal(0)) / equity) < PLACES


@each_with_margin
async def test_the_distance_is_from_the_mark_price_to_the_liquidation_price(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    found, source = await read(harness.adapter()), "derived" if venue.mark_is_derived else "venue"
    rows = {(row.symbol, row.side): row for row in found.found.positions}
    nearest = [pool.nearest_liquidation for pool in found.pools if pool.nearest_liquidation]
    for near in nearest:
        row = rows[near.symbol, near.side]
        assert (near.mark_price, near.liquidation_price) == (row.mark_price, row.liquidation_price)
        assert near.mark_price_source == source
        way = abs(near.mark_price - near.liquidation_price) / near.mark_price * 100
        assert abs(near.distance_percent - way) < Decimal("0.0001")


@each_with_margin
async def test_the_positions_that_come_with_it_are_those_of_the_positions(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter = harness.adapter()
    assert (await read(adapter)).found == await adapter.positions()


@each(lambda venue: filter(None, [venue.unread_margin]))
async def test_margin_that_cannot_be_read_hides_no_position(
    harness: SandboxHarness, venue: DescribedVenue, case: tuple[str, str]
) -> None:
    path, part = case
    adapter = harness.adapter()
    positions = await adapter.positions()
    await harness.fault(path, "html", times=9)
    found = await read(adapter)
    assert found.found == positions
    assert part in {row.name for row in found.parts if row.unread}
    assert not unread(found.found)


@each_with_margin
async def test_of_a_flat_account_a_reading_on_schedule_asks_little_more_than_positions(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    account = harness.sandbox.open_account(venue.exchange, id=f"flat-{venue.exchange}")
    adapter = harness.venue.adapter(account)
    await adapter.positions()
    first = len(await harness.requests())
    await adapter.positions()
    second = len(await harness.requests())
    found = await read(adapter, held_only=True)
    asked = [entry["path"] for entry in await harness.requests()]
    assert sorted(asked[second:]) == sorted(asked[first:second])
    assert found.pools == ()
