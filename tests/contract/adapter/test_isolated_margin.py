"""What every adapter promises of moving margin: only what was moved shows, and what can't be moved is said before."""

from decimal import Decimal

import pytest

from tests.contract.adapter.conftest import SharedSandbox
from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import SWAP, SandboxHarness, market
from tests.support.venues.description import DescribedVenue, MarginCase, UnmovedCase
from worker.venues.port.errors import Ambiguous, PreconditionFailed, ValueRefused, VenueError

AMOUNT = Decimal("2.5")
FAR_TOO_MUCH = Decimal(100_000_000)


@each(lambda venue: venue.margins)
async def test_the_margin_of_an_isolated_position_is_without_its_profit(
    harness: SandboxHarness, venue: DescribedVenue, case: MarginCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    held = await adapter.isolated_margin(wanted, case.side)
    assert (held.margin, held.currency) == (Decimal(case.margin), case.currency)
    (shown,) = [
        row
        for row in (await adapter.positions(SWAP, wanted)).positions
        if row.side == held.side and row.margin_mode == "isolated"
    ]
    assert shown.collateral is not None


@each(lambda venue: venue.margins)
async def test_what_was_added_and_taken_out_shows_to_the_digit(
    harness: SandboxHarness, venue: DescribedVenue, case: MarginCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    before = await adapter.isolated_margin(wanted, case.side)
    for amount, moved in ((AMOUNT, AMOUNT), (-AMOUNT, Decimal(0))):
        held = await adapter.isolated_margin(wanted, case.side)
        echo = await adapter.move_margin(wanted, held, amount)
        after = await adapter.isolated_margin(wanted, case.side)
        assert echo.accepted
        assert (after.margin - before.margin, after.comparable - before.comparable) == (moved, moved)
    assert len(await harness.requests(case.path)) == 2


@each(lambda venue: venue.margins)
async def test_more_than_there_is_is_refused_or_in_doubt_and_moves_nothing(
    harness: SandboxHarness, venue: DescribedVenue, case: MarginCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    held = await adapter.isolated_margin(wanted, case.side)
    for amount in (FAR_TOO_MUCH, -FAR_TOO_MUCH):
        with pytest.raises(VenueError):
            await adapter.move_margin(wanted, held, amount)
    assert await adapter.isolated_margin(wanted, case.side) == held


@each(lambda venue: venue.unmoved)
async def test_a_position_whose_margin_cannot_be_moved_is_told_before_anything_is_sent(
    harness: SandboxHarness, venue: DescribedVenue, case: UnmovedCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    with pytest.raises(PreconditionFailed, match=case.says):
        await adapter.isolated_margin(market(adapter, case.symbol), case.side)


@each(lambda venue: filter(None, [venue.too_precise]))
async def test_an_amount_that_the_venue_cannot_be_told_is_refused_before_any_call(
    harness: SandboxHarness, venue: DescribedVenue, case: str
) -> None:
    adapter = harness.adapter()
    wanted = market(adapter, venue.margins[0].symbol)
    with pytest.raises(ValueRefused):
        adapter.check_margin_move(wanted, Decimal(case))
    adapter.check_margin_move(wanted, AMOUNT)
    assert await harness.requests() == []


@each(lambda venue: venue.margins[:1])
async def test_an_answer_that_is_not_the_documented_one_leaves_a_doubt(
    harness: SandboxHarness, venue: DescribedVenue, case: MarginCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    held = await adapter.isolated_margin(wanted, case.side)
    for fault in ({"fault": "html"}, {"fault": "empty"}, {"fault": "status", "status": 502}):
        await harness.fault(case.path, **fault, apply=True)
        with pytest.raises(Ambiguous):
            await adapter.move_margin(wanted, held, AMOUNT)


async def test_on_hyperliquid_a_tenth_of_the_value_has_to_stay_and_all_of_it_where_margin_is_strictly_isolated(
    shared: SharedSandbox,
) -> None:
    harness = await shared.at("hyperliquid")
    await harness.reset()
    adapter = harness.adapter()
    sol = market(adapter, "SOL/USDC:USDC")
    state = await adapter.symbol_state(sol)
    await adapter.set_leverage(sol, Decimal(20))
    held = await adapter.isolated_margin(sol, None)
    stays = state.notional / 10
    spare = held.margin + state.unrealized_pnl - stays
    for amount in (-spare - 1, FAR_TOO_MUCH):
        with pytest.raises(VenueError):
            await adapter.move_margin(sol, held, amount)
    await adapter.move_margin(sol, held, -(spare.quantize(Decimal("0.01")) - 1))
