"""Requests in front of a venue's limits: they go, wait, or are refused; what answers tell is heard by all."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest

from schemas.base import Milliseconds
from tests.support.metering import MeteredVenue
from worker.runtime.clock import Clocks, now
from worker.venues.limits import Limits
from worker.venues.limits.limiter import LEFT_FOR_AN_ANSWER, Permit, RateLimiter
from worker.venues.limits.tables import (
    Cost,
    Penalty,
    Per,
    Scope,
    Unmetered,
    UsageReading,
    User,
    VenueLimits,
    user_by_id,
)
from worker.venues.port.door import KeptRoom
from worker.venues.port.errors import LimitReached
from worker.venues.port.response import VenueResponse

WINDOW: Milliseconds = 200
ADDRESS = Scope("weight", 10, WINDOW, Per.ADDRESS)
CALLS = Scope("calls", 2, WINDOW, Per.USER)
MINE, YOURS = User("mine", "my key"), User("yours", "your key")
LONG: Milliseconds = 60_000


def rows(body: Any) -> int:
    return len(body)


VENUE = VenueLimits(
    costs={
        "read": Cost(((ADDRESS, 1),)),
        "call": Cost(((ADDRESS, 1), (CALLS, 1))),
        "list": Cost(((ADDRESS, 8),), settled=rows),
        "sweep": Cost(((ADDRESS, 6),), heavy=True),
        "too much": Cost(((ADDRESS, 11),)),
        "change": Cost(((ADDRESS, 1), (CALLS, 1)), changes=True, confirmed_by=("call", "read")),
        "change of all": Cost(((ADDRESS, 1),), changes=True, confirmed_by=("too much",)),
    },
    penalty=lambda answer: Penalty(answer.body, ban=answer.status == 418) if answer.status != 200 else None,
    reading=lambda answer: UsageReading(
        answer.number("used"), answer.number("limit"), Per.ADDRESS, of_everybody=answer.header("listed") is not None
    ),
    banned=(ADDRESS,),
)


def place(limits: Limits | None = None) -> RateLimiter:
    return (limits or Limits()).of(MeteredVenue(VENUE))


def answer(
    status: int = 200, wait: Milliseconds | None = None, headers: Mapping[str, str] | None = None
) -> VenueResponse:
    return VenueResponse("/", status, headers or {}, "", wait)


async def send(
    at: RateLimiter,
    name: str = "read",
    user: User = MINE,
    *,
    patience: Milliseconds = LONG,
    told: VenueResponse | None = None,
) -> Milliseconds:
    """Make a request, and return when it went."""
    async with at.permit(at.venue.cost(name, {}), user, patience) as admission:
        admission.sent = True
        went = now()
        if told:
            at.answered(admission, told)
        return went


class UnderWay(AsyncExitStack):
    """Requests without an answer; none of them was sent."""

    async def add(self, at: RateLimiter, name: str = "read", times: int = 1) -> Permit:
        for _ in range(times):
            admission = await self.enter_async_context(at.permit(at.venue.cost(name, {}), MINE, LONG))
        return admission


@pytest.fixture
async def under_way() -> AsyncIterator[UnderWay]:
    async with UnderWay() as stack:
        yield stack


async def test_a_burst_goes_at_once_and_the_rest_when_the_window_is_over() -> None:
    at, started = place(), now()
    went = sorted(await asyncio.gather(*(send(at) for _ in range(15))))
    assert went[9] - started < WINDOW
    assert WINDOW <= went[10] - started < 2 * WINDOW
    assert went[14] - went[10] < WINDOW


async def test_what_would_come_too_late_is_refused_at_once_with_the_wait() -> None:
    stopped = now()
    at = place(Limits(clocks=Clocks.alike(lambda: stopped)))  # who waited here would wait for ever
    for _ in range(10):
        await send(at)
    with pytest.raises(LimitReached, match="memory's limit of weight has no room in time") as caught:
        async with at.permit(at.venue.cost("read", {}), MINE, WINDOW // 2):
            pass
    assert caught.value.retry_after is not None
    assert WINDOW / 2 < caught.value.retry_after < 2 * WINDOW


async def test_who_waits_without_an_end_is_refused_before_its_deadline(under_way: UnderWay) -> None:
    at, deadline = place(), now() + 3 * WINDOW
    await under_way.add(at, times=10)
    with pytest.raises(LimitReached):
        async with at.permit(at.venue.cost("read", {}), MINE, 3 * WINDOW):
            pass
    assert deadline - LEFT_FOR_AN_ANSWER <= now() < deadline


async def test_a_penalty_refuses_those_who_wait_and_can_no_longer_be_in_time(
    under_way: UnderWay,
) -> None:
    at, started = place(), now()
    admission = await under_way.add(at, times=10)
    waiting = asyncio.create_task(send(at, patience=10 * WINDOW))
    await asyncio.sleep(0)
    at.answered(admission, answer(429, wait=LONG))
    with pytest.raises(LimitReached) as caught:
        await waiting
    assert now() - started < 2 * WINDOW
    assert caught.value.retry_after is not None
    assert caught.value.retry_after > LONG - WINDOW


async def test_a_penalty_stops_everybody_until_its_end() -> None:
    at = place()
    closed = await send(at, told=answer(429, wait=WINDOW))
    went = await asyncio.gather(*(send(at, user=user) for user in (MINE, YOURS)))
    assert min(went) - closed >= WINDOW


async def test_after_a_penalty_one_goes_first_and_a_second_refusal_meets_nobody_else() -> None:
    at, log = place(), list[Milliseconds]()

    async def trying() -> None:
        async with at.permit(at.venue.cost("read", {}), MINE, LONG) as admission:
            admission.sent = True
            log.append(now())
            await asyncio.sleep(0)
            if len(log) < 3:
                at.answered(admission, answer(429, wait=WINDOW))

    await trying()
    await asyncio.gather(*(trying() for _ in range(8)))
    first, second, third, *others = log
    assert second - first >= WINDOW
    assert third - second >= WINDOW
    assert len(others) == 6


async def test_a_ban_closes_what_was_never_used_yet() -> None:
    other = Scope("other", 10, WINDOW, Per.ADDRESS)
    venue = VenueLimits(
        {"one": Cost(((ADDRESS, 1),)), "two": Cost(((other, 1),))}, VENUE.penalty, banned=(ADDRESS, other)
    )
    at = Limits().of(MeteredVenue(venue))
    await send(at, "one", told=answer(418, wait=LONG))
    with pytest.raises(LimitReached):
        await send(at, "two", patience=WINDOW)


async def test_each_user_has_a_limit_of_its_own_and_the_address_one_for_all() -> None:
    at = place()
    for user in (MINE, YOURS):
        for _ in range(2):
            await send(at, "call", user, patience=0)
        with pytest.raises(LimitReached, match="limit of calls"):
            await send(at, "call", user, patience=0)
    assert [(row.scope, row.user, row.left) for row in at.headroom()] == [
        ("weight", None, 6),
        ("calls", "mine", 0),
        ("calls", "yours", 0),
    ]


async def test_accounts_with_one_key_are_one_user() -> None:
    at = place()
    for name in ("first", "second"):
        await send(at, "call", User(name, "one key"), patience=0)
    with pytest.raises(LimitReached):
        await send(at, "call", User("third", "one key"), patience=0)


async def test_a_request_that_was_not_sent_leaves_its_room_to_the_next() -> None:
    at = place()
    for _ in range(20):
        async with at.permit(at.venue.cost("call", {}), MINE, 0):
            pass
    assert [row.left for row in at.headroom()] == [10, 2]


async def test_room_that_comes_back_is_given_to_who_waits(under_way: UnderWay) -> None:
    at, started = place(), now()
    await under_way.add(at, "list")
    waiting = asyncio.create_task(send(at, "list"))
    await asyncio.sleep(0)
    await under_way.aclose()
    assert await waiting - started < WINDOW


async def test_an_answer_settles_what_it_weighs() -> None:
    at = place()
    async with at.permit(at.venue.cost("list", {}), MINE, 0) as admission:
        admission.sent = True
        assert at.headroom()[0].left == 2
        at.answered(admission, VenueResponse("/", 200, {}, "", ["row"]))
    assert at.headroom()[0].left == 9


async def test_who_is_cancelled_while_waiting_takes_nothing(under_way: UnderWay) -> None:
    at = place()
    await under_way.add(at, times=10)
    waiting = asyncio.create_task(send(at))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await under_way.aclose()
    assert at.headroom()[0].left == 10


async def test_who_is_cancelled_at_the_very_moment_of_its_turn_takes_nothing(under_way: UnderWay) -> None:
    at = place()
    await under_way.add(at, times=10)

    async def first() -> None:
        await send(at)
        second.cancel()  # it was let go together with the first, and runs after it

    running = asyncio.create_task(first())
    second = asyncio.create_task(send(at))
    await asyncio.sleep(0)
    await under_way.aclose()
    await running
    with pytest.raises(asyncio.CancelledError):
        await second
    assert at.headroom()[0].left == 9


async def test_what_this_process_may_not_use_at_all_says_so() -> None:
    at = place(Limits(share=0.5))
    with pytest.raises(
        LimitReached, match="more of memory's limit of weight than the 5 this process may use"
    ) as caught:
        await send(at, "sweep")
    assert caught.value.retry_after is None


@pytest.mark.parametrize(("listed", "limit"), [(True, 100), (False, 3)])
async def test_a_list_that_tells_everybodys_limit_says_nothing_of_a_granted_one_and_a_refusal_does(
    listed: bool, limit: int
) -> None:
    limits = Limits(granted={"memory": {"weight": 100}})
    await send(place(limits), told=answer(headers={"limit": "3"} | ({"listed": "yes"} if listed else {})))
    assert [row.limit for row in limits.headroom() if row.scope == "weight"] == [limit]


async def test_a_limit_that_was_granted_counts_instead_of_the_documented_one() -> None:
    at = place(Limits(granted={"memory": {"weight": 100}}))
    await send(at, "too much")
    assert (at.headroom()[0].limit, at.headroom()[0].left) == (100, 89)


async def test_an_endpoint_in_no_table_is_not_admitted() -> None:
    with pytest.raises(Unmetered, match="unheard of is in no table"):
        await send(place(), "unheard of")


class TestReservations:
    async def test_the_room_is_kept_for_the_one_request_it_is_for(self) -> None:
        at = place()
        async with at.room(at.venue.cost("sweep", {}), MINE, LONG):
            assert at.headroom()[0].left == 4
            await send(at, "sweep", patience=0)
            assert at.headroom()[0].left == 4
            with pytest.raises(LimitReached):
                await send(at, "sweep", patience=0)
        assert at.headroom()[0].left == 4

    async def test_what_was_not_used_is_given_back(self) -> None:
        at = place()
        async with at.room(at.venue.cost("sweep", {}), MINE, 0):
            pass
        assert at.headroom()[0].left == 10

    async def test_another_users_request_and_another_request_do_not_use_it(self) -> None:
        at = place()
        async with at.room(at.venue.cost("sweep", {}), MINE, 0):
            with pytest.raises(LimitReached):
                await send(at, "sweep", YOURS, patience=0)
            await send(at, "read", patience=0)
            assert at.headroom()[0].left == 3

    async def test_a_request_that_was_not_sent_may_use_it_again(self) -> None:
        at = place()
        async with at.room(at.venue.cost("sweep", {}), MINE, 0):
            async with at.permit(at.venue.cost("sweep", {}), MINE, 0):
                pass  # no connection
            await send(at, "sweep", patience=0)
        assert at.headroom()[0].left == 4

    async def test_it_is_worth_nothing_once_the_venue_has_closed(self) -> None:
        at = place()
        async with at.room(at.venue.cost("sweep", {}), MINE, 0):
            await send(at, told=answer(429, wait=LONG))
            with pytest.raises(LimitReached) as caught:
                await send(at, "sweep", patience=10 * LONG)
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > LONG - WINDOW

    async def test_who_waits_for_one_holds_up_no_light_request(self, under_way: UnderWay) -> None:
        at = place()
        await under_way.add(at, "sweep")
        waiting = asyncio.create_task(send(at, "sweep"))
        await asyncio.sleep(0)
        for _ in range(4):
            await send(at, patience=0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


class TestConfirmations:
    async def test_a_change_goes_with_the_reads_that_confirm_it_and_each_is_counted_by_itself(self) -> None:
        at, kept = place(), list[KeptRoom]()
        async with at.permit(at.venue.cost("change", {}), MINE, 0, kept.append) as permit:
            assert [row.left for row in at.headroom()] == [7, 0]
            permit.sent = True
            at.answered(permit, answer())
        call, read = kept
        read.end()
        assert [row.left for row in at.headroom()] == [8, 0]
        call.end()
        assert [row.left for row in at.headroom()] == [9, 1]

    async def test_without_room_for_its_reads_it_does_not_go(self) -> None:
        at = place()
        await send(at, "call")
        with pytest.raises(LimitReached, match="limit of calls"):
            async with at.permit(at.venue.cost("change", {}), MINE, LEFT_FOR_AN_ANSWER, lambda _: None):
                pass
        assert [row.left for row in at.headroom()] == [9, 1]

    async def test_it_goes_alone_where_all_together_are_more_than_there_may_ever_be(self) -> None:
        at, kept = place(), list[KeptRoom]()
        async with at.permit(at.venue.cost("change of all", {}), MINE, 0, kept.append):
            assert [row.left for row in at.headroom()] == [9]
        assert kept == []
        assert [row.left for row in at.headroom()] == [10]


async def test_two_keys_of_one_user_share_its_limits_once_that_is_known() -> None:
    at = place()
    await send(at, "call", MINE)
    await send(at, "call", YOURS)
    at.learn_user(MINE, "7")
    at.learn_user(YOURS, "7")
    with pytest.raises(LimitReached):
        await send(at, "call", MINE, patience=LEFT_FOR_AN_ANSWER)
    with pytest.raises(LimitReached):
        await send(at, "call", YOURS, patience=LEFT_FOR_AN_ANSWER)
    assert len([row for row in at.headroom() if row.scope == "calls"]) == 1


async def test_a_limit_that_is_closed_to_one_key_of_a_user_is_closed_to_the_other() -> None:
    at = place()
    await send(at, "call", MINE, told=answer(429, 10_000))
    at.learn_user(YOURS, "7")
    at.learn_user(MINE, "7")
    at.learn_user(MINE, "7")
    with pytest.raises(LimitReached):
        await send(at, "call", YOURS, patience=1_000)


async def test_a_user_that_is_registered_shares_from_the_start() -> None:
    at = place()
    first, second = user_by_id("first", "7"), user_by_id("second", "7")
    await send(at, "call", first)
    await send(at, "call", second)
    with pytest.raises(LimitReached):
        await send(at, "call", first, patience=LEFT_FOR_AN_ANSWER)


async def test_who_has_many_to_make_leaves_a_tenth_of_an_addresss_limit_to_others(under_way: UnderWay) -> None:
    at, read = place(), VENUE.cost("read", {})
    await under_way.add(at, times=8)
    assert at.room_in([read], MINE) == 0
    await under_way.add(at)
    assert at.room_in([read], MINE) > 0
    await send(at)  # there is room for one more
    assert at.room_in([], MINE) == 0


async def test_of_a_users_limit_nothing_is_left_to_others_who_have_their_own(under_way: UnderWay) -> None:
    at, call = place(), VENUE.cost("call", {})
    await under_way.add(at, "call")
    assert at.room_in([call], MINE) == 0
    await under_way.add(at, "call")
    assert at.room_in([call], MINE) > 0
    assert at.room_in([call], YOURS) == 0
