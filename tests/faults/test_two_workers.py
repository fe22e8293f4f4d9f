"""Two workers on one ledger and one broker: an account is one worker's at a time, and each survives the other."""

import asyncio
import itertools
import signal
from collections import defaultdict
from functools import partial

import pytest

from tests.faults.conftest import Count
from tests.faults.engine import Engine, Wanted, to
from tests.faults.node import Node, waiting
from tests.faults.stage import LEVERAGE, POLL_S, PRODUCTION, SYMBOL, Stage, WorkerProcess, until
from worker.bus.amqp.topology import DEAD_LETTERS
from worker.ledger.ledger import open_ledger
from worker.sandbox.server.journal import JournalEntry

HOLD_MS, TICK_MS = 120, 5
"""How long the venue takes for a change, and how exactly its journal tells the time."""

PERPETUAL, PORTFOLIO = ("w-0", "w-1"), ("w-pm-0", "w-pm-1")
MOST_IN_A_ROW = 5
"""They take turns, once both have commands of an account: until then, one of them has it for itself."""

ACCOUNTS = tuple(f"w-{number}" for number in range(10))
TAKEN_BY_THE_SECOND = ("set_margin_mode", "pm_auto_collect")


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


async def consumed_by(node: Node, number: int, *queues: str) -> None:
    """Wait until so many workers consume from queues, or wait to."""
    async with asyncio.timeout(60):
        for queue in queues:
            while await node.workers_of(queue) != number:
                pass


async def working(stage: Stage, ledger_url: str, **settings: str) -> tuple[WorkerProcess, WorkerProcess]:
    """Two workers; the first one to come takes the commands, the second one stands by."""
    first, second = (stage.worker(*PRODUCTION, PERPS_DMA_LEDGER_URL=ledger_url, **settings) for _ in range(2))
    await first.start()
    await second.start()
    return first, second


def by_account(stage: Stage) -> dict[str | None, list[JournalEntry]]:
    """What the venue was asked to change, account by account."""
    accounts: defaultdict[str | None, list[JournalEntry]] = defaultdict(list)
    for entry in stage.changes:
        accounts[entry.account].append(entry)
    return accounts


def overlaps(stage: Stage, hold_ms: int = HOLD_MS) -> int:
    """How often an account was asked for a change before the venue had answered the one before."""
    pairs = itertools.chain(*map(itertools.pairwise, by_account(stage).values()))
    return sum(second.time - first.time < hold_ms - TICK_MS for first, second in pairs)


async def counted(stage: Stage, count: Count, **more: object) -> None:
    """Count what was told, and what was done twice."""
    await stage.tally.collect(stage.url)
    first, second = map(done_by, stage.workers)
    commands, lost = len(stage.tally.expected), len(stage.tally.lost)
    count(commands, lost=lost, doubled=stage.doubled, by_the_first=first, by_the_second=second, **more)
    assert await waiting(stage.url, DEAD_LETTERS) == 0
    assert stage.in_order


async def test_an_account_is_one_workers_at_a_time_over_all_queues(
    stage: Stage, node: Node, count: Count, ledger_url: str
) -> None:
    stage.open_accounts(*PERPETUAL)
    stage.open_accounts(*PORTFOLIO, portfolio_margin=True)
    stage.hold(HOLD_MS)
    first, second = await working(stage, ledger_url)
    await left_to(node, first, second)
    modes = ("isolated", "cross") * 2
    wanted = [
        [to(account, leverage) for leverage in range(1, 13) for account in PERPETUAL + PORTFOLIO],
        [
            Wanted("set_margin_mode", name, {"symbol": SYMBOL, "margin_mode": mode})
            for mode in modes
            for name in PERPETUAL
        ],
        [Wanted("pm_asset_collect", name, {"asset": "USDT"}) for _ in range(3) for name in PORTFOLIO],
        [Wanted("pm_auto_collect", name, {}) for _ in range(3) for name in PORTFOLIO],
    ]
    await asyncio.gather(*(Engine(stage).publish(commands) for commands in wanted))
    await counted(stage, count)
    assert stage.tally.outcomes == {"applied": sum(map(len, wanted))}
    assert overlaps(stage) == 0
    assert done_by(second) == len(wanted[1]) + len(wanted[3])
    assert longest_wait(stage) <= MOST_IN_A_ROW


async def left_to(node: Node, first: WorkerProcess, second: WorkerProcess) -> None:
    """Make the second worker the active one of two queues: the first looks away while they are made anew."""
    first.send(signal.SIGSTOP)
    for queue in TAKEN_BY_THE_SECOND:
        await node.delete_queue(queue)
    await consumed_by(node, 1, *TAKEN_BY_THE_SECOND)
    first.send(signal.SIGCONT)
    await consumed_by(node, 2, *TAKEN_BY_THE_SECOND)


def done_by(worker: WorkerProcess) -> int:
    return worker.said('"event":"command_finished"')


def longest_wait(stage: Stage) -> int:
    """How many changes of one worker passed in a row while the other still had some for the account."""
    longest = 0
    for entries in by_account(stage).values():
        whose = [entry.path.rpartition("/")[2] in {"marginType", "auto-collection"} for entry in entries]
        while whose and len(set(whose)) == 2:
            run = len(list(next(itertools.groupby(whose))[1]))
            longest, whose = max(longest, run), whose[run:]
    return longest


async def test_one_of_them_is_killed_under_load(stage: Stage, count: Count, ledger_url: str) -> None:
    stage.open_accounts(*ACCOUNTS)
    stage.hold(HOLD_MS)
    first, _ = await working(stage, ledger_url)
    await Engine(stage).publish(to(account, leverage) for leverage in range(1, 13) for account in ACCOUNTS)
    await until(lambda: len(stage.seen(LEVERAGE)) > 3 * len(ACCOUNTS))
    await first.kill()
    await counted(stage, count)
    assert stage.tally.outcomes == {"applied": 12 * len(ACCOUNTS)}


@pytest.mark.long
async def test_one_of_them_freezes_past_its_heartbeat_and_comes_back_as_a_stranger(
    stage: Stage, count: Count, ledger_url: str
) -> None:
    """What it had begun is given up by the other, which tells so; what it still does is known, and told as that."""
    stage.open_accounts(*ACCOUNTS)
    stage.hold(4_000, times=len(ACCOUNTS))
    stage.hold(HOLD_MS)
    patience = {"PERPS_DMA_TIMEOUT_MS": "6000", "PERPS_DMA_VENUE_TIMEOUT_MS": "20000"}
    beat = {"PERPS_DMA_AMQP_URL": f"{stage.url}?heartbeat=1", **patience}
    frozen, other = await working(stage, ledger_url, **beat)
    begun = [to(account, leverage) for leverage in range(1, 4) for account in ACCOUNTS]
    await Engine(stage).publish(begun)
    await all_noted(ledger_url, begun)
    await until(lambda: stage.at_venue() == len(ACCOUNTS))
    frozen.send(signal.SIGSTOP)
    await stage.tally.collect(stage.url)
    assert other.said('"event":"command_finished"') == 3 * len(ACCOUNTS)
    frozen.send(signal.SIGCONT)
    await until(partial(fenced, frozen, 3 * len(ACCOUNTS)))
    later = [to(account, 4) for account in ACCOUNTS]
    await Engine(stage).publish(later)
    await counted(stage, count, fenced=frozen.said('_elsewhere"'))
    assert {stage.tally.outcome(wanted.id) for wanted in later} == {"applied"}
    assert stage.tally.outcomes == {"unknown": 10, "expired": 20, "applied": 10}


async def all_noted(ledger_url: str, commands: list[Wanted]) -> None:
    """Wait until the worker that has these commands knows all of them."""
    async with open_ledger(ledger_url) as ledger, asyncio.timeout(60):
        for wanted in commands:
            while await ledger.commands.find(wanted.id) is None:  # noqa: ASYNC110 - another process notes it
                await asyncio.sleep(POLL_S)


def fenced(worker: WorkerProcess, times: int) -> bool:
    return worker.said('_elsewhere"') >= times
