"""kill -9 of a worker that owes snapshots: each command that was applied is in one, taken after it."""

import asyncio
import json

import aio_pika

from tests.faults.conftest import Count
from tests.faults.stage import POLL_S, PRODUCTION, SYMBOL, Stage, until
from worker.ledger.ledger import open_ledger
from worker.sandbox.server.faults import Fault

ACCOUNTS = tuple(f"s-{number}" for number in range(12))
READS, SLOW_MS = "/fapi/v3/positionRisk", 60_000


async def owed(stage: Stage) -> int:
    async with open_ledger(f"sqlite:///{stage.state / 'ledger.db'}") as ledger:
        return (await ledger.owed.oldest())[0]


async def test_snapshots_that_a_killed_worker_owed_are_taken(stage: Stage, count: Count) -> None:
    stage.open_accounts(*ACCOUNTS)
    desk = stage.sandbox.desks["binance"]
    desk.faults.add(Fault(fault="delay", path=READS, delay_ms=SLOW_MS, times=1_000))
    worker = stage.worker(*PRODUCTION)
    await worker.start()
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for account in ACCOUNTS:
            await stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=7)
    await stage.tally.collect(stage.url)
    await until(lambda: worker.said('"event":"command_finished"') >= len(ACCOUNTS))
    owing = await owed(stage)
    await worker.kill()
    desk.faults.clear()
    await worker.start()
    async with asyncio.timeout(60):
        while await owed(stage):  # noqa: ASYNC110 - another process takes them
            await asyncio.sleep(POLL_S)
    told = await in_snapshots(stage)
    count(len(ACCOUNTS), lost=len(stage.tally.expected - told), doubled=stage.doubled, owed=owing)
    assert (owing, stage.tally.outcomes) == (len(ACCOUNTS), {"applied": len(ACCOUNTS)})
    assert stage.tally.expected <= told


async def in_snapshots(stage: Stage) -> set[str]:
    """The commands that are named by the newest snapshots of all accounts."""
    async with open_ledger(f"sqlite:///{stage.state / 'ledger.db'}") as ledger:
        kept = [await ledger.snapshots.newest(account) for account in ACCOUNTS]
    return {command for one in kept if one for command in json.loads(one.event)["data"]["command_ids"]}
