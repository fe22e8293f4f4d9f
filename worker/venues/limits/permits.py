"""A request that may go, and room that is kept for one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from worker.venues.limits.request_queue import PendingRequest
from worker.venues.limits.tables import Cost, User
from worker.venues.port.response import VenueResponse


class Keeper(Protocol):
    """Who counts what an admitted request uses."""

    def hear(self, ticket: PendingRequest, answer: VenueResponse) -> None:
        """Learn what an answer tells of the limits of its request."""

    def end(self, ticket: PendingRequest, weight: int | None, *, sent: bool) -> None:
        """A request is over; `weight` is what it turned out to have, if that was open."""

    def check_open(self, ticket: PendingRequest) -> None:
        """Raise LimitReached where a request, though counted, meets a scope that the venue has closed."""


class Permit:
    """A request that may go. It is counted until it ends, and as `sent` or not from then on."""

    def __init__(self, keeper: Keeper, ticket: PendingRequest, cost: Cost, user: User | None) -> None:
        self.sent = False
        self.user = user
        self._keeper = keeper
        self._ticket = ticket
        self._cost = cost
        self._weight: int | None = None

    def hear(self, answer: VenueResponse) -> None:
        """Learn what the answer tells of the limits, before anything else is made of it."""
        self._keeper.hear(self._ticket, answer)

    def settle(self, body: Any) -> None:
        """Here is the answer, if the weight depends on it."""
        if self._cost.settled:
            self._weight = self._cost.settled(body)

    def check_open(self) -> None:
        """Raise LimitReached where the venue has meanwhile closed what it needs."""
        self._keeper.check_open(self._ticket)

    def end(self) -> None:
        """It is answered, or given up, or was never sent."""
        self._keeper.end(self._ticket, self._weight, sent=self.sent)


class ReservedPermit:
    """Room for one request that is still to be made. Nobody else gets it meanwhile."""

    def __init__(self, permit: Permit, keeper: Keeper, cost: Cost, user: User | None) -> None:
        self.permit = permit
        self._is_for = (keeper, cost, user)
        self._is_free = True

    def serves(self, keeper: Keeper, cost: Cost, user: User | None) -> bool:
        """Whether it is meant for this request, and not used yet."""
        return self._is_free and self._is_for == (keeper, cost, user)

    @contextmanager
    def used(self) -> Iterator[Permit]:
        """The request it is for. One that was never sent may be made again. Raises LimitReached if it is too late."""
        self.permit.check_open()
        self._is_free = False
        try:
            yield self.permit
        finally:
            self._is_free = not self.permit.sent

    def end(self) -> None:
        """What was not used of it is free again."""
        self.permit.end()
