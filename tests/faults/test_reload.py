"""Accounts that change again and again while their commands run: each is carried out once, in its order."""

import itertools
import json
import signal
from typing import Any

from tests.faults.conftest import Count
from tests.faults.engine import Engine, to
from tests.faults.stage import LEVERAGE, PRODUCTION, Stage, WorkerProcess, until

ACCOUNTS = tuple(f"r-{number}" for number in range(5))
GUEST = "comes-and-goes"
EACH = 12
ANSWER_MS = 150
LEAST_RELOADS = 5


def rewrite(stage: Stage, turn: int) -> None:
    """List all accounts with another setting than before, and one of them in every second turn only."""
    listed: dict[str, Any] = stage.sandbox.describe()
    for row in listed["accounts"]:
        row["margin_mode_scope"] = ("account", "symbol")[turn % 2]
    listed["accounts"] = [row for row in listed["accounts"] if row["id"] != GUEST or turn % 2]
    (stage.state / "sandbox.json").write_text(json.dumps(listed))


async def reloaded(worker: WorkerProcess, times: int) -> None:
    """Tell the worker to read its accounts again; returns when it has."""
    worker.send(signal.SIGHUP)
    await until(lambda: worker.said("accounts_replaced") == times)


async def test_while_accounts_change_no_command_is_lost_or_doubled(stage: Stage, count: Count) -> None:
    stage.open_accounts(*ACCOUNTS, GUEST)
    stage.lift_limits()
    stage.hold(ANSWER_MS)
    worker = stage.worker(*PRODUCTION, PERPS_DMA_TIMEOUT_MS="60000")
    await worker.start()
    await Engine(stage).publish(to(account, leverage) for leverage in range(1, EACH + 1) for account in ACCOUNTS)
    for turn in itertools.count(1):
        rewrite(stage, turn - 1)
        await reloaded(worker, turn)
        if sum(stage.seen(LEVERAGE).values()) == len(stage.tally.expected):
            break
    await stage.tally.collect(stage.url)
    commands = len(stage.tally.expected)
    count(commands, lost=len(stage.tally.lost), doubled=stage.doubled, reloads=turn)
    assert stage.tally.outcomes == {"applied": commands}
    assert stage.in_order
    assert turn >= LEAST_RELOADS
    worker.send(signal.SIGTERM)
    assert await worker.ended() == 0
