"""What every adapter promises of leverage: it is set, read back, alone, within its range, and else refused in words."""

from decimal import Decimal

import pytest

from schemas.requests import MarginMode
from tests.contract.adapter.venue_cases import each, each_venue
from tests.support.sandbox_harness import FUTURE, SandboxHarness, market
from tests.support.venues.description import (
    AlreadyCase,
    BlockedCase,
    DescribedVenue,
    Fault,
    FlatCase,
    LeverageCase,
    MaximumCase,
    StateCase,
)
from worker.accounts.venues import Capability
from worker.console.seeded import SEEDED
from worker.venues.port.errors import (
    AlreadySo,
    Ambiguous,
    NotSent,
    NotSupported,
    PreconditionFailed,
    UnknownSymbol,
    ValueRefused,
)


@each(lambda venue: venue.leverages)
async def test_a_leverage_that_was_set_is_read_back_on_every_side_and_leaves_the_margin_mode_alone(
    harness: SandboxHarness, venue: DescribedVenue, case: LeverageCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted, leverage = market(adapter, case.symbol), Decimal(case.leverage)
    before = (await adapter.terms(wanted)).margin_mode
    assert case.mode in (None, before)
    await adapter.check_leverage(wanted, leverage)
    echo = await adapter.set_leverage(wanted, leverage)
    assert echo.leverage == (leverage if "leverage" in venue.echoes else None)
    assert echo.margin_mode == (before if "margin_mode" in venue.echoes else None)
    assert not echo.accepted
    expected = venue.echo(wanted)
    assert {name: echo.raw.get(name) for name in expected} == expected
    terms = await adapter.terms(wanted)
    assert terms.all_at(leverage)
    assert (terms.leverage, terms.margin_mode) == (leverage, before)


@each_venue
async def test_a_fraction_is_read_back_as_it_was_set_where_the_venue_takes_one(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter = harness.adapter()
    held = market(adapter, SEEDED[venue.exchange].held)
    if venue.takes_fractions:
        await adapter.check_leverage(held, Decimal("4.5"))
        await adapter.set_leverage(held, Decimal("4.50"))
        assert (await adapter.symbol_state(held)).terms.leverage == Decimal("4.5")
    else:
        with pytest.raises(ValueRefused, match=r"4\.5"):
            await adapter.check_leverage(held, Decimal("4.5"))


@each(lambda venue: filter(None, [venue.future_of]))
async def test_a_delivery_future_has_a_leverage_of_its_own(
    harness: SandboxHarness, venue: DescribedVenue, case: str
) -> None:
    adapter = harness.adapter(venue.account(case))
    (held,) = (await adapter.positions(FUTURE)).positions
    future, swap = market(adapter, held.symbol, FUTURE), market(adapter, SEEDED[venue.exchange].held)
    before = await adapter.terms(swap)
    await adapter.set_leverage(future, Decimal(4))
    assert (await adapter.terms(future)).leverage == Decimal(4)
    assert (await adapter.terms(swap)).leverage == before.leverage != Decimal(4)


@each(lambda venue: venue.maxima)
async def test_more_than_the_market_allows_names_the_maximum_and_changes_nothing(
    harness: SandboxHarness, venue: DescribedVenue, case: MaximumCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    await adapter.check_leverage(wanted, Decimal(case.maximum))
    with pytest.raises(ValueRefused, match=f"{case.symbol} takes 1x to {case.maximum}x.*, not 200x"):
        await adapter.check_leverage(wanted, Decimal(200))
    asked = await harness.requests()
    assert [
        (entry["path"], {name: entry["params"].get(name) for name in about})
        for entry, (_, about) in zip(asked, case.asked, strict=True)
    ] == list(case.asked)


@each_venue
async def test_what_only_the_venue_knows_to_be_too_much_is_refused_by_it(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter = harness.adapter()
    with pytest.raises(ValueRefused) as caught:
        await adapter.set_leverage(market(adapter, SEEDED[venue.exchange].held), Decimal(200))
    assert caught.value.venue_code == venue.refused_code


@each(lambda venue: venue.no_confirmations)
async def test_an_answer_that_states_something_else_is_no_confirmation(
    harness: SandboxHarness, venue: DescribedVenue, case: tuple[Fault, str | None]
) -> None:
    adapter, (fault, says) = harness.adapter(), case
    await harness.fault(venue.set_leverage, **fault)
    with pytest.raises(Ambiguous, match=says):
        await adapter.set_leverage(market(adapter, SEEDED[venue.exchange].held), Decimal(7))


@each(lambda venue: venue.read_ahead)
async def test_what_cannot_be_read_ahead_of_a_change_means_that_nothing_was_sent(
    harness: SandboxHarness, venue: DescribedVenue, case: Fault
) -> None:
    adapter = harness.adapter()
    await harness.fault(**case)
    with pytest.raises(NotSent, match=r"nothing was (changed|sent)"):
        await adapter.set_leverage(market(adapter, SEEDED[venue.exchange].held), Decimal(7))
    assert venue.set_leverage not in await harness.paths()


@each(lambda venue: venue.already)
async def test_what_is_so_already_is_no_change(
    harness: SandboxHarness, venue: DescribedVenue, case: AlreadyCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    with pytest.raises(AlreadySo) as caught:
        await getattr(adapter, case.operation)(market(adapter, case.symbol), case.value)
    assert (caught.value.venue_code, caught.value.scope) == (case.code, case.scope)
    assert bool(caught.value.note) is case.noted
    if case.code is None:
        assert {entry["method"] for entry in await harness.requests()} == {"GET"}


@each(lambda venue: venue.blocked)
async def test_what_the_account_forbids_is_said_in_words(
    harness: SandboxHarness, venue: DescribedVenue, case: BlockedCase
) -> None:
    account_id = venue.account(case.account)
    if case.change:
        await harness.change(account_id, **case.change)
    adapter = harness.adapter(account_id)
    wanted = market(adapter, case.symbol)
    with pytest.raises(PreconditionFailed) as caught:
        await getattr(adapter, case.operation)(wanted, case.value)
    assert case.says in caught.value.message
    assert caught.value.venue_code == case.code
    if case.code is None:
        assert {entry["method"] for entry in await harness.requests()} == {"GET"}


@each(lambda venue: venue.states)
async def test_a_position_is_valued_in_quote_and_the_sides_of_a_hedge_are_summed(
    harness: SandboxHarness, venue: DescribedVenue, case: StateCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    state = await adapter.symbol_state(market(adapter, case.symbol))
    assert (state.side, state.size, state.notional) == (case.side, Decimal(case.size), Decimal(case.notional))


@each_venue
async def test_the_state_of_the_held_symbol_means_the_same_everywhere(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter = harness.adapter()
    state = await adapter.symbol_state(market(adapter, SEEDED[venue.exchange].held))
    assert (state.terms.leverage, state.terms.margin_mode) == (Decimal(10), MarginMode.CROSS)
    assert (state.side, state.notional, state.unrealized_pnl) == ("long", Decimal("4925.25"), Decimal("25.25"))


@each(lambda venue: venue.flats)
async def test_a_flat_market_has_terms_and_no_side(
    harness: SandboxHarness, venue: DescribedVenue, case: FlatCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    state = await adapter.symbol_state(market(adapter, case.symbol))
    assert (state.side, state.size, state.notional) == (None, Decimal(0), Decimal(0))
    assert state.terms.leverage > 0
    assert case.leverage is None or state.terms.leverage == Decimal(case.leverage)
    assert case.mode in (None, state.terms.margin_mode)


@each_venue
async def test_a_misspelt_symbol_is_answered_with_what_was_probably_meant(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    with pytest.raises(UnknownSymbol, match=f"did you mean {SEEDED[venue.exchange].held}"):
        market(harness.adapter(), venue.misspelt)


@each(lambda venue: venue.lacks.items())
async def test_what_is_not_declared_is_refused_before_any_call(
    harness: SandboxHarness, venue: DescribedVenue, case: tuple[str, frozenset[Capability]]
) -> None:
    kind, lacking = case
    adapter = harness.adapter(venue.account(kind))
    assert adapter.capabilities == frozenset(Capability) - lacking
    assert (adapter.portfolio_margin is None) is (Capability.PORTFOLIO_MARGIN in lacking)
    if Capability.MARGIN_MODE in lacking:
        with pytest.raises(NotSupported):
            await adapter.set_margin_mode(market(adapter, SEEDED[venue.exchange].flat), MarginMode.ISOLATED)
    assert await harness.requests() == []
