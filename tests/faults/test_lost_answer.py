"""A client whose connection is lost does not wait for an answer that can't come any more."""

import asyncio
from uuid import uuid4

import aio_pika
import pytest

from schemas import OPERATIONS
from tests.faults.node import Node
from worker.bus.rpc import RequestInDoubt, connect_rpc
from worker.runtime.clock import now

CLIENT = "a client that waits"
LONG_MS = 100_000


async def test_an_answer_that_was_lost_with_the_connection_is_told_at_once(breakable: str, node: Node) -> None:
    taken = asyncio.Queue[aio_pika.abc.AbstractIncomingMessage]()
    async with await aio_pika.connect(breakable) as connection, connect_rpc(breakable, CLIENT) as rpc:
        queue = await (await connection.channel()).get_queue("get_positions")
        await queue.consume(taken.put, no_ack=True)
        asked = rpc.call(OPERATIONS["get_positions"], b"{}", command_id=str(uuid4()), deadline=now() + LONG_MS)
        waiting = asyncio.create_task(asked)
        async with asyncio.timeout(20):
            await taken.get()
            await node.cut(CLIENT)
            with pytest.raises(RequestInDoubt, match="and the answer with it"):
                await waiting
