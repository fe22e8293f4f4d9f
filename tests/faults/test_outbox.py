"""What can't be told is kept in the outbox, however long that takes, and goes out when the broker is back."""

import asyncio

import aio_pika
import pytest

from schemas.operations import EVENTS_LOG
from tests.faults.conftest import Count
from tests.faults.node import Node
from tests.faults.stage import POLL_S, PRODUCTION, SYMBOL, Stage, WorkerProcess, until
from worker.bus.amqp.topology import EVENTS_EXCHANGE
from worker.ledger.ledger import open_ledger

ACCOUNTS = tuple(f"o-{number}" for number in range(60))
AT_VENUE_MS = 5_000


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


@pytest.fixture
async def worker(stage: Stage) -> WorkerProcess:
    """A worker with a command of every account at the venue. For every other one somebody waits for an answer."""
    stage.open_accounts(*ACCOUNTS)
    stage.hold(AT_VENUE_MS, times=len(ACCOUNTS))
    worker = stage.worker(*PRODUCTION, PERPS_DMA_VENUE_TIMEOUT_MS="20000")
    await worker.start()
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(auto_delete=True)
        for account in ACCOUNTS:
            reply_to = replies.name if int(account[2:]) % 2 else None
            await stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=7, reply_to=reply_to)
    await until(lambda: stage.at_venue() == len(ACCOUNTS))
    return worker


async def recorded(stage: Stage) -> int:
    """Wait until every command has ended; how many events wait to be published, of which there are some."""
    async with open_ledger(f"sqlite:///{stage.state / 'ledger.db'}") as ledger, asyncio.timeout(60):
        while await ledger.command_list.unfinished(1):  # noqa: ASYNC110 - another process ends them
            await asyncio.sleep(POLL_S)
        waiting = await ledger.outbox.size()
    assert waiting, "all were told before the broker was away"
    return waiting


async def outbox_is_empty(stage: Stage) -> None:
    """Wait until no event waits to be published."""
    async with open_ledger(f"sqlite:///{stage.state / 'ledger.db'}") as ledger, asyncio.timeout(60):
        while await ledger.outbox.size():  # noqa: ASYNC110 - another process empties it
            await asyncio.sleep(POLL_S)


async def all_told(stage: Stage, node: Node, count: Count, **more: object) -> None:
    """Every result is told, every message acknowledged, nothing left in the outbox."""
    await stage.tally.collect(stage.url)
    count(len(ACCOUNTS), lost=len(stage.tally.lost), doubled=stage.doubled, **more)
    assert stage.tally.outcomes == {"applied": len(ACCOUNTS)}
    await outbox_is_empty(stage)
    async with asyncio.timeout(60):
        while not await node.is_empty("set_leverage"):
            pass


async def test_results_are_recorded_without_a_broker_and_told_when_it_is_back(
    stage: Stage, node: Node, worker: WorkerProcess, count: Count
) -> None:
    await node.stop()
    await recorded(stage)
    await node.start()
    await all_told(stage, node, count)


async def test_a_worker_killed_meanwhile_tells_them_at_its_next_start(
    stage: Stage, node: Node, worker: WorkerProcess, count: Count
) -> None:
    await node.stop()
    await recorded(stage)
    await worker.kill()
    await node.start()
    await worker.start()
    await all_told(stage, node, count)


async def test_no_event_leaves_before_the_log_is_there(
    stage: Stage, node: Node, worker: WorkerProcess, count: Count
) -> None:
    """As after a restart, when the queue of somebody who listens is there sooner: the broker would confirm."""
    async with await aio_pika.connect(stage.url) as connection:
        listening = await (await connection.channel()).declare_queue(exclusive=True)
        await listening.bind(EVENTS_EXCHANGE, "#")
        await node.delete_queue(EVENTS_LOG)
        await node.cut("perps-dma worker (publish)")
        await all_told(stage, node, count)


async def test_an_alarm_of_the_broker_holds_back_results_and_acknowledgements(
    stage: Stage, node: Node, worker: WorkerProcess, count: Count
) -> None:
    await node.alarm()
    waiting = await recorded(stage)
    # Each of the half that nobody waits to be answered, and that was not told before, has been tried in vain.
    await until(lambda: worker.said("event_not_published") >= waiting - len(ACCOUNTS) // 2)
    assert not await node.is_empty("set_leverage")
    await node.all_clear()
    await all_told(stage, node, count)
    await stage.publish("set_leverage", ACCOUNTS[0], symbol=SYMBOL, leverage=8)
    await stage.tally.collect(stage.url)
    # What the alarm caught on its way was published once more; nothing was written while it was on.
    assert len(stage.tally.order) - 1 <= 2 * len(ACCOUNTS)
