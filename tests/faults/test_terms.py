"""kill -9 of the worker at every step of applying terms: no symbol is forgotten, none is done twice."""

import signal
from collections import Counter
from typing import Any

import aio_pika
import pytest

from tests.faults.conftest import Count
from tests.faults.dying_worker import STEPS, STEPS_OF_TERMS
from tests.faults.stage import LEVERAGE, Stage, until
from worker.sandbox.kit.perpetuals import FURTHER_PERPETUALS

ACCOUNT = "f-1"
SYMBOLS = [f"{name}/USDT:USDT" for name, _ in FURTHER_PERPETUALS[:20]]
TO_3X: dict[str, Any] = {"symbols": {symbol: {"leverage": 3} for symbol in SYMBOLS}, "force": True}
OF_EACH = ("noted", "intended", "sent", "finished", "published")
"""Steps of each command; the others are come to once, but for `answered`: nobody asks for an answer here."""

MOMENTS = [
    *(pytest.param(step, 0, marks=pytest.mark.long) for step in (*STEPS, *STEPS_OF_TERMS) if step != "answered"),
    *((step, 7) for step in OF_EACH),
]
"""After which step the worker is killed, and how often it has passed it before."""


def at_venue(stage: Stage) -> Counter[str]:
    """How often the venue was asked to change each symbol."""
    return Counter(str(entry.params["symbol"]) for entry in stage.changes if entry.path == LEVERAGE)


async def ended(stage: Stage, command_id: str) -> dict[str, str]:
    """The outcomes of the symbols, once the command has ended."""
    await stage.tally.collect(stage.url)
    assert stage.tally.lost == set()
    data = stage.tally.data(command_id)
    assert data["outcome"] == "applied", data
    return {row["symbol"]: row["outcome"] for row in data["envelope"]["data"]["symbols"]}


@pytest.mark.parametrize(("step", "passed"), MOMENTS)
async def test_an_apply_outlives_a_worker_killed_after(stage: Stage, count: Count, step: str, passed: int) -> None:
    stage.open_accounts(ACCOUNT)
    (stage.state / "die").write_text(str(passed))
    worker = stage.worker("tests.faults.dying_worker", step)
    await worker.start()
    command_id = await stage.publish("apply_terms", ACCOUNT, **TO_3X)
    assert await worker.ended() == -signal.SIGKILL
    await worker.start()
    outcomes = await ended(stage, command_id)
    seen = at_venue(stage)
    count(len(SYMBOLS), lost=len(set(SYMBOLS) - set(outcomes)), doubled=sum(seen.values()) - len(seen))
    assert outcomes == dict.fromkeys(SYMBOLS, "applied")
    assert len(seen) == len(SYMBOLS)


async def test_two_workers_share_an_apply_that_is_delivered_twice(stage: Stage, count: Count) -> None:
    stage.open_accounts(ACCOUNT)
    for worker in (stage.worker(), stage.worker()):
        await worker.start()
    command_id = await stage.publish("apply_terms", ACCOUNT, **TO_3X)
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for _ in range(4):
            await stage.send(channel, "apply_terms", ACCOUNT, command_id=command_id, **TO_3X)
    outcomes = await ended(stage, command_id)
    seen = at_venue(stage)
    count(len(SYMBOLS), lost=len(set(SYMBOLS) - set(outcomes)), doubled=sum(seen.values()) - len(seen))


async def test_a_living_worker_goes_on_with_what_a_killed_one_began(stage: Stage, count: Count) -> None:
    stage.open_accounts(ACCOUNT)
    stage.hold(100)
    workers = [stage.worker(), stage.worker()]
    for worker in workers:
        await worker.start()
    command_id = await stage.publish("apply_terms", ACCOUNT, **TO_3X)
    await until(lambda: len(at_venue(stage)) >= 5)
    other, first = sorted(workers, key=lambda worker: worker.said("command_finished"))
    await first.kill()
    outcomes = await ended(stage, command_id)
    seen = at_venue(stage)
    count(len(SYMBOLS), lost=len(set(SYMBOLS) - set(outcomes)), doubled=sum(seen.values()) - len(seen))
    assert other.said("terms_gone_on") == 1


async def test_a_worker_that_stops_leaves_an_apply_to_the_next_one(stage: Stage, count: Count) -> None:
    stage.open_accounts(ACCOUNT)
    stage.hold(100)
    worker = stage.worker()
    await worker.start()
    command_id = await stage.publish("apply_terms", ACCOUNT, **TO_3X)
    await until(lambda: len(at_venue(stage)) >= 5)
    worker.send(signal.SIGTERM)
    await worker.ended()
    assert 5 <= len(at_venue(stage)) < len(SYMBOLS)
    await worker.start()
    outcomes = await ended(stage, command_id)
    seen = at_venue(stage)
    count(len(SYMBOLS), lost=len(set(SYMBOLS) - set(outcomes)), doubled=sum(seen.values()) - len(seen))
