"""Reading the stream of events, as `perps-dma watch` does."""

import asyncio
import gc
from contextlib import aclosing
from typing import Any

from schemas.client.stream import followed as events
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.strategy import Strategy

TO_10X = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}


async def test_who_has_read_enough_leaves_no_task_behind(strategy: Strategy, amqp_url: str) -> None:
    for _ in range(3):
        await strategy.event("result", await strategy.publish("set_leverage", TO_10X))
    complaints: list[dict[str, Any]] = []
    before = asyncio.all_tasks()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    try:
        async with aclosing(events(amqp_url, "first")) as messages:
            async for _ in messages:
                break
        for left in asyncio.all_tasks() - before:
            await asyncio.wait((left,))
        gc.collect()
    finally:
        asyncio.get_running_loop().set_exception_handler(None)
    assert complaints == []
