"""kill -9 of the worker at every step of a command: nothing is lost, nothing is done twice."""

import signal

import aio_pika
import pytest

from tests.faults.conftest import Count
from tests.faults.dying_worker import STEPS
from tests.faults.stage import COLLECTION, LEVERAGE, SYMBOL, Stage

ACCOUNTS = ("f-1", "f-2", "f-3")
PER_ACCOUNT = 6
POSITION_MODE = "/fapi/v1/positionSide/dual"


@pytest.mark.parametrize("step", STEPS)
async def test_a_setter_outlives_a_worker_killed_after(stage: Stage, count: Count, step: str) -> None:
    stage.open_accounts(*ACCOUNTS)
    (stage.state / "die").touch()
    worker = stage.worker("tests.faults.dying_worker", step)
    await worker.start()
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for leverage in range(1, PER_ACCOUNT + 1):
            for account in ACCOUNTS:
                await stage.send(channel, "set_leverage", account, symbol=SYMBOL, leverage=leverage)
    assert await worker.ended() == -signal.SIGKILL
    await worker.start()
    await stage.tally.collect(stage.url)
    seen = stage.seen(LEVERAGE)
    doubled = sum(times - 1 for times in seen.values()) + len(stage.tally.contradicted)
    count(len(stage.tally.expected), lost=len(stage.tally.lost), doubled=doubled)
    assert stage.tally.outcomes == {"applied": len(ACCOUNTS) * PER_ACCOUNT}
    assert set(seen) == {(account, str(leverage)) for account, leverage in stage.published.values()}


@pytest.mark.parametrize("step", ["intended", "sent", "finished"])
async def test_a_position_mode_outlives_a_worker_killed_after(stage: Stage, count: Count, step: str) -> None:
    """Each command switches what the one before has switched, so that a second sending of one would be seen."""
    stage.open_accounts(*ACCOUNTS)
    (stage.state / "die").touch()
    worker = stage.worker("tests.faults.dying_worker", step)
    await worker.start()
    async with await aio_pika.connect(stage.url) as connection:
        channel = await connection.channel()
        for mode in ("hedge", "one_way") * 2:
            for account in ACCOUNTS:
                await stage.send(channel, "set_position_mode", account, position_mode=mode)
    assert await worker.ended() == -signal.SIGKILL
    await worker.start()
    await stage.tally.collect(stage.url)
    sent = [entry for entry in stage.changes if entry.path == POSITION_MODE]
    commands = len(stage.tally.expected)
    count(commands, lost=len(stage.tally.lost), doubled=len(sent) - commands + len(stage.tally.contradicted))
    assert stage.tally.outcomes == {"applied": commands}
    for account in ACCOUNTS:
        asked = [entry.params["dualSidePosition"] for entry in sent if entry.account == account]
        assert asked == ["true", "false"] * 2


@pytest.mark.parametrize("step", STEPS)
async def test_a_collection_outlives_a_worker_killed_after(stage: Stage, count: Count, step: str) -> None:
    stage.open_accounts("f-pm", portfolio_margin=True)
    (stage.state / "die").touch()
    worker = stage.worker("tests.faults.dying_worker", step)
    await worker.start()
    ids = [await stage.publish("pm_asset_collect", "f-pm", asset="USDT")]
    assert await worker.ended() == -signal.SIGKILL
    # Not before: the second would be on its way too when the worker dies behind the first.
    ids += [await stage.publish("pm_asset_collect", "f-pm", asset="USDT") for _ in range(3)]
    await worker.start()
    await stage.tally.collect(stage.url)
    sent = sum(stage.seen(COLLECTION).values())
    # What was interrupted in doubt is told as unknown, and was sent once or never. After the later steps of one command
    # that can be the one behind it.
    unknown = stage.tally.outcomes["unknown"]
    doubled = max(0, sent - len(ids)) + len(stage.tally.contradicted)
    count(len(ids), lost=len(stage.tally.lost), doubled=doubled, sent=sent)
    assert stage.tally.outcomes["applied"] + unknown == len(ids)
    assert unknown == 1 if step in ("intended", "sent") else unknown <= 1
    assert len(ids) - unknown <= sent <= len(ids)
