"""Deliveries as they come in bad times: twice, out of order, late, and with clocks that disagree."""

import asyncio
import random
import time

import aio_pika
import pytest

from tests.faults.conftest import Count
from tests.faults.stage import LEVERAGE, SYMBOL, Stage

ACCOUNTS = tuple(f"d-{number}" for number in range(4))
TEN_MINUTES_MS = 600_000
HOUR_MS = 3_600_000


@pytest.fixture
async def working(stage: Stage) -> Stage:
    """A stage with a worker at work."""
    stage.open_accounts(*ACCOUNTS)
    await stage.worker().start()
    return stage


def doubled(stage: Stage) -> int:
    """Changes beyond one for each command, and commands of which two things were told."""
    return sum(times - 1 for times in stage.seen(LEVERAGE).values()) + len(stage.tally.contradicted)


async def test_every_message_twice_and_out_of_order(working: Stage, count: Count) -> None:
    wanted = [(account, leverage) for account in ACCOUNTS for leverage in range(1, 11)] * 2
    random.Random(4).shuffle(wanted)
    async with await aio_pika.connect(working.url) as connection:
        channel = await connection.channel()
        for account, leverage in wanted:
            name = f"{account}-{leverage}-{working.state.name}"
            await working.send(channel, "set_leverage", account, command_id=name, symbol=SYMBOL, leverage=leverage)
    await working.tally.collect(working.url)
    count(len(working.tally.expected), lost=len(working.tally.lost), doubled=doubled(working), deliveries=len(wanted))
    assert working.tally.outcomes == {"applied": 40}


async def test_fifty_copies_at_once_and_again_after_a_restart(working: Stage, count: Count) -> None:
    command_id = f"fifty-{working.state.name}"
    async with await aio_pika.connect(working.url) as connection:
        channel = await connection.channel()

        async def copies() -> None:
            await asyncio.gather(
                *(
                    working.send(channel, "set_leverage", ACCOUNTS[0], command_id=command_id, symbol=SYMBOL, leverage=7)
                    for _ in range(50)
                )
            )

        await copies()
        await working.tally.collect(working.url)
        await working.workers[0].kill()
        await copies()
        await working.workers[0].start()
        # What comes behind the copies in the queue is told when they have been.
        await working.send(channel, "set_leverage", ACCOUNTS[0], symbol=SYMBOL, leverage=8)
    await working.tally.collect(working.url)
    count(1, lost=len(working.tally.lost), doubled=doubled(working), deliveries=100)
    assert len(working.tally.results[command_id]) >= 50
    assert working.seen(LEVERAGE)[ACCOUNTS[0], "7"] == 1


async def test_ten_minutes_late_is_expired_and_never_sent(working: Stage, count: Count) -> None:
    late = int(time.time() * 1000) - TEN_MINUTES_MS
    for account in ACCOUNTS:
        await working.publish("set_leverage", account, symbol=SYMBOL, leverage=9, headers={"deadline": late})
    await working.tally.collect(working.url)
    count(len(ACCOUNTS), lost=len(working.tally.lost), doubled=doubled(working))
    assert (working.tally.outcomes, working.seen(LEVERAGE)) == ({"expired": 4}, {})


async def test_an_expiration_counts_for_what_was_prefetched_too(working: Stage, count: Count) -> None:
    """The broker minds it in the queue only; what waits in a worker behind a slow command must not be sent late."""
    working.hold(1_500, times=1)
    first = await working.publish("set_leverage", ACCOUNTS[0], symbol=SYMBOL, leverage=5)
    late = await working.publish("set_leverage", ACCOUNTS[0], symbol=SYMBOL, leverage=6, expiration=0.5)
    await working.tally.collect(working.url)
    count(2, lost=len(working.tally.lost), doubled=doubled(working))
    assert (working.tally.outcome(first), working.tally.outcome(late)) == ("applied", "expired")
    assert working.seen(LEVERAGE) == {(ACCOUNTS[0], "5"): 1}


async def test_a_copy_that_comes_after_its_deadline_is_told_what_was_done(working: Stage, count: Count) -> None:
    deadline, command_id = int(time.time() * 1000) + 4_000, f"copy-{working.state.name}"
    for late in (False, True):
        if late:
            await working.tally.collect(working.url)
            await asyncio.sleep(max(0.0, deadline / 1000 - time.time()))
        to_9x = {"symbol": SYMBOL, "leverage": 9, "headers": {"deadline": deadline}}
        await working.publish("set_leverage", ACCOUNTS[0], command_id=command_id, **to_9x)
    last = await working.publish("set_leverage", ACCOUNTS[0], symbol=SYMBOL, leverage=10)
    await working.tally.collect(working.url)
    count(2, lost=len(working.tally.lost), doubled=doubled(working))
    assert (working.tally.outcome(command_id), working.tally.outcome(last)) == ("applied", "applied")
    assert len(working.tally.results[command_id]) == 2


@pytest.mark.parametrize("offset_ms", [-HOUR_MS, -3_000, 3_000, HOUR_MS])
async def test_a_venue_whose_clock_is_elsewhere(working: Stage, count: Count, offset_ms: int) -> None:
    working.sandbox.desks["binance"].venue.clock.offset = offset_ms
    for leverage in range(1, 6):
        for account in ACCOUNTS:
            await working.publish("set_leverage", account, symbol=SYMBOL, leverage=leverage)
    await working.tally.collect(working.url)
    applied = sum(
        entry.status == 200 for entry in working.sandbox.desks["binance"].journal.entries if entry.path == LEVERAGE
    )
    count(20, lost=len(working.tally.lost), doubled=applied - 20 + len(working.tally.contradicted))
    assert working.tally.outcomes == {"applied": 20}
