"""The stage of a fault test: sandbox venues in this process, a worker in another one, and somebody who publishes."""

import asyncio
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika

from tests.faults.tally import Tally
from tests.support.forks import Fork, prepare
from worker.sandbox.app.server import Sandbox
from worker.sandbox.server.faults import Fault
from worker.sandbox.server.journal import JournalEntry

SYMBOL, MARKET_ID = "BTC/USDT:USDT", "BTCUSDT"
LEVERAGE, COLLECTION = "/fapi/v1/leverage", "/papi/v1/asset-collection"
READY_S = 40
READY = b"worker_ready"
POLL_S = 0.02
ENOUGH = 1_000_000
TIMEOUT_MS = "60000"
REFUSED = 400
"""What breaks here shall not make a command late as well, however slow the machine."""

PRODUCTION = ("worker.app.cli", "worker")
"""The program that runs in production, instead of one that dies on demand."""


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Wait for what nothing tells us of."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - it is another process's, or the venue's
            await asyncio.sleep(POLL_S)


@dataclass(slots=True)
class WorkerProcess:
    """A worker as a process of its own, which is started, killed and started again."""

    module: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    process: Fork | None = None

    async def start(self) -> None:
        """Start it; returns when it consumes."""
        self.log.touch()
        began = self.log.stat().st_size
        self.process = Fork(*self.module, environment=self.environment, err=self.log)
        await until(lambda: self._says(READY, began), READY_S)

    def _says(self, text: bytes, after: int) -> bool:
        said = self.log.read_bytes()[after:]
        assert self.process is not None
        assert self.process.returncode is None, said[-2_000:].decode()
        return text in said

    def said(self, text: str) -> int:
        """How often it has written a text to its log."""
        return self.log.read_text().count(text)

    async def ended(self, seconds: float = 30) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def kill(self) -> None:
        """`kill -9`, if it runs."""
        if self.process is not None:
            self.send(signal.SIGKILL)
            await self.process.wait()


@dataclass(slots=True)
class Stage:
    """All of it. Every command that is published here is told apart by its account and its value."""

    sandbox: Sandbox
    url: str
    state: Path
    tally: Tally = field(default_factory=Tally)
    published: dict[str, tuple[str, Any]] = field(default_factory=dict)
    workers: list[WorkerProcess] = field(default_factory=list)
    granted: str = "{}"

    def worker(self, *module: str, **settings: str) -> WorkerProcess:
        """A worker on this stage, not yet started."""
        environment = {
            **os.environ,
            "PERPS_DMA_STATE": str(self.state),
            "PERPS_DMA_AMQP_URL": self.url,
            "PERPS_DMA_LOG_LEVEL": "info",
            "PERPS_DMA_TIMEOUT_MS": TIMEOUT_MS,
            "PERPS_DMA_SNAPSHOT_INTERVAL_MS": "0",
            "PERPS_DMA_STREAMS": "off",
            "PERPS_DMA_GRANTED_LIMITS": self.granted,
            **settings,
        }
        log = self.state / f"worker{len(self.workers)}.log"
        self.workers.append(WorkerProcess(module or ("tests.faults.dying_worker", "never"), environment, log))
        return self.workers[-1]

    def open_accounts(self, *accounts: str, portfolio_margin: bool = False) -> None:
        """Open accounts at the Binance sandbox, and list them where a worker reads them."""
        for account in accounts:
            self.sandbox.open_account("binance", id=account, portfolio_margin=portfolio_margin)
        (self.state / "sandbox.json").write_text(json.dumps(self.sandbox.describe()))

    async def publish(self, operation: str, account: str, *, command_id: str | None = None, **fields: Any) -> str:
        """Publish a command to its queue, as a strategy engine does, with the broker's confirm."""
        async with await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            return await self.send(channel, operation, account, command_id=command_id, **fields)

    async def send(
        self,
        channel: aio_pika.abc.AbstractChannel,
        operation: str,
        account: str,
        *,
        command_id: str | None = None,
        headers: dict[str, Any] | None = None,
        reply_to: str | None = None,
        expiration: float | None = None,
        **fields: Any,
    ) -> str:
        """Publish on a channel of one's own."""
        command_id = command_id or str(uuid4())
        body = {"exchange_account_id": account, **fields}
        message = aio_pika.Message(
            json.dumps(body).encode(),
            message_id=command_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            reply_to=reply_to,
            expiration=expiration,
            headers={"account": account, **(headers or {})},
        )
        await channel.default_exchange.publish(message, operation, timeout=10)
        self.tally.expected.add(command_id)
        self.published[command_id] = (account, fields.get("leverage"))
        return command_id

    def lift_limits(self) -> None:
        """Let everybody ask as much as they like, and let workers started from now on know it."""
        self.sandbox.desks["binance"].venue.set_limits({"fapi": ENOUGH, "papi": ENOUGH})
        self.granted = json.dumps({"binance": {"futures weight": ENOUGH, "papi weight": ENOUGH}})

    def misbehave(self, **fault: Any) -> None:
        """Plan a fault of the Binance sandbox."""
        self.sandbox.desks["binance"].faults.add(Fault(**fault))

    def hold(self, milliseconds: int, **which: Any) -> None:
        """Let the venue carry out every change at once, and answer it so much later."""
        self.misbehave(fault="delay", method="POST", apply=True, delay_ms=milliseconds, **{"times": ENOUGH, **which})

    @property
    def changes(self) -> list[JournalEntry]:
        """What the venue was asked to change."""
        return [
            entry
            for entry in self.sandbox.desks["binance"].journal.entries
            if entry.method == "POST" and not entry.path.endswith("listenKey")
        ]

    def at_venue(self) -> int:
        """How many changes the venue has not answered yet."""
        return sum(entry.status is None for entry in self.changes)

    def seen(self, path: str) -> Counter[tuple[str | None, str | None]]:
        """How often each change was taken, by account and value."""
        return Counter((entry.account, entry.params.get("leverage")) for entry in self.taken if entry.path == path)

    @property
    def taken(self) -> list[JournalEntry]:
        """What the venue was asked to change and did not refuse.

        A request that was signed before its worker was frozen comes with a time long over, is refused, and sent anew.
        """
        return [entry for entry in self.changes if entry.status != REFUSED]

    @property
    def doubled(self) -> int:
        """Settings that the venue took more than once, and commands of which two things were told."""
        return sum(times - 1 for times in self.seen(LEVERAGE).values()) + len(self.tally.contradicted)

    @property
    def in_order(self) -> bool:
        """Whether each account's leverage was set to ever higher values, as the tests publish them."""
        wanted: dict[str | None, int] = {}
        for entry in self.taken:
            if "leverage" in entry.params:
                if int(entry.params["leverage"]) <= wanted.get(entry.account, 0):
                    return False
                wanted[entry.account] = int(entry.params["leverage"])
        return True

    def refused_by_limit(self) -> Counter[int | None]:
        """How often the venue said that a limit is used up."""
        entries = self.sandbox.desks["binance"].journal.entries
        return Counter(entry.status for entry in entries if entry.status in (418, 429))


@asynccontextmanager
async def staged(url: str, state: Path) -> AsyncIterator[Stage]:
    """A stage, whose workers are killed at its end."""
    prepare()
    async with Sandbox() as sandbox:
        stage = Stage(sandbox, url, state)
        stage.open_accounts()
        try:
            yield stage
        finally:
            for worker in stage.workers:
                await worker.kill()
