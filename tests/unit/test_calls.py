"""What venue calls are told of a command's deadline, and the room that is kept for a change to come."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from schemas.base import Milliseconds
from schemas.requests import PmAssetCollect, PmAutoCollect
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from worker.execution.calls import READ_BACK_RESERVE_MS, VenueCalls
from worker.execution.errors import Expired
from worker.handlers import COMMAND_HANDLERS
from worker.handlers.portfolio_margin import room_to_asset_collect, room_to_auto_collect
from worker.venues.limits import CONTEXT
from worker.venues.port.errors import LimitReached, NotSupported

START: Milliseconds = 1_700_000_000_000
AUTO = PmAutoCollect(exchange_account_id=ACCOUNT.id)


def calls(left: Milliseconds = 10_000) -> VenueCalls:
    return VenueCalls(START + left, lambda: START)


async def told() -> Milliseconds | None:
    return CONTEXT.get().deadline


async def test_a_call_knows_until_when_it_must_have_its_answer() -> None:
    assert await calls().read(told) == START + 10_000
    async with calls().change(read_back=False):
        assert await told() == START + 10_000
    assert CONTEXT.get().deadline is None


async def test_a_change_leaves_time_for_its_read_back() -> None:
    async with calls().change(read_back=True):
        assert await told() == START + 10_000 - READ_BACK_RESERVE_MS


async def test_an_intent_that_took_long_to_record_is_recorded_anew_before_anything_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("worker.execution.calls.FRESH_S", 0.05)
    log: list[str] = []

    async def intend(attempt: int, at: Milliseconds) -> None:
        log.append(f"intent {attempt}")
        if len(log) == 1:
            time.sleep(0.1)  # noqa: ASYNC251 - the whole process stands still

    recording = VenueCalls(START + 10_000, lambda: START, intend)
    async with recording.change(read_back=False) as door, door.sending(50):
        log.append("sent")
    assert log == ["intent 1", "intent 1", "sent"]
    assert recording.attempts == 1


async def test_room_is_waited_for_until_the_deadline_and_kept_meanwhile() -> None:
    log: list[object] = []

    @asynccontextmanager
    async def room() -> AsyncIterator[None]:
        log.append(CONTEXT.get().deadline)
        yield
        log.append("given back")

    async with calls().holding(room()):
        log.append(CONTEXT.get().deadline)
    assert log == [START + 10_000, None, "given back"]


async def test_no_room_is_waited_for_behind_the_deadline() -> None:
    venue = MemoryVenue()
    with pytest.raises(Expired):
        async with calls(0).holding(room_to_auto_collect(AUTO, venue)):
            pass
    assert venue.log == []


async def test_a_venue_without_room_in_time_refuses_the_collection_before_its_turn() -> None:
    venue = MemoryVenue()
    venue.crowded.append(LimitReached("full", retry_after=30_000))
    spent = calls()
    with pytest.raises(LimitReached):
        async with spent.holding(room_to_auto_collect(AUTO, venue)):
            pass
    assert (venue.log, spent.attempts, spent.sent) == ([], 0, None)


async def test_bnb_is_refused_before_any_room_is_waited_for() -> None:
    with pytest.raises(NotSupported):
        async with calls().holding(
            room_to_asset_collect(PmAssetCollect(exchange_account_id=ACCOUNT.id, asset="BNB"), MemoryVenue())
        ):
            pass


def test_both_collections_and_nothing_else_wait_for_room_before_their_turn() -> None:
    waiting = {name: handler.room for name, handler in COMMAND_HANDLERS.items() if handler.room is not None}
    assert waiting == {"pm_auto_collect": room_to_auto_collect, "pm_asset_collect": room_to_asset_collect}
