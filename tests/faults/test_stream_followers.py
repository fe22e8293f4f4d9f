"""Who follows whom when workers die: their accounts are followed by others soon, and told to be blind before."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from schemas.control import StreamHealth
from tests.faults.stage import PRODUCTION, Stage, WorkerProcess, until
from tests.support.canaries import Canaries, of_accounts, of_streams
from tests.support.followed import Watched
from tests.support.strategy import Strategy
from worker.ledger.ledger import open_ledger
from worker.runtime.clock import now
from worker.sandbox.server.streams import StreamFault

ACCOUNTS = tuple(f"s-{number}" for number in range(8))
MOVED_S = 8.0
"""How long it may take until the accounts of a worker that was killed are live again: with PostgreSQL, a worker is
believed to be gone three seconds after its locks are free."""


@pytest.fixture
async def watched(stage: Stage, amqp_url: str) -> AsyncIterator[Watched]:
    async with Strategy.connected(amqp_url) as strategy:
        watched = Watched(strategy, ACCOUNTS[0])
        listening = asyncio.create_task(watched.listen())
        yield watched
        listening.cancel()


async def all_live(ledger_url: str, among: int) -> Counter[str]:
    """Wait until all accounts are live, and so many workers share the sandbox's; how many each follows."""
    async with open_ledger(ledger_url) as ledger, asyncio.timeout(30):
        while True:
            rows = await ledger.streams.all()
            owners = Counter(row.owner for row in rows.values() if row.owner)
            live = {name for name, row in rows.items() if row.owner and row.state is StreamHealth.LIVE}
            if len(owners) == among and live.issuperset(ACCOUNTS):
                return owners
            await asyncio.sleep(0.05)


async def working(stage: Stage, ledger_url: str) -> tuple[WorkerProcess, WorkerProcess]:
    stage.open_accounts(*ACCOUNTS)
    first, second = (
        stage.worker(*PRODUCTION, PERPS_DMA_LEDGER_URL=ledger_url, PERPS_DMA_STREAMS="on") for _ in range(2)
    )
    await first.start()
    await second.start()
    return first, second


def change(stage: Stage, account: str, amount: str) -> None:
    content = {"positions": [{"symbol": "BTCUSDT", "amount": amount, "entry_price": "90000"}]}
    stage.sandbox.desks["binance"].change_account(account, content)


async def test_accounts_are_shared_evenly_and_those_of_a_worker_that_was_killed_are_moved_within_seconds(
    stage: Stage, ledger_url: str, watched: Watched
) -> None:
    first, _ = await working(stage, ledger_url)
    shares = await all_live(ledger_url, among=2)
    assert max(shares.values()) - min(shares.values()) <= 1
    await first.kill()
    killed = monotonic()
    shares = await all_live(ledger_url, among=1)
    assert monotonic() - killed < MOVED_S
    change(stage, ACCOUNTS[0], "3")
    await watched.next("positions", lambda data: 3 in [row["contracts"] for row in data["positions"]])
    states = watched.all("stream")
    assert states[-1]["state"] == "live"
    assert now() - states[-1]["since"] < 60_000


async def test_a_worker_that_stops_hands_over_and_one_that_hangs_is_not_waited_for(
    stage: Stage, ledger_url: str, watched: Watched
) -> None:
    first, second = await working(stage, ledger_url)
    await all_live(ledger_url, among=2)
    first.send(signal.SIGTERM)
    assert await first.ended() == 0
    await all_live(ledger_url, among=1)
    third = stage.worker(*PRODUCTION, PERPS_DMA_LEDGER_URL=ledger_url, PERPS_DMA_STREAMS="on")
    await third.start()
    await all_live(ledger_url, among=2)
    second.send(signal.SIGSTOP)
    await all_live(ledger_url, among=1)
    second.send(signal.SIGCONT)
    await all_live(ledger_url, among=2)


async def test_no_key_of_a_stream_comes_out(stage: Stage, ledger_url: str, watched: Watched) -> None:
    first, second = await working(stage, ledger_url)
    await all_live(ledger_url, among=2)
    streams = stage.sandbox.desks["binance"].streams
    followed = len(streams.links)
    for fault in ("malformed", "close", "drop"):
        streams.order(StreamFault.model_validate({"fault": fault}))
        await until(lambda: len(streams.links) >= followed)  # accounts of the sandbox's own may have come meanwhile
    streams.order(StreamFault(fault="order", name="expire_key"))
    await watched.next("stream", lambda data: data["state"] == "blind")
    await all_live(ledger_url, among=2)
    secrets = {**of_accounts(stage.sandbox.accounts), **of_streams(stage.sandbox)}
    canaries = Canaries.of(secrets, {})
    for worker in (first, second):
        assert canaries.found(worker.log.read_text()) == set()
    for told in watched.heard:
        assert canaries.found(str(told.data)) == set()
