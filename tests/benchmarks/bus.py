"""A command's way through the bus, venue time taken out, against a bare RPC echo."""

import json
import time
from uuid import uuid4

from schemas import OPERATIONS
from tests.benchmarks import echo
from tests.benchmarks.measure import Call, Samples, interleaved
from tests.benchmarks.processes import program
from tests.fakes import ACCOUNT, BTC
from worker.bus.rpc import Answer, RpcClient, connect_rpc

CONCURRENCIES = {1: 150, 16: 800, 128: 2000}
"""Calls per round at each concurrency."""

ROUNDS = 4
BODY = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}).encode()


def command(client: RpcClient, body: bytes) -> Call:
    """A set_leverage over the bus that must succeed."""

    async def call() -> Answer:
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


async def bus_against_echo(url: str, rounds: int = ROUNDS) -> dict[int, dict[str, Samples]]:
    """Samples of both at each concurrency."""
    async with (
        program("tests.benchmarks.echo", url),
        program("tests.benchmarks.memory_worker", url),
        echo.client(url, BODY) as bare,
        connect_rpc(url, "bench") as client,
    ):
        calls = {"bare echo": bare, "set_leverage": command(client, BODY)}
        return {
            concurrency: await interleaved(calls, rounds=rounds, count=count, concurrency=concurrency)
            for concurrency, count in CONCURRENCIES.items()
        }
