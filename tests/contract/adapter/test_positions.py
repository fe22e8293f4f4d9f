"""What every adapter promises of positions: the same fields, every part named, and nothing hidden."""

from decimal import Decimal

from schemas.replies import Position
from schemas.requests import MarginMode
from tests.contract.adapter.venue_cases import each, each_venue
from tests.support.sandbox_harness import FUTURE, SWAP, SandboxHarness, market, unread
from tests.support.venues.description import DescribedVenue, OwnPartCase, SplitCase, UnlistedCase
from worker.console.seeded import SEEDED


@each_venue
async def test_the_documented_position_has_the_documented_fields(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter, held = harness.adapter(), SEEDED[venue.exchange].held
    (position,) = (await adapter.positions(SWAP, market(adapter, held))).positions
    shown = position.model_dump(mode="json")
    documented = {
        "symbol": held,
        "side": "long",
        "entry_price": 98000.00,
        "mark_price": 98505.00,
        "notional": 4925.25,
        "leverage": 10,
        "unrealized_pnl": 25.25,
        "percentage": 0.51,
        "margin_mode": "cross",
        "liquidation_price": shown["liquidation_price"],
        "collateral": 492.52,
        "timestamp": 1706745600000,
        "datetime": "2024-02-01T00:00:00Z",
        "exchange": venue.exchange,
        "exchange_account_id": harness.account().id,
    }
    assert shown == {**documented, **venue.position}
    assert "liquidation_price" in venue.position or 0 < shown["liquidation_price"] < shown["entry_price"]


@each_venue
async def test_whatever_is_told_of_a_position_is_what_its_model_demands(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    found = (await harness.adapter().positions()).positions
    assert found
    assert [Position.model_validate(row.model_dump(), strict=True) for row in found] == list(found)
    assert all(row.model_fields_set == Position.model_fields.keys() for row in found)


@each(lambda venue: filter(None, [venue.split]))
async def test_swaps_and_futures_are_told_apart_and_every_part_is_named(
    harness: SandboxHarness, venue: DescribedVenue, case: SplitCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    swaps, futures, both = [await adapter.positions(kind) for kind in (SWAP, FUTURE, None)]
    assert {(row.symbol, row.side) for row in swaps.positions} == case.swaps
    assert len(swaps.positions) == len(case.swaps)
    (future,) = futures.positions
    assert market(adapter, future.symbol, FUTURE).symbol == future.symbol
    assert {row.symbol for row in both.positions} == {symbol for symbol, _ in case.swaps} | {future.symbol}
    assert (swaps.coverage, futures.coverage, both.coverage) == case.coverage


@each(lambda venue: venue.own_parts)
async def test_a_symbol_asks_its_own_part_only(
    harness: SandboxHarness, venue: DescribedVenue, case: OwnPartCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    found = await adapter.positions(SWAP, market(adapter, case.symbol))
    assert found.coverage == (case.coverage,)
    assert {row.symbol for row in found.positions} <= {case.symbol}
    assert await harness.paths() == sorted(case.asked)


@each(lambda venue: venue.isolated)
async def test_an_isolated_position_holds_its_own_margin(
    harness: SandboxHarness, venue: DescribedVenue, case: tuple[str, str, str]
) -> None:
    account, symbol, collateral = case
    adapter = harness.adapter(venue.account(account))
    (position,) = (await adapter.positions(SWAP, market(adapter, symbol))).positions
    assert (position.margin_mode, position.collateral) == (MarginMode.ISOLATED, Decimal(collateral))


@each_venue
async def test_very_many_positions_come_whole(harness: SandboxHarness, venue: DescribedVenue) -> None:
    account = harness.sandbox.open_account(venue.exchange, id=f"many-{venue.exchange}", **venue.opened)
    found = await harness.venue.adapter(account).positions()
    assert len({row.symbol for row in found.positions}) == venue.opened["open_positions"]
    assert unread(found) == {}


@each(lambda venue: [venue.unlisted])
async def test_a_position_in_a_market_that_is_not_loaded_is_named_and_hides_no_other(
    harness: SandboxHarness, venue: DescribedVenue, case: UnlistedCase
) -> None:
    await harness.fault(case.path, "status", body=case.body, params=dict(case.params))
    found = await harness.adapter(venue.account(case.account)).positions(case.market_type)
    assert {row.symbol for row in found.positions} == case.left
    assert unread(found).keys() == {case.part}
    assert case.says in unread(found)[case.part]
    assert case.part not in found.coverage
