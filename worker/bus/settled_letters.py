"""What people did with dead letters on the command line, beside all workers: read until a worker has written it down.

    perps-dma dead-letters ──control.dead-letters──▶ dma.events ─▶ dma.dead-letters.settled ─▶ a worker ─▶ audit

The queue keeps it while no worker is there, and while a ledger can't be written. What workers themselves tell comes the
same way, and is in the audit already: it has an epoch.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog
from aio_pika.abc import AbstractRobustConnection

from schemas.base import Milliseconds
from schemas.client.trouble import CONNECTION_TROUBLE, as_trouble
from schemas.events import DeadLettersEvent
from worker.bus.amqp.topology import SETTLED_LETTERS
from worker.ledger.sql.errors import LedgerUnavailable
from worker.runtime.periodic import periodically

LOOK_S = 2.0
"""How often we look whether there is something to write down."""

Adopt = Callable[[DeadLettersEvent, Milliseconds], Awaitable[None]]
"""Writes down what somebody did, and when. What it raises leaves the event where it is, for the next time."""

log = structlog.get_logger(__name__)


class SettledLetters:
    """Takes what was done from the queue, one by one, each only once it is written down."""

    def __init__(self, connection: AbstractRobustConnection, adopt: Adopt) -> None:
        self._connection = connection
        self._adopt = adopt

    async def run(self) -> None:
        """Write down what comes, until cancelled. What the broker or the ledger does not let us comes the next time."""
        await periodically(self._take, LOOK_S, tolerated=(LedgerUnavailable, *CONNECTION_TROUBLE))

    async def _take(self) -> None:
        with as_trouble():
            async with await self._connection.channel() as channel:
                queue = await channel.get_queue(SETTLED_LETTERS)
                while (message := await queue.get(fail=False)) is not None:
                    await self._write(message.body)
                    await message.ack()

    async def _write(self, body: bytes) -> None:
        try:
            event = DeadLettersEvent.model_validate_json(body)
            at = int(datetime.fromisoformat(event.time).timestamp()) * 1000
        except ValueError as error:
            log.error("settled_letters_illegible", error=str(error))
            return
        if event.epoch is None:
            await self._adopt(event, at)
