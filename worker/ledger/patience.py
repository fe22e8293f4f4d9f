"""Waiting for a ledger that can't be written: nothing goes on without it, and nothing is dropped for want of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

import structlog

from worker.ledger.sql.errors import CommitInDoubt, LedgerUnavailable, NotInTime, StaleWrite
from worker.runtime.backoff import Backoff

T = TypeVar("T")

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0

LONG_S = 0.2
"""Who has waited longer than this for the ledger waits because something is wrong with it."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Waits:
    """Who is waiting for the ledger, and since when, by the monotonic clock."""

    since: dict[object, float] = field(default_factory=dict)

    @property
    def are_long(self) -> bool:
        """Whether it keeps them waiting now."""
        return any(monotonic() - since > LONG_S for since in self.since.values())


WAITS: ContextVar[Waits] = ContextVar("waits", default=Waits())  # noqa: B039 - nobody looks at what is nobody's
"""What the running task, and those it makes, wait for the ledger."""


async def looked_after(attempt: Callable[[], Awaitable[T]], kept: Callable[[], Awaitable[T | None]]) -> T:
    """The result of an attempt, made once more where its commit was in doubt.

    The second one waits for what the first has begun. If it matches nothing, the first may be the reason: `kept` finds
    its result, if it was kept. Raises what an attempt raises, CommitInDoubt when both are in doubt.
    """
    with suppress(CommitInDoubt):
        return await attempt()
    try:
        return await attempt()
    except StaleWrite:
        if (found := await kept()) is None:
            raise
        return found


class Patience:
    """Tries again until the ledger can be used. `problem` tells why it could not the last time, if it could not."""

    def __init__(self) -> None:
        self.problem: str | None = None

    async def retry_while_unavailable(
        self,
        attempt: Callable[[], Awaitable[T]],
        *,
        kept: Callable[[], Awaitable[T | None]] | None = None,
        within_s: float | None = None,
    ) -> T:
        """The result of an attempt, for as many as it takes. Raises what an attempt raises beside LedgerUnavailable.

        An attempt whose commit was in doubt can be the reason why the next one matches nothing: `kept` then finds the
        result of the one before, if it was kept. Raises NotInTime when `within_s` is over and no attempt is under way.
        """
        since, wait = WAITS.get().since, object()
        since[wait] = began = monotonic()
        try:
            try:
                result = await attempt()
            except LedgerUnavailable as error:
                result = await self._tried_again(error, attempt, kept, None if within_s is None else began + within_s)
            if self.problem is not None:
                self._works()
            return result
        finally:
            del since[wait]

    async def _tried_again(
        self,
        error: LedgerUnavailable,
        attempt: Callable[[], Awaitable[T]],
        kept: Callable[[], Awaitable[T | None]] | None,
        give_up: float | None,
    ) -> T:
        """The result of an attempt that has failed so before."""
        backoff, in_doubt = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S), False
        while True:
            in_doubt = in_doubt or isinstance(error, CommitInDoubt)
            self._noted(error)
            wait_s = backoff.next_s()
            if give_up is not None and monotonic() + wait_s > give_up:
                raise NotInTime(str(error)) from error
            await asyncio.sleep(wait_s)
            try:
                return await attempt()
            except LedgerUnavailable as again:
                error = again
            except StaleWrite:
                if not in_doubt or kept is None or (found := await self.retry_while_unavailable(kept)) is None:
                    raise
                return found

    def _noted(self, error: LedgerUnavailable) -> None:
        if self.problem is None:
            log.error("ledger_unavailable", error=str(error))
        self.problem = str(error)

    def _works(self) -> None:
        if self.problem is not None:
            log.info("ledger_recovered")
        self.problem = None
