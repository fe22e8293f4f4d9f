"""A venue that suddenly allows less than it said: we back off at the first 429, and never provoke the ban behind it."""

import asyncio

import aio_pika

from tests.faults.conftest import Count
from tests.faults.stage import LEVERAGE, SYMBOL, Stage

ACCOUNTS = tuple(f"b-{number}" for number in range(2))
"""Each has a change and the four reads of a snapshot under way at most, all of one pool.

Together that is no more than the venue forgives, whenever it refuses.
"""

PER_ACCOUNT = 30
SUDDENLY = 25
"""Weight of a minute. What is asked for here is more than twice as much."""


async def test_a_429_is_never_answered_by_asking_on(stage: Stage, count: Count) -> None:
    stage.open_accounts(*ACCOUNTS)
    await stage.worker().start()
    venue = stage.sandbox.desks["binance"].venue
    venue.set_limits({"fapi": SUDDENLY})
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for leverage in range(1, PER_ACCOUNT + 1):
            await asyncio.gather(
                *(
                    stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=leverage)
                    for account in ACCOUNTS
                )
            )
    await stage.tally.collect(stage.url)
    refused = stage.refused_by_limit()
    doubled = sum(max(0, times - 1) for times in stage.seen(LEVERAGE).values()) + len(stage.tally.contradicted)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=doubled, answers_429=refused[429])
    assert refused[418] == 0
    assert set(stage.tally.outcomes) <= {"applied", "rejected"}
    assert stage.tally.outcomes["applied"] + stage.tally.outcomes["rejected"] == len(ACCOUNTS) * PER_ACCOUNT
    assert stage.tally.outcomes["rejected"] > 0
