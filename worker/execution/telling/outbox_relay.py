"""From the outbox to the bus: every recorded event is published until the broker has confirmed it."""

import asyncio
from contextlib import suppress
from functools import partial
from typing import Protocol

import structlog

from worker.ledger.ledger import Ledger
from worker.ledger.outbox import Waiting
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import NotPublished, Outgoing
from worker.runtime.backoff import Backoff
from worker.runtime.periodic import periodically

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 2.0

LOOK_S = 2.0
"""How often the outbox is looked into for events that a worker which is gone has left."""

BATCH = 200

GATHER_S = 0.02
"""How long a confirmed event waits for others to be struck out with it: one write of the ledger does for all."""

CLOSE_S = 2.0

log = structlog.get_logger(__name__)


class Publisher(Protocol):
    """Publishes for everybody."""

    async def event(self, event: Outgoing) -> None:
        """Publish an event; returns when the broker has it. Raises NotPublished."""


class OutboxRelay:
    """Publishes what is in the outbox: our own events at once, those of a worker that is gone soon."""

    def __init__(self, ledger: Ledger, publisher: Publisher) -> None:
        self._ledger = ledger
        self._publisher = publisher
        self._confirmed: list[int] = []
        self._striking: asyncio.Task[None] | None = None
        self._published: set[int] = set()
        self._suspect: set[int] = set()
        self.unconfirmed = 0

    async def publish(self, position: int | None, event: Outgoing) -> None:
        """Publish an event of the outbox; returns when the broker has it, however long that takes.

        It is struck out soon after. A worker that dies before that leaves it to be published once more, with its id.
        One that waits there no more, for it was published before, has no position.
        """
        if position is not None:
            self._published.add(position)
        self.unconfirmed += 1
        try:
            try:
                await self._publisher.event(event)
            except NotPublished as error:
                await self._publish_at_last(event, error)
        finally:
            self.unconfirmed -= 1
        if position is None:
            return
        self._confirmed.append(position)
        if self._striking is None or self._striking.done():
            self._striking = asyncio.create_task(self._strike())

    async def _publish_at_last(self, event: Outgoing, error: NotPublished) -> None:
        backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
        while True:
            log.warning("event_not_published", event_id=event.id, error=str(error))
            await backoff.wait()
            try:
                return await self._publisher.event(event)
            except NotPublished as again:
                error = again

    async def run(self) -> None:
        """Take over the events of workers that are gone, until cancelled."""
        await periodically(self._look, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_read)

    async def _look(self) -> None:
        for owner in await self._ledger.outbox.owners():
            await self.take_over(owner)

    async def take_over(self, owner: str) -> None:
        """Publish what a worker left, if it is gone, or what we ourselves have forgotten."""
        if owner == self._ledger.owner:
            await self._publish_forgotten()
            return
        async with self._ledger.gone(owner) as gone:
            while gone and (left := await self._ledger.outbox.of(owner, BATCH)):
                log.info("outbox_taken_over", count=len(left), owner=owner)
                await asyncio.gather(*map(self._publish_left, left))

    async def close(self) -> None:
        """Wait until all that was published is struck out, but not for a ledger that can't be used.

        What is left of it is published once more by another worker, with its id.
        """
        if self._striking is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._striking

    async def _publish_forgotten(self) -> None:
        """Publish what is ours and nobody publishes: a commit whose answer got lost was not told to who wanted it.

        An event that was recorded a moment ago is about to be published; one that still waits at the next look is not.
        """
        waiting = {row.position: row for row in await self._ledger.outbox.of(self._ledger.owner, BATCH)}
        forgotten = waiting.keys() - self._published
        for position in sorted(forgotten & self._suspect):
            log.warning("unpublished_event_found", event_id=waiting[position].event.id)
            await self.publish(position, waiting[position].event)
        self._suspect = forgotten

    async def _publish_left(self, left: Waiting) -> None:
        await self.publish(None, left.event)
        await self._ledger.outbox.confirmed(left.position)

    async def _strike(self) -> None:
        """Strike out what was confirmed, together with what is confirmed meanwhile."""
        while self._confirmed:
            await asyncio.sleep(GATHER_S)
            positions, self._confirmed = self._confirmed, []
            await self._ledger.patience.retry_while_unavailable(partial(self._ledger.outbox.confirmed, *positions))
            self._published.difference_update(positions)


def _not_read(error: Exception) -> None:
    log.warning("outbox_not_read", error=str(error))
