"""The broker goes away, in every way it can: nothing that it confirmed is lost, nothing is done twice."""

import asyncio
import json
from functools import partial
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from schemas.operations import COMMANDS_EXCHANGE
from tests.faults.conftest import Count
from tests.faults.engine import Engine, to
from tests.faults.node import Node, consumers, waiting
from tests.faults.stage import LEVERAGE, PRODUCTION, SYMBOL, Stage, until
from worker.bus.amqp.topology import DEAD_LETTERS, EVENTS_EXCHANGE
from worker.ledger.ledger import open_ledger
from worker.runtime.clock import now

RESTARTS = 20
CRASHES = (5, 11, 17)
"""Which of them are a kill -9; the others are orderly."""

PER_RESTART = 4
RISK_SYSTEM = "a risk system"
PATIENT = {"PERPS_DMA_TIMEOUT_MS": "600000"}
"""For commands that wait for the broker: none of them expires."""


@pytest.fixture
def amqp_url(breakable: str) -> str:
    """A broker of one's own, in place of the shared one."""
    return breakable


async def consumed(stage: Stage) -> None:
    """Wait until somebody consumes commands."""
    async with asyncio.timeout(60):
        while not await consumers(stage.url, "set_leverage"):
            pass


def has_seen(stage: Stage, changes: int) -> bool:
    return len(stage.seen(LEVERAGE)) >= changes


async def counted(stage: Stage, count: Count, **more: object) -> None:
    """Wait for what was told, and count it; a dead letter is nothing that a whole command may become."""
    await stage.tally.collect(stage.url)
    dead = await waiting(stage.url, DEAD_LETTERS)
    commands, lost = len(stage.tally.expected), len(stage.tally.lost)
    count(commands, lost=lost, doubled=stage.doubled, dead_letters=dead, **more)
    assert dead == 0
    assert stage.in_order


async def listen(stage: Stage) -> None:
    """Let another queue take the events: the broker confirms one that this queue gets, be the log there or not."""
    async with await aio_pika.connect(stage.url) as connection:
        queue = await (await connection.channel()).declare_queue(RISK_SYSTEM, durable=True)
        await queue.bind(EVENTS_EXCHANGE, "#")


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_twenty_restarts_under_load(stage: Stage, node: Node, count: Count) -> None:
    quick, slow = [f"b-{number}" for number in range(8)], "b-slow"
    stage.open_accounts(*quick, slow)
    stage.lift_limits()
    stage.hold(1_000, account=slow)
    stage.hold(100)
    await stage.worker(*PRODUCTION, **PATIENT).start()
    await listen(stage)
    engines = {account: Engine(stage) for account in (*quick, slow)}
    # The slow account's commands are delivered, and not yet begun, at one restart after the other.
    await engines[slow].publish(to(slow, leverage) for leverage in range(1, 31))
    for restart in range(RESTARTS):
        values = range(restart * PER_RESTART + 1, (restart + 1) * PER_RESTART + 1)
        async with asyncio.TaskGroup() as both:
            for account in quick:
                both.create_task(engines[account].publish([to(account, leverage) for leverage in values]))
            both.create_task(node.crash() if restart in CRASHES else node.restart())
        await consumed(stage)
    again = sum(engine.again for engine in engines.values())
    await node.delete_queue(RISK_SYSTEM)
    await counted(stage, count, published_again=again)
    assert stage.tally.outcomes == {"applied": len(quick) * RESTARTS * PER_RESTART + 30}


async def test_a_broker_that_freezes_past_its_heartbeat(stage: Stage, node: Node, count: Count) -> None:
    accounts = [f"b-{number}" for number in range(10)]
    stage.open_accounts(*accounts)
    stage.hold(100)
    worker = stage.worker(*PRODUCTION, **PATIENT, PERPS_DMA_AMQP_URL=f"{stage.url}?heartbeat=1")
    await worker.start()
    publishing = [
        asyncio.create_task(Engine(stage).publish([to(account, leverage) for leverage in range(1, 11)]))
        for account in accounts
    ]
    await until(partial(has_seen, stage, 30))
    node.broker.pause()
    await until(lambda: worker.said("was stuck") >= 2)  # both of its connections
    node.broker.resume()
    await asyncio.gather(*publishing)
    await counted(stage, count)
    assert stage.tally.outcomes == {"applied": 100}


@pytest.mark.parametrize("killed", [False, True], ids=["the worker lives", "the worker dies too"])
async def test_a_queue_deleted_under_its_consumer(stage: Stage, node: Node, count: Count, killed: bool) -> None:
    """What was in the queue is the loss of who deleted it; what the worker had received ends, and it consumes again."""
    accounts, prefetch = [f"b-{number}" for number in range(5)], 20
    stage.open_accounts(*accounts)
    stage.hold(500, times=10)
    worker = stage.worker(*PRODUCTION, PERPS_DMA_TIMEOUT_MS="3000", PERPS_DMA_PREFETCH=str(prefetch))
    await worker.start()
    await Engine(stage).publish(to(account, leverage) for leverage in range(1, 21) for account in accounts)
    await until(lambda: stage.at_venue() == len(accounts))
    await node.delete_queue("set_leverage")
    if killed:
        await worker.kill()
        await worker.start()
    await consumed(stage)
    received = await in_ledger(stage)
    stage.tally.expected = set(received)
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel(on_return_raises=True)
        commands = await channel.get_exchange(COMMANDS_EXCHANGE)
        for leverage in range(21, 31):
            command_id, body = (
                str(uuid4()),
                {"exchange_account_id": accounts[0], "symbol": SYMBOL, "leverage": leverage},
            )
            await commands.publish(aio_pika.Message(json.dumps(body).encode(), message_id=command_id), "set_leverage")
            stage.tally.expected.add(command_id)
    await counted(stage, count, received=len(received))
    assert len(received) >= prefetch


async def in_ledger(stage: Stage) -> set[str]:
    """The commands that the ledger knows."""
    async with open_ledger(f"sqlite:///{stage.state / 'ledger.db'}") as ledger:
        return {name for name in stage.tally.expected if await ledger.commands.find(name)}


async def test_the_publishing_connections_alone_are_cut_again_and_again(stage: Stage, node: Node, count: Count) -> None:
    accounts, each = [f"b-{number}" for number in range(10)], 25
    stage.open_accounts(*accounts)
    stage.hold(50)
    worker = stage.worker(*PRODUCTION, **PATIENT)
    await worker.start()
    ends = now() + 600_000  # until then an answer that can't be sent is tried again
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        for leverage in range(1, each + 1):
            for account in accounts:
                asked: dict[str, Any] = {"symbol": SYMBOL, "leverage": leverage, "reply_to": replies.name}
                asked["headers"] = {"deadline": ends}
                await stage.send(channel, "set_leverage", account, **asked)
        for cuts in range(1, 6):
            await until(partial(has_seen, stage, 40 * cuts))
            for what in ("publish", "answer"):
                await node.cut(f"perps-dma worker ({what})")
        await counted(stage, count, delivered_again=worker.said("duplicate_delivery"))
        answered = set[str | None]()
        while (reply := await replies.get(no_ack=True, fail=False)) is not None:
            answered.add(reply.correlation_id)
    assert stage.tally.outcomes == {"applied": each * len(accounts)}
    assert set(stage.tally.expected) - answered == set()
    # The connection that it consumes on was whole all the time, so no message had to come a second time.
    assert worker.said("duplicate_delivery") == 0


async def test_what_outlives_its_channel_is_not_done_again(stage: Stage, node: Node, count: Count) -> None:
    accounts = [f"b-{number}" for number in range(10)]
    stage.open_accounts(*accounts)
    stage.hold(3_000)
    await stage.worker(*PRODUCTION).start()
    await Engine(stage).publish(to(account, 5) for account in accounts)
    await until(lambda: stage.at_venue() == len(accounts))
    await node.cut("perps-dma worker (consume)")
    await consumed(stage)
    assert stage.at_venue() == len(accounts)  # while the copies are there already
    await counted(stage, count)
    assert stage.tally.outcomes == {"applied": len(accounts)}
