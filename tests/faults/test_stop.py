"""Being told to stop: what was begun is finished, nothing more is begun, and the next worker goes on with the rest."""

import asyncio
import signal
from collections.abc import Awaitable, Callable

import pytest

from tests.faults.conftest import Count
from tests.faults.engine import Engine, to
from tests.faults.node import Node, waiting
from tests.faults.stage import COLLECTION, LEVERAGE, POLL_S, PRODUCTION, Stage, WorkerProcess, until
from worker.bus.amqp.topology import DEAD_LETTERS

ACCOUNTS = tuple(f"s-{number}" for number in range(10))
EACH = 8
GRACE_S, GOODBYE_S = 3, 9
"""How long running commands may take, and a goodbye to broker, ledger and interpreter, on a machine with much to do."""


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


def with_grace(stage: Stage, **settings: str) -> WorkerProcess:
    return stage.worker(*PRODUCTION, PERPS_DMA_GRACE_MS=str(GRACE_S * 1000), **settings)


def begun(stage: Stage) -> int:
    return sum(stage.seen(LEVERAGE).values())


@pytest.fixture
async def worker(stage: Stage) -> WorkerProcess:
    """A worker with a command of every account at the venue, and more behind it than its grace allows."""
    stage.open_accounts(*ACCOUNTS)
    stage.hold(500)
    worker = with_grace(stage)
    await worker.start()
    await Engine(stage).publish(to(account, leverage) for leverage in range(1, EACH + 1) for account in ACCOUNTS)
    await until(lambda: begun(stage) >= 2 * len(ACCOUNTS))
    return worker


async def finished_by_the_next(stage: Stage, count: Count, **more: object) -> None:
    """Another worker carries the rest out."""
    await with_grace(stage).start()
    await stage.tally.collect(stage.url)
    commands = len(stage.tally.expected)
    count(commands, lost=len(stage.tally.lost), doubled=stage.doubled, **more)
    assert stage.tally.outcomes == {"applied": commands}
    assert stage.in_order
    assert await waiting(stage.url, DEAD_LETTERS) == 0


def left_whole(stage: Stage, worker: WorkerProcess) -> None:
    """Whatever the venue was asked for is recorded as done, and there was more to do."""
    assert worker.said('"event":"command_finished"') == begun(stage) < len(stage.tally.expected)
    assert worker.said("drain_timed_out") == 0


async def test_under_load_it_finishes_what_is_at_the_venue_and_leaves_the_rest(
    stage: Stage, worker: WorkerProcess, count: Count
) -> None:
    worker.send(signal.SIGTERM)
    assert await worker.ended(GRACE_S + GOODBYE_S) == 0
    left_whole(stage, worker)
    await finished_by_the_next(stage, count, begun=begun(stage))


async def test_further_signals_change_nothing(stage: Stage, worker: WorkerProcess, count: Count) -> None:
    stopping = asyncio.create_task(worker.ended(GRACE_S + GOODBYE_S))
    signals = 0
    while not stopping.done():
        worker.send((signal.SIGTERM, signal.SIGINT)[signals % 2])
        signals += 1
        await asyncio.sleep(POLL_S / 10)
    assert await stopping == 0
    left_whole(stage, worker)
    await finished_by_the_next(stage, count, signals=signals)


async def stopped(node: Node) -> None:
    await node.stop()


async def frozen(node: Node) -> None:
    node.broker.pause()


@pytest.mark.parametrize("away", [stopped, frozen])
async def test_without_a_broker_it_ends_within_its_grace(
    stage: Stage, node: Node, worker: WorkerProcess, count: Count, away: Callable[[Node], Awaitable[None]]
) -> None:
    await away(node)
    worker.send(signal.SIGTERM)
    assert await worker.ended(GRACE_S + GOODBYE_S) == 0
    assert worker.said('"event":"command_finished"') == begun(stage)
    await node.mend()
    await finished_by_the_next(stage, count, begun=begun(stage))


async def test_a_venue_that_hangs_is_not_waited_for_and_read_back_by_the_next_worker(
    stage: Stage, count: Count
) -> None:
    stage.open_accounts(*ACCOUNTS[:5])
    stage.open_accounts("s-pm", portfolio_margin=True)
    stage.hold(60_000, times=6)
    worker = with_grace(stage, PERPS_DMA_VENUE_TIMEOUT_MS="60000")
    await worker.start()
    setters = [to(account, 7) for account in ACCOUNTS[:5]]
    await Engine(stage).publish(setters)
    collection = await stage.publish("pm_asset_collect", "s-pm", asset="USDT")
    await until(lambda: stage.at_venue() == 6)
    worker.send(signal.SIGTERM)
    assert await worker.ended(GRACE_S + GOODBYE_S) == 0
    assert worker.said("drain_timed_out") == 1
    await with_grace(stage).start()
    await stage.tally.collect(stage.url)
    sent = stage.seen(COLLECTION).total()
    count(6, lost=len(stage.tally.lost), doubled=stage.doubled + sent - 1)
    results = [stage.tally.data(setter.id) for setter in setters]
    assert {(result["outcome"], result["confirmed_by"]) for result in results} == {("applied", "read_back")}
    assert stage.tally.outcome(collection) == "unknown"
