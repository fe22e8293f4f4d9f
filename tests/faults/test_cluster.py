"""A cluster of brokers loses each of its nodes in turn, under load. `make soak` runs it: three brokers take minutes.

It goes on for half of PERPS_DMA_SOAK_S, and loses each node once in any case.
"""

import asyncio
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aio_pika
import pytest
from aiormq.exceptions import ChannelPreconditionFailed

from schemas import OPERATIONS
from schemas.operations import EVENTS_LOG
from tests.faults.cluster import Cluster, Member, clustered
from tests.faults.conftest import Count
from tests.faults.stage import until
from tests.faults.test_soak import SOAK_S
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.strategy import Body
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.bus.rpc import BusError, NoAnswer, RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.runtime.clock import now

SHARDS, WORKERS, CLIENTS = 4, 2, 2
TIMEOUT_MS = 8_000
CLUSTER_S = SOAK_S / 2
HOW = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)
"""How nodes end, one after the other: not each always in the same way."""

STEADY = 20
"""Commands that each client gets through after a loss, before the next one."""

pytestmark = [pytest.mark.soak, pytest.mark.timeout(CLUSTER_S + 900)]


@dataclass(slots=True)
class Load:
    """Commands and queries without a pause; one that got no answer is sent again with its id."""

    rpc: RpcClient
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    answered: dict[str, int] = field(default_factory=dict)
    queries: Counter[int] = field(default_factory=Counter)
    sent_again: int = 0
    unanswered: int = 0
    """Those of them whose answer had time, and did not come."""

    async def run(self) -> None:
        while not self.stop.is_set():
            command_id = str(uuid4())
            body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 1 + len(self.answered) % 100}
            self.answered[command_id] = await self._until_answered("set_leverage", body, command_id)
            query = {"exchange_account_id": ACCOUNT.id}
            self.queries[await self._until_answered("get_positions", query, str(uuid4()))] += 1

    async def _until_answered(self, operation: str, body: Body, message_id: str) -> int:
        while True:
            deadline = now() + TIMEOUT_MS
            try:
                answer = await self.rpc.call(
                    OPERATIONS[operation], json.dumps(body).encode(), command_id=message_id, deadline=deadline
                )
            except BusError as error:
                self.sent_again += 1
                self.unanswered += isinstance(error, NoAnswer)
                await asyncio.sleep(0.1)
            else:
                return answer.status

    async def gets_through(self, count: int) -> None:
        """Wait until so many more commands were answered."""
        goal = len(self.answered) + count
        await until(lambda: len(self.answered) >= goal, seconds=120)


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    async with clustered(tmp_path / "cluster") as cluster:
        yield cluster


async def results(url: str, wanted: set[str]) -> dict[str, list[Body]]:
    """All result events of these commands out of the stream, read until each has one."""
    async with asyncio.timeout(120):
        while True:
            # A node that has just come back has no copy of the stream for a moment, and says so.
            with suppress(ChannelPreconditionFailed):
                return await _read_results(url, wanted)


async def _read_results(url: str, wanted: set[str]) -> dict[str, list[Body]]:
    found: dict[str, list[Body]] = {}
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.set_qos(prefetch_count=200)
        log = await channel.get_queue(EVENTS_LOG)
        async with log.iterator(timeout=60, arguments={"x-stream-offset": "first"}) as messages:
            async for message in messages:
                event = json.loads(message.body)
                await message.ack()
                if event["type"] == "perps-dma.result.v1":
                    found.setdefault(event["data"]["command_id"], []).append(event)
                if wanted <= set(found):
                    break
    return found


def working_on(member: Member, state: Path) -> AbstractAsyncContextManager[None]:
    """A worker that is connected to one node alone."""
    settings = Settings(amqp_url=member.url, state=state, query_queues="quorum", snapshot_interval_ms=0)
    return running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue())


async def declare_on(member: Member, state: Path) -> None:
    """Have the queues declared there: they are led by the node that who declares them is connected to."""
    async with working_on(member, state):
        return


async def until_served(rpc: RpcClient) -> None:
    """Ask, as often as it takes."""
    body = json.dumps({"exchange_account_id": ACCOUNT.id}).encode()
    while True:
        with suppress(BusError):
            asked = rpc.call(OPERATIONS["get_positions"], body, command_id=str(uuid4()), deadline=now() + TIMEOUT_MS)
            assert (await asked).status == 200
            return
        await asyncio.sleep(0.1)


async def test_who_first_asks_when_the_queues_leader_is_lost_is_served_while_its_node_is_away(
    cluster: Cluster, tmp_path: Path
) -> None:
    """RabbitMQ 3.10 refuses such a channel until the node is back."""
    here, leading, _ = cluster.members
    await declare_on(leading, tmp_path)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(working_on(here, tmp_path))
        clients = [await stack.enter_async_context(connect_rpc(here.url, "client")) for _ in range(5)]
        await cluster.may_lose(leading)
        await leading.end(signal.SIGKILL)
        async with asyncio.timeout(60):
            await asyncio.gather(*map(until_served, clients))


async def test_each_node_is_lost_in_turn_and_no_command_with_it(cluster: Cluster, tmp_path: Path, count: Count) -> None:
    venue = MemoryVenue()
    settings = Settings(
        amqp_url=cluster.url,
        state=tmp_path,
        timeout_ms=TIMEOUT_MS,
        shards=SHARDS,
        workers=WORKERS,
        query_queues="quorum",
        snapshot_interval_ms=0,
    )
    async with AsyncExitStack() as stack:
        for _ in range(WORKERS):
            await stack.enter_async_context(running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue))
        load = Load(await stack.enter_async_context(connect_rpc(cluster.url, "load", SHARDS)))
        clients = [asyncio.create_task(load.run()) for _ in range(CLIENTS)]
        began, losses = time.monotonic(), 0
        while losses < len(cluster.members) or time.monotonic() - began < CLUSTER_S:
            member = cluster.members[losses % len(cluster.members)]
            await load.gets_through(STEADY)
            await cluster.may_lose(member)
            await member.end(HOW[losses % len(HOW)])
            await load.gets_through(STEADY)
            await member.start()
            losses += 1
        load.stop.set()
        await asyncio.gather(*clients)
        told = await results(cluster.url, set(load.answered))
    sent = sum(row.startswith("leverage ") for row in venue.log)
    attempts = sum(event[0]["data"]["attempts"] for event in told.values())
    several = sum(len({event["id"] for event in events}) > 1 for events in told.values())
    assert set(load.answered.values()) == {200}
    assert set(load.queries) == {200}
    count(
        len(load.answered),
        lost=len(set(load.answered) - set(told)),
        doubled=several + sent - attempts,
        events_twice=sum(len(events) > 1 for events in told.values()),
        nodes_lost=losses,
        sent_again=load.sent_again,
        unanswered=load.unanswered,
    )
    assert load.unanswered == 0
