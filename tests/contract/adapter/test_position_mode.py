"""What every adapter promises of position modes: switched while nothing is open, and never by chance."""

from contextlib import suppress
from itertools import count

import pytest

from schemas.outcomes import Scope
from schemas.requests import PositionMode
from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import OpenAdapter, SandboxHarness, market
from tests.support.venues import DESCRIBED
from tests.support.venues.description import DescribedVenue, HinderedModeCase, ModeCase
from worker.accounts.venues import Capability
from worker.venues.port.adapter import ModeAddress
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent, NotSupported, PreconditionFailed, ValueRefused

ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE
NUMBERS = count()
LACKING = [venue for venue in DESCRIBED.values() if Capability.POSITION_MODE in venue.lacks["perp"]]


def flat(harness: SandboxHarness, venue: DescribedVenue, case: ModeCase) -> tuple[OpenAdapter, ModeAddress, str]:
    """An account in which nothing is open, what is meant of it, and how that is called."""
    account_id = f"flat-{venue.exchange}-{next(NUMBERS)}"
    account = harness.sandbox.open_account(venue.exchange, id=account_id, open_positions=0, **case.opened)
    adapter = harness.adapter(account.id)
    named = market(adapter, case.symbol) if case.symbol else None
    return adapter, ModeAddress(named, case.settle), case.part or account.id


async def changes(harness: SandboxHarness) -> tuple[str, ...]:
    return tuple(entry["path"] for entry in await harness.requests() if entry["method"] == "POST")


@each(lambda venue: venue.modes)
async def test_a_mode_switches_there_and_back_and_is_read_back(
    harness: SandboxHarness, venue: DescribedVenue, case: ModeCase
) -> None:
    adapter, address, _ = flat(harness, venue, case)
    for mode in (HEDGE, ONE_WAY):
        echo = await adapter.set_position_mode(address, mode)
        assert (echo.scope, echo.position_mode in (None, mode), echo.accepted) == (case.scope, True, False)
        read = await adapter.position_modes(address)
        assert (read.all_in(mode), read.mode, read.scope) == (True, mode, case.scope)
    assert await changes(harness) == case.paths * 2


@each(lambda venue: [case for case in venue.modes if case.settle is None or venue.exchange != "bybit"])
async def test_a_mode_that_is_so_already_is_not_sent(
    harness: SandboxHarness, venue: DescribedVenue, case: ModeCase
) -> None:
    adapter, address, _ = flat(harness, venue, case)
    with pytest.raises(AlreadySo) as caught:
        await adapter.set_position_mode(address, ONE_WAY)
    assert (caught.value.scope, caught.value.venue_code) == (case.scope, None)
    assert await changes(harness) == ()


@each(lambda venue: venue.modes)
async def test_a_part_is_told_by_its_name(harness: SandboxHarness, venue: DescribedVenue, case: ModeCase) -> None:
    adapter, address, name = flat(harness, venue, case)
    parts = (await adapter.position_modes(address)).parts
    assert {part.position_mode for part in parts} == {ONE_WAY}
    if not case.opened and not (venue.exchange == "bybit" and case.settle):
        assert [(part.part, part.scope) for part in parts] == [(name, case.scope)]


@each(lambda venue: venue.hindered_modes)
async def test_what_is_in_the_way_is_named_with_what_to_do(
    harness: SandboxHarness, venue: DescribedVenue, case: HinderedModeCase
) -> None:
    account_id = venue.account(case.account)
    if case.change:
        await harness.change(account_id, **case.change)
    adapter = harness.adapter(account_id)
    address = ModeAddress(market(adapter, case.symbol) if case.symbol else None, case.settle)
    now = (await adapter.position_modes(address)).parts
    wanted = ONE_WAY if now[0].position_mode is HEDGE else HEDGE
    with pytest.raises(PreconditionFailed) as caught:
        await adapter.set_position_mode(address, wanted)
    assert caught.value.venue_code == case.code
    assert set(case.positions) <= set(caught.value.details["open_positions"])
    assert caught.value.details["open_orders"] == case.orders
    assert all(named in caught.value.message for named in (*case.positions, *case.orders))
    assert "close them" in caught.value.message or "cancel them" in caught.value.message
    assert (await adapter.position_modes(address)).parts == now
    if case.code is None:
        assert await changes(harness) == ()


@each(lambda venue: venue.modes[:1])
async def test_a_mode_that_cannot_be_read_before_is_not_sent(
    harness: SandboxHarness, venue: DescribedVenue, case: ModeCase
) -> None:
    adapter, address, _ = flat(harness, venue, case)
    await harness.fault(venue.mode_read, "html")
    with pytest.raises(NotSent, match="nothing was changed"):
        await adapter.set_position_mode(address, HEDGE)
    assert await changes(harness) == ()


@each(lambda venue: venue.modes[:1])
async def test_a_switch_that_got_lost_shows_in_the_read_back(
    harness: SandboxHarness, venue: DescribedVenue, case: ModeCase
) -> None:
    adapter, address, _ = flat(harness, venue, case)
    await harness.fault(case.paths[0], "status", method="POST", status=200, body=venue_success(venue))
    with suppress(Ambiguous):  # of what states the mode, an answer without it is nonsense
        assert (await adapter.set_position_mode(address, HEDGE)).position_mode is None
    assert not (await adapter.position_modes(address)).all_in(HEDGE)


def venue_success(venue: DescribedVenue) -> object:
    """What a venue answers that is no statement about a mode."""
    return {"binance": {"code": 200, "msg": "success"}, "bybit": {"retCode": 0, "retMsg": "OK", "result": {}}}.get(
        venue.exchange, {}
    )


@each(lambda venue: [case.scope for case in venue.modes[:1] if case.scope is not Scope.ACCOUNT])
async def test_a_venue_with_several_modes_wants_to_be_told_which(
    harness: SandboxHarness, venue: DescribedVenue, case: Scope
) -> None:
    with pytest.raises(ValueRefused, match="settle"):
        await harness.adapter().set_position_mode(ModeAddress(), HEDGE)
    assert await changes(harness) == ()


@pytest.mark.parametrize("venue", LACKING, ids=lambda venue: venue.exchange)
async def test_a_venue_without_modes_says_so_before_any_call(harness: SandboxHarness, venue: DescribedVenue) -> None:
    adapter = harness.adapter()
    with pytest.raises(NotSupported, match="no position mode"):
        await adapter.position_modes(ModeAddress())
    with pytest.raises(NotSupported, match="no position mode"):
        await adapter.set_position_mode(ModeAddress(), HEDGE)
    assert await harness.requests() == []
