"""The broker as `deploy/rabbitmq` sets it up, at work: it starts, imports, serves, and finds nothing to complain of."""

import asyncio
import json
from pathlib import Path
from uuid import uuid4

from schemas import OPERATIONS
from tests.support.deployed_broker import deployed_broker
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.permissions import WORKER_USER
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.runtime.clock import now


async def test_it_serves_and_notes_nothing_deprecated_and_no_error(tmp_path: Path) -> None:
    body = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}).encode()
    async with deployed_broker(tmp_path) as broker:
        settings = Settings(
            amqp_url=broker.url(WORKER_USER), state=tmp_path, shards=2, query_queues="quorum", snapshot_interval_ms=0
        )
        async with (
            running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()),
            connect_rpc(broker.url(SHIM_USER), "tests", 2) as rpc,
        ):
            async with asyncio.timeout(30):
                while not min((await rpc.consumers()).values()):
                    pass
            told = await rpc.call(OPERATIONS["set_leverage"], body, command_id=str(uuid4()), deadline=now() + 20_000)
    assert told.status == 200
    logged = broker.log.read_text().splitlines()
    assert [line for line in logged if "Server startup complete" in line]
    assert [line for line in logged if "[error]" in line or "deprecated" in line.lower()] == []
