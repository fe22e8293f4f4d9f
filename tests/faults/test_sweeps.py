"""Scheduled sweeps while workers die: each slot is one sweep, or told as missed; none is done twice."""

import asyncio
import json
import signal
from datetime import datetime
from typing import Any

import pytest

from tests.faults.conftest import Count
from tests.faults.dying_worker import OFTEN, SWEEP_STEPS, SWEPT
from tests.faults.stage import PRODUCTION, Stage, WorkerProcess
from worker.ledger.ledger import open_ledger

pytestmark = pytest.mark.long

ACCOUNTS = (f"{SWEPT}-1", f"{SWEPT}-2")
AUTO = "/papi/v1/auto-collection"
SLOTS = 4
DYING = (*SWEEP_STEPS, "received", "intended", "sent")
"""From then on it is a command as any other, and `test_kill` goes through the steps of those."""


async def audited(url: str) -> list[dict[str, Any]]:
    """What the audit has of sweeps."""
    async with open_ledger(url) as ledger:
        rows = await ledger.audit.after(0, 10_000)
    told = [row for row in rows if row.action in ("sweep", "sweep_missed")]
    return [{"account": row.subject.removeprefix("account:"), **json.loads(row.stored)} for row in told]


def slots_told(rows: list[dict[str, Any]], account: str) -> tuple[list[int], list[int]]:
    """The slots of an account that were swept, and those that were missed."""
    swept, missed = list[int](), list[int]()
    for row in (row for row in rows if row["account"] == account):
        if "slot" in row:
            swept.append(int(datetime.fromisoformat(row["slot"]).timestamp()) * 1_000)
        if "first" in row:
            missed += range(row["first"], row["last"] + 1, OFTEN.period)
    return swept, missed


async def enough(url: str, slots: int) -> list[dict[str, Any]]:
    """What is told, once each account has so many slots more."""
    before = {account: len(slots_told(await audited(url), account)[0]) for account in ACCOUNTS}
    async with asyncio.timeout(60):
        while True:
            rows = await audited(url)
            if all(len(slots_told(rows, account)[0]) >= before[account] + slots for account in ACCOUNTS):
                return rows
            await asyncio.sleep(0.2)


async def stopped(stage: Stage, ledger_url: str, *workers: WorkerProcess) -> None:
    """They stop, and one that knows no schedule carries out what they have left on the bus."""
    for worker in workers:
        worker.send(signal.SIGTERM)
    await asyncio.gather(*(worker.ended() for worker in workers))
    await stage.worker(*PRODUCTION, PERPS_DMA_LEDGER_URL=ledger_url).start()


async def counted(stage: Stage, url: str, count: Count) -> None:
    """Each slot once, each command told once, and no more asked of the venue than there are commands."""
    rows = await audited(url)
    for account in ACCOUNTS:
        swept, missed = slots_told(rows, account)
        told = sorted((*swept, *missed))
        assert told == list(range(told[0], told[-1] + 1, OFTEN.period)), "each slot is told once"
        assert len(swept) >= SLOTS
    ids = [row["command_id"] for row in rows if "command_id" in row]
    assert len(ids) == len(set(ids))
    stage.tally.expected.update(ids)
    await stage.tally.collect(stage.url)
    sent = len([entry for entry in stage.changes if entry.path == AUTO])
    doubled = max(0, sent - len(ids)) + len(stage.tally.contradicted)
    count(len(ids), lost=len(stage.tally.lost), doubled=doubled, sent=sent)
    unknown = stage.tally.outcomes["unknown"]
    assert unknown <= 2 * len(ACCOUNTS)  # each may have been on its way to the venue at a kill, and at the stop
    assert len(ids) - unknown <= sent
    assert set(stage.tally.outcomes) <= {"applied", "unknown"}


@pytest.mark.parametrize("step", DYING)
async def test_each_slot_is_one_sweep_when_a_worker_of_two_is_killed_after(
    stage: Stage, count: Count, ledger_url: str, step: str
) -> None:
    stage.lift_limits()
    stage.open_accounts(*ACCOUNTS, portfolio_margin=True)
    program, ledger = ("tests.faults.dying_worker", step), {"PERPS_DMA_LEDGER_URL": ledger_url}
    first, second = stage.worker(*program, **ledger), stage.worker(*program, **ledger)
    await first.start()
    await second.start()
    await enough(ledger_url, 1)
    (stage.state / "die").touch()
    dead, alive = await one_dies(first, second)
    await enough(ledger_url, 2)
    await dead.start()
    await enough(ledger_url, SLOTS - 2)
    await stopped(stage, ledger_url, dead, alive)
    await counted(stage, ledger_url, count)


async def one_dies(first: WorkerProcess, second: WorkerProcess) -> tuple[WorkerProcess, WorkerProcess]:
    """The worker that has died, and the one that lives."""
    endings = {asyncio.create_task(worker.ended(60)): worker for worker in (first, second)}
    done, others = await asyncio.wait(endings, return_when=asyncio.FIRST_COMPLETED)
    for task in others:
        task.cancel()
    (ended,) = done
    assert ended.result() == -signal.SIGKILL
    (alive,) = (endings[task] for task in others)
    return endings[ended], alive


async def test_slots_in_which_nobody_was_there_are_told_and_not_done(
    stage: Stage, count: Count, ledger_url: str
) -> None:
    stage.lift_limits()
    stage.open_accounts(*ACCOUNTS, portfolio_margin=True)
    worker = stage.worker("tests.faults.dying_worker", "never", PERPS_DMA_LEDGER_URL=ledger_url)
    for _ in range(2):
        await worker.start()
        await enough(ledger_url, SLOTS // 2)
        await worker.kill()
        await asyncio.sleep(2 * OFTEN.period / 1_000)  # slots that pass while nobody is there
    await worker.start()
    await enough(ledger_url, 1)
    await stopped(stage, ledger_url, worker)
    rows = await audited(ledger_url)
    assert all(slots_told(rows, account)[1] for account in ACCOUNTS)
    await counted(stage, ledger_url, count)
