"""Telling everybody when a venue begins to fail, and when it works again.

Every worker tells how it finds the venues itself: one may have lost its way to a venue that another reaches well. So
that the newest event of a venue stays true when its teller is gone, a worker that starts tells of each venue once,
whatever it finds. What one that is gone has left in the outbox comes late: `since` says which of two events holds.
"""

from collections.abc import Callable, Iterable

from schemas.base import utc_text
from schemas.events import VenueEvent, event_id
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.messages.wire import outgoing
from worker.runtime.periodic import periodically
from worker.venues.lifecycle.health import VenueChange

LOOK_S = 0.5
"""How often it is looked for changes: some come about by the mere passing of time."""


class VenueNews:
    """Tells the changes of one worker's venues, each once and in their order."""

    def __init__(self, ledger: Ledger, relay: OutboxRelay, changes: Callable[[], Iterable[VenueChange]]) -> None:
        self._ledger = ledger
        self._relay = relay
        self._changes = changes

    async def run(self) -> None:
        """Tell each change, until cancelled. While the broker is away, the events wait in the outbox or here."""
        await periodically(self._tell_all, LOOK_S)

    async def _tell_all(self) -> None:
        for change in self._changes():
            await self._tell(change)

    async def _tell(self, change: VenueChange) -> None:
        event = outgoing(_event(self._ledger.owner, self._ledger.epoch.number, change))
        position = await self._ledger.patience.retry_while_unavailable(
            lambda: self._ledger.outbox.add(event, change.state.since)
        )
        await self._relay.publish(position, event)


def _event(owner: str, epoch: int, change: VenueChange) -> VenueEvent:
    state = change.state
    place = str(change.site)
    return VenueEvent(
        id=event_id("venue", owner, place, state.since, state.health),
        subject=place,
        time=utc_text(state.since),
        epoch=epoch,
        data=state,
    )
