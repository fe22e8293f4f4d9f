"""A command's way through the bus, venue time taken out, against a bare RPC echo."""

import json
import time
from contextlib import AsyncExitStack
from uuid import uuid4

from schemas import OPERATIONS
from tests.benchmarks import echo
from tests.benchmarks.measure import Call, Samples, interleaved
from tests.benchmarks.processes import program
from tests.support.memory_venue import ACCOUNT, BTC
from worker.broker.private_broker import server_version
from worker.bus.rpc import RpcClient, RpcReply, connect_rpc

CONCURRENCIES = {1: 150, 16: 800, 128: 2000}
"""Calls per round at each concurrency."""

ROUNDS = 4
BODY = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}).encode()


def command(client: RpcClient, body: bytes) -> Call:
    """A set_leverage over the bus that must succeed."""

    async def call() -> RpcReply:
        answer = await client.call(
            OPERATIONS["set_leverage"],
            body,
            command_id=str(uuid4()),
            deadline=int(time.time() * 1000) + 30_000,
        )
        if answer.status != 200:
            raise RuntimeError(f"{answer.status}: {answer.body.decode()}")
        return answer

    return call


async def bus_against_echo(url: str, other: str | None, rounds: int = ROUNDS) -> dict[int, dict[str, Samples]]:
    """Samples of both at each concurrency, and of both on another broker too, where there is one."""
    async with AsyncExitStack() as stack:
        calls = await _calls(stack, url)
        if other:
            there = await server_version(other)
            calls |= {f"{name}, {there}": call for name, call in (await _calls(stack, other)).items()}
        return {
            concurrency: await interleaved(calls, rounds=rounds, count=count, concurrency=concurrency)
            for concurrency, count in CONCURRENCIES.items()
        }


async def _calls(stack: AsyncExitStack, url: str) -> dict[str, Call]:
    """Both calls, with who answers them, until the stack unwinds."""
    for module in ("tests.benchmarks.echo", "tests.benchmarks.memory_worker"):
        await stack.enter_async_context(program(module, url))
    bare = await stack.enter_async_context(echo.client(url, BODY))
    client = await stack.enter_async_context(connect_rpc(url, "bench"))
    return {"bare echo": bare, "set_leverage": command(client, BODY)}
