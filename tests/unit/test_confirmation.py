"""A setting counts as applied only when the venue confirmed it."""

from decimal import Decimal

import pytest

from schemas import Outcome
from schemas.events import ConfirmedBy
from schemas.outcomes import Scope
from schemas.requests import PmAutoCollect, PositionMode, SetLeverage, SetMarginMode, SetPositionMode
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from worker.execution.calls import Interrupted, VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.execution.errors import Expired, NotConfirmed
from worker.execution.failures import refusal
from worker.handlers.leverage import set_leverage
from worker.handlers.margin_mode import set_margin_mode
from worker.handlers.plan import Applied
from worker.handlers.portfolio_margin import pm_auto_collect
from worker.handlers.position_mode import set_position_mode
from worker.runtime.clock import now
from worker.venues.port.errors import (
    AlreadySo,
    Ambiguous,
    LimitReached,
    NotSent,
    PreconditionFailed,
    Throttled,
    ValueRefused,
)

GATEWAY_TIMEOUT = Ambiguous("the venue answered 504")
TO_10X = SetLeverage(exchange_account_id=ACCOUNT.id, symbol=BTC.symbol, leverage=Decimal(10))
TO_ISOLATED = SetMarginMode.model_validate(
    {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "margin_mode": "isolated"}
)


@pytest.fixture
def venue() -> MemoryVenue:
    return MemoryVenue()


def calls(milliseconds: int = 10_000) -> VenueCalls:
    return VenueCalls(now() + milliseconds, now)


async def to_10x(venue: MemoryVenue, within: VenueCalls | None = None) -> Applied:
    return await send_until_confirmed(set_leverage(TO_10X, venue), within or calls())


async def test_an_echo_of_the_value_confirms_it_without_another_call(venue: MemoryVenue) -> None:
    done = await to_10x(venue)
    assert (done.confirmed.outcome, done.confirmed.confirmed_by) == (Outcome.APPLIED, ConfirmedBy.ECHO)
    assert venue.log == ["leverage 10"]


async def test_an_answer_that_echoes_nothing_is_read_back(venue: MemoryVenue) -> None:
    venue.echoes = False
    done = await to_10x(venue)
    assert done.confirmed.confirmed_by is ConfirmedBy.READ_BACK
    assert venue.log == ["leverage 10", "terms"]


async def test_a_server_error_after_applying_is_applied(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=True)
    done = await to_10x(venue)
    assert (done.confirmed.outcome, done.confirmed.confirmed_by) == (Outcome.APPLIED, ConfirmedBy.READ_BACK)
    assert venue.log == ["leverage 10", "terms"]


async def test_a_server_error_without_applying_is_sent_again(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=False)
    spent = calls()
    done = await to_10x(venue, spent)
    assert done.confirmed.outcome is Outcome.APPLIED
    assert venue.log == ["leverage 10", "terms", "leverage 10"]
    assert spent.attempts == 2


async def test_a_setting_that_never_comes_into_force_is_unknown_and_says_what_was_read(venue: MemoryVenue) -> None:
    venue.fail(*[GATEWAY_TIMEOUT] * 3, applied=False)
    with pytest.raises(NotConfirmed, match="504; a read-back shows 5x cross") as raised:
        await to_10x(venue)
    assert raised.value.details["read_back"]["leverage"] == Decimal(5)
    assert venue.log == ["leverage 10", "terms"] * 3


async def test_a_setting_that_cant_be_read_back_is_unknown_and_not_sent_again(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=True)
    venue.unreadable.append(Ambiguous("the venue answered 502"))
    with pytest.raises(NotConfirmed, match="504; and reading it back failed: the venue answered 502"):
        await to_10x(venue)
    assert venue.log == ["leverage 10", "terms"]


async def test_no_need_to_change_is_success_by_another_name(venue: MemoryVenue) -> None:
    venue.fail(AlreadySo("No need to change margin type.", venue_code="-4046"), applied=False)
    done = await send_until_confirmed(set_margin_mode(TO_ISOLATED, venue), calls())
    assert (done.confirmed.outcome, done.confirmed.venue_code) == (Outcome.UNCHANGED, "-4046")


@pytest.mark.parametrize("refusal", [ValueRefused("no"), PreconditionFailed("no"), Throttled("no", retry_after=1000)])
async def test_a_refusal_is_final(venue: MemoryVenue, refusal: ValueRefused) -> None:
    venue.fail(refusal, applied=False)
    with pytest.raises(type(refusal)):
        await to_10x(venue)
    assert venue.log == ["leverage 10"]


CANCEL_ORDERS = PreconditionFailed("cancel all open orders", venue_code="-4067")


async def test_a_refusal_for_a_state_of_the_account_is_no_change_where_the_setting_is_in_force(
    venue: MemoryVenue,
) -> None:
    venue.leverage = Decimal(10)
    venue.fail(CANCEL_ORDERS, applied=False)
    done = await to_10x(venue)
    assert (done.confirmed.outcome, done.confirmed.confirmed_by) == (Outcome.UNCHANGED, ConfirmedBy.READ_BACK)
    assert done.confirmed.venue_code == "-4067"
    assert venue.log == ["leverage 10", "terms"]


async def test_it_stands_where_the_setting_is_another_and_is_not_sent_again(venue: MemoryVenue) -> None:
    venue.fail(CANCEL_ORDERS, applied=False)
    with pytest.raises(PreconditionFailed, match="cancel all open orders"):
        await to_10x(venue)
    assert venue.log == ["leverage 10", "terms"]


async def test_it_stands_where_nothing_can_be_read_back(venue: MemoryVenue) -> None:
    venue.fail(CANCEL_ORDERS, applied=False)
    venue.unreadable.append(Ambiguous("the venue answered 502"))
    with pytest.raises(PreconditionFailed, match="cancel all open orders"):
        await to_10x(venue)


async def test_what_an_attempt_of_ours_has_changed_is_applied_though_the_next_one_is_refused(
    venue: MemoryVenue,
) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=False)
    venue.fail(CANCEL_ORDERS, applied=True)
    done = await to_10x(venue)
    assert (done.confirmed.outcome, done.confirmed.venue_code) == (Outcome.APPLIED, "-4067")
    assert venue.log == ["leverage 10", "terms", "leverage 10", "terms"]


async def test_no_need_to_change_after_an_attempt_of_ours_is_applied(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, AlreadySo("leverage not modified", venue_code="110043"), applied=False)
    done = await to_10x(venue)
    assert (done.confirmed.outcome, done.confirmed.venue_code) == (Outcome.APPLIED, "110043")
    assert venue.log == ["leverage 10", "terms", "leverage 10"]


async def test_what_never_left_is_sent_again_until_the_deadline_and_then_expires(venue: MemoryVenue) -> None:
    venue.fail(*[NotSent("connection refused")] * 50, applied=False)
    spent = calls(700)
    with pytest.raises(Expired, match="nothing was sent"):
        await to_10x(venue, spent)
    assert len(venue.log) > 1
    assert (spent.attempts, spent.sent) == (0, None)


async def test_what_was_sent_once_never_expires_however_the_next_attempt_fails(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, *[NotSent("connection refused")] * 50, applied=False)
    spent = calls(900)
    with pytest.raises(NotConfirmed, match="504; a read-back shows 5x cross"):
        await to_10x(venue, spent)
    assert venue.log[:3] == ["leverage 10", "terms", "leverage 10"]
    assert (spent.attempts, spent.sent is None) == (1, False)


async def test_what_our_limiter_refuses_was_not_sent(venue: MemoryVenue) -> None:
    venue.fail(LimitReached("full", retry_after=5_000), applied=False)
    spent = calls()
    with pytest.raises(LimitReached) as raised:
        await to_10x(venue, spent)
    assert (spent.attempts, spent.sent) == (0, None)
    told = refusal(raised.value)
    assert (told.outcome, told.envelope.statusCode, told.headers) == (Outcome.REJECTED, 429, {"Retry-After": "5"})


async def test_what_was_sent_once_stays_in_doubt_when_the_next_attempt_meets_our_limiter(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, LimitReached("full", retry_after=5_000), applied=False)
    spent = calls()
    with pytest.raises(NotConfirmed, match="504; a read-back shows 5x cross"):
        await to_10x(venue, spent)
    assert (spent.attempts, spent.sent is None) == (1, False)


async def test_a_read_back_that_meets_our_limiter_leaves_the_doubt(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=True)
    venue.unreadable.append(LimitReached("full", retry_after=5_000))
    with pytest.raises(NotConfirmed, match="504; and reading it back failed: full"):
        await to_10x(venue)


async def test_a_late_command_is_never_sent(venue: MemoryVenue) -> None:
    with pytest.raises(Expired):
        await to_10x(venue, calls(-1))
    assert venue.log == []


async def test_a_collection_in_doubt_is_never_sent_again(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=False)
    with pytest.raises(NotConfirmed, match="504"):
        await send_until_confirmed(pm_auto_collect(PmAutoCollect(exchange_account_id=ACCOUNT.id), venue), calls())
    assert venue.log == ["auto collect"]


async def test_a_leverage_above_the_bracket_is_refused_before_sending(venue: MemoryVenue) -> None:
    above = TO_10X.model_copy(update={"leverage": Decimal(200)})
    with pytest.raises(ValueRefused, match="1x to 125x"):
        await send_until_confirmed(set_leverage(above, venue), calls())
    assert venue.log == []


TO_HEDGE = SetPositionMode(exchange_account_id=ACCOUNT.id, position_mode=PositionMode.HEDGE)


async def to_hedge(venue: MemoryVenue) -> Applied:
    return await send_until_confirmed(set_position_mode(TO_HEDGE, venue), calls())


async def test_a_position_mode_that_is_not_echoed_is_read_back_with_its_reach(venue: MemoryVenue) -> None:
    venue.echoes = False
    done = await to_hedge(venue)
    assert (done.confirmed.confirmed_by, done.confirmed.scope) == (ConfirmedBy.READ_BACK, Scope.ACCOUNT)
    assert venue.log == ["position mode hedge", "position modes"]
    assert done.message == f"Position mode set to hedge for {ACCOUNT.id} (scope: account)"


async def test_a_position_mode_that_came_through_unanswered_reaches_as_far_as_was_read(venue: MemoryVenue) -> None:
    venue.fail(GATEWAY_TIMEOUT, applied=True)
    done = await to_hedge(venue)
    assert (done.confirmed.outcome, done.confirmed.scope) == (Outcome.APPLIED, Scope.ACCOUNT)


async def test_a_position_mode_that_is_so_already_is_not_sent(venue: MemoryVenue) -> None:
    venue.position_mode = PositionMode.HEDGE
    done = await to_hedge(venue)
    assert (done.confirmed.outcome, done.applied["part"]) == (Outcome.UNCHANGED, ACCOUNT.id)
    assert venue.log == []


async def test_a_position_mode_that_never_comes_into_force_says_what_was_read(venue: MemoryVenue) -> None:
    venue.fail(*[GATEWAY_TIMEOUT] * 3, applied=False)
    with pytest.raises(NotConfirmed, match=f"504; a read-back shows {ACCOUNT.id} in one_way mode") as raised:
        await to_hedge(venue)
    assert raised.value.details["read_back"] == {"position_mode": PositionMode.ONE_WAY}


async def test_a_position_mode_that_another_worker_may_have_sent_is_read_back_and_not_sent_again(
    venue: MemoryVenue,
) -> None:
    venue.position_mode = PositionMode.HEDGE
    resumed = VenueCalls(now() + 10_000, now, interrupted=Interrupted(1, now() - 1_000))
    done = await send_until_confirmed(set_position_mode(TO_HEDGE, venue), resumed)
    assert (done.confirmed.outcome, done.confirmed.scope) == (Outcome.APPLIED, Scope.ACCOUNT)
    assert venue.log == ["position modes"]
