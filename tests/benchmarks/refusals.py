"""A worker with 1,000 accounts on default settings and documented limits: what its readings leave to commands."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from uuid import uuid4

from schemas import OPERATIONS
from tests.benchmarks.rows import Row, at_most
from tests.benchmarks.services import NONE, worker
from tests.benchmarks.stage import DOCUMENTED, Desk, stage
from worker.bus.rpc import NoAnswer, RpcClient, RpcReply, connect_rpc
from worker.config.settings import Settings
from worker.console.kit.display import console

ACCOUNTS = 1_000
PACE_S = 0.5
QUERY_EACH = 4
"""Commands to one query."""

TIMEOUT_MS = 10_000


async def refusals(settings: Settings, folder: Path, seconds: float) -> list[Row]:
    """Send two commands a second, to one account after the other, and count the answers."""
    commands: Counter[int] = Counter()
    queries: Counter[int] = Counter()
    async with (
        stage(settings, folder, ACCOUNTS, DOCUMENTED) as venue,
        worker(venue.worker("crowd", ACCOUNTS), NONE),
        connect_rpc(str(settings.amqp_url), "bench") as client,
        asyncio.TaskGroup() as sent,
    ):
        desk = Desk(venue.accounts)
        for number in range(int(seconds / PACE_S)):
            change = desk.change()
            sent.create_task(_ask(client, "set_leverage", change, commands))
            if number % QUERY_EACH == 0:
                about = {name: change[name] for name in ("exchange_account_id", "symbol")}
                sent.create_task(_ask(client, "get_leverage", about, queries))
            await asyncio.sleep(PACE_S)
    console.print(f"    answers by status: commands {dict(commands)}, queries {dict(queries)}")
    refused, others = commands[429], commands.total() - commands[200] - commands[429]
    return [
        at_most(f"1,000 accounts, default settings: commands refused of {commands.total()}", refused, 0),
        Row("of these, not carried out for another reason", others),
        Row(f"queries beside them that failed, of {queries.total()}", queries.total() - queries[200]),
    ]


async def _ask(client: RpcClient, operation: str, request: dict[str, object], statuses: Counter[int]) -> None:
    statuses[await _status(client, operation, request)] += 1


async def _status(client: RpcClient, operation: str, request: dict[str, object]) -> int:
    """The status of the answer; 504 where none came in time, as over HTTP."""
    try:
        answer: RpcReply = await client.call(
            OPERATIONS[operation],
            json.dumps(request).encode(),
            command_id=str(uuid4()),
            deadline=int(time.time() * 1000) + TIMEOUT_MS,
        )
    except NoAnswer:
        return 504
    return answer.status
