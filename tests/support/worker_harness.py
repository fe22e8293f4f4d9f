"""A worker without its broker: deliveries go in by hand, what it publishes is kept. The ledger is a real one."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.memory_venue import ACCOUNT, BTC, MemoryBus, MemoryVenue
from worker.accounts.account import Accounts
from worker.app.parts import Worker, build_worker
from worker.config.settings import Settings
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import DeadLetter, Delivery
from worker.runtime.clock import now

Body = dict[str, Any]
TO_10X: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}
COLLECT: Body = {"exchange_account_id": ACCOUNT.id}
TIMEOUT_MS = 5_000


@dataclass(frozen=True, slots=True)
class WorkerHarness:
    """A worker, the venue that it talks to, and what it published."""

    worker: Worker
    ledger: Ledger
    venue: MemoryVenue
    bus: MemoryBus

    async def deliver(
        self,
        operation: str = "set_leverage",
        body: Body = TO_10X,
        command_id: str | None = None,
        *,
        deadline: int | None = None,
        reply: bool = True,
        reason: str | None = None,
        guardrails: str | None = None,
    ) -> DeadLetter | None:
        """Hand a message to the worker; returns when it would be acknowledged, and what it owes is taken."""
        letter = await self.worker.handle(
            Delivery(
                operation=operation,
                body=json.dumps(body).encode(),
                message_id=command_id or str(uuid4()),
                reply_to="someone" if reply else None,
                deadline=deadline,
                actor="ann",
                reason=reason,
                guardrails=guardrails,
            )
        )
        await self.worker.after_commands.settled()
        return letter

    async def ask(
        self,
        operation: str = "set_leverage",
        body: Body = TO_10X,
        command_id: str | None = None,
        guardrails: str | None = None,
    ) -> Body:
        """The envelope that a message is answered with."""
        await self.deliver(operation, body, command_id, guardrails=guardrails)
        envelope: Body = json.loads(self.bus.replies[-1][1].body)
        return envelope

    @property
    def replies(self) -> list[Body]:
        """All envelopes sent so far."""
        return [json.loads(reply.body) for _, reply in self.bus.replies]

    @property
    def outcomes(self) -> list[str]:
        """The outcomes of all result events published so far."""
        return [data["outcome"] for data in self.bus.told("result")]

    @property
    def changes(self) -> list[str]:
        """What the venue was asked to change."""
        return [
            row
            for row in self.venue.log
            if row.startswith(("leverage", "margin mode", "position mode ", "auto", "collect"))
        ]


@asynccontextmanager
async def worker_harness(
    url: str,
    venue: MemoryVenue | None = None,
    bus: MemoryBus | None = None,
    accounts: Accounts | None = None,
) -> AsyncIterator[WorkerHarness]:
    """A worker on a ledger. A second one on the same ledger is another worker, or the same after a restart."""
    venue, bus = venue or MemoryVenue(), bus or MemoryBus()
    settings = Settings(state=Path("/nonexistent"), timeout_ms=TIMEOUT_MS, snapshot_floor_ms=0)
    served = Accounts((ACCOUNT,)) if accounts is None else accounts
    async with open_ledger(url) as ledger:
        yield WorkerHarness(build_worker(settings, served, lambda _: venue, ledger, bus), ledger, venue, bus)


class Stalls(MemoryVenue):
    """A venue that answers a change when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.go_on = asyncio.Event(), asyncio.Event()

    async def under_way(self) -> None:
        self.reached.set()
        await self.go_on.wait()


def in_time(milliseconds: int = TIMEOUT_MS) -> int:
    """A deadline so far from now."""
    return now() + milliseconds
