"""Leases of accounts, on each kind of ledger."""

import pytest

from schemas.control import StreamHealth
from worker.ledger.ledger import Ledger, open_ledger
from worker.ledger.observed.stream_leases import GONE, HANDED_OVER, NOT_FOLLOWED, STOPPED, Lease
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing

NAMES = tuple(f"account-{number:04}" for number in range(1_200))
EVENT = Outgoing("1", "perps-dma.stream.v1", "control.stream.binance.a", "{}")


async def live(ledger: Ledger, account: str, at: int = 5) -> None:
    await ledger.streams.tell(Lease(account, ledger.owner, StreamHealth.LIVE, at, None), EVENT)


async def test_what_is_free_is_taken_once(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as one, open_ledger(ledger_url) as two:
        await one.streams.add(NAMES, 1)
        await two.streams.add(NAMES, 2)
        known = await one.streams.all()
        assert known[NAMES[0]] == Lease(NAMES[0], None, StreamHealth.BLIND, 1, NOT_FOLLOWED)
        await one.streams.take(dict.fromkeys(NAMES[:700]))
        await two.streams.take(dict.fromkeys(NAMES))
        owners = {row.owner for row in (await two.streams.all()).values()}
        mine = [name for name, row in (await one.streams.all()).items() if row.owner == one.owner]
    assert owners == {one.owner, two.owner}
    assert sorted(mine) == list(NAMES[:700])


async def test_a_state_is_told_by_whoever_follows_the_account_and_by_nobody_else(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as one, open_ledger(ledger_url) as two:
        await one.streams.add(NAMES[:1], 1)
        await one.streams.take({NAMES[0]: None})
        await live(one, NAMES[0])
        assert [row.event for row in await one.outbox.of(one.owner, 10)] == [EVENT]
        with pytest.raises(StaleWrite):
            await live(two, NAMES[0], 6)
        known = await two.streams.all()
    assert known[NAMES[0]] == Lease(NAMES[0], one.owner, StreamHealth.LIVE, 5, None)


async def test_what_changes_hands_is_blind_until_it_is_followed_again(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as one, open_ledger(ledger_url) as two:
        await one.streams.add(NAMES[:3], 1)
        await one.streams.take(dict.fromkeys(NAMES[:3]))
        await live(one, NAMES[0])
        await live(one, NAMES[1])
        await one.streams.give(NAMES[:1], two.owner, 7)
        await two.streams.give(NAMES[1:2], two.owner, 8)  # it is not ours to give
        known = await one.streams.all()
        assert known[NAMES[0]] == Lease(NAMES[0], two.owner, StreamHealth.BLIND, 7, HANDED_OVER)
        assert known[NAMES[1]].owner == one.owner
        await one.streams.forget(two.owner, 9)
        assert (await one.streams.all())[NAMES[0]] == Lease(NAMES[0], None, StreamHealth.BLIND, 7, HANDED_OVER)
        await one.streams.forget(one.owner, 11)
        known = await one.streams.all()
    assert known[NAMES[1]] == Lease(NAMES[1], None, StreamHealth.BLIND, 11, GONE)
    assert known[NAMES[2]] == Lease(NAMES[2], None, StreamHealth.BLIND, 1, NOT_FOLLOWED)


async def test_a_worker_that_leaves_leaves_nothing_behind_but_what_it_tells(ledger_url: str) -> None:
    async with open_ledger(ledger_url) as one:
        await one.streams.add(NAMES[:1], 1)
        await one.streams.take({NAMES[0]: None})
        await one.streams.beat(3)
        await one.streams.beat(4)
        assert await one.streams.workers() == {one.owner: 4}
        await live(one, NAMES[0])
        [position] = await one.streams.leave(9, [EVENT])
        assert position > 0
        assert await one.streams.workers() == {}
        known = await one.streams.all()
        assert known[NAMES[0]] == Lease(NAMES[0], None, StreamHealth.BLIND, 9, STOPPED)
        await one.streams.remove(NAMES[:1])
        assert await one.streams.all() == {}
