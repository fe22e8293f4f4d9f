"""Waiting for a ledger that can't be written: nothing goes on without it, and nothing is dropped for want of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
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


class Waits:
    """How long somebody has been waiting for the ledger."""

    def __init__(self) -> None:
        self._since: dict[object, float] = {}

    @property
    def are_long(self) -> bool:
        """Whether it keeps them waiting now."""
        return any(monotonic() - since > LONG_S for since in self._since.values())

    def begin(self) -> object:
        """Somebody waits from now on; what it is called."""
        wait = object()
        self._since[wait] = monotonic()
        return wait

    def end(self, wait: object) -> None:
        """It waits no longer."""
        del self._since[wait]


_NOBODY = Waits()
_WAITS: ContextVar[Waits] = ContextVar("_WAITS", default=_NOBODY)


def waits_counted() -> Waits:
    """What the task, and those it makes from now on, wait for the ledger."""
    waits = Waits()
    _WAITS.set(waits)
    return waits


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
        waits = _WAITS.get()
        wait = waits.begin()
        try:
            return await self._until_done(attempt, kept, None if within_s is None else monotonic() + within_s)
        finally:
            waits.end(wait)

    async def _until_done(
        self,
        attempt: Callable[[], Awaitable[T]],
        kept: Callable[[], Awaitable[T | None]] | None,
        give_up: float | None,
    ) -> T:
        backoff, in_doubt = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S), False
        while True:
            try:
                result = await attempt()
            except LedgerUnavailable as error:
                in_doubt = in_doubt or isinstance(error, CommitInDoubt)
                self._noted(error)
                wait_s = backoff.next_s()
                if give_up is not None and monotonic() + wait_s > give_up:
                    raise NotInTime(str(error)) from error
            except StaleWrite:
                if not in_doubt or kept is None or (found := await self.retry_while_unavailable(kept)) is None:
                    raise
                return found
            else:
                self._works()
                return result
            await asyncio.sleep(wait_s)

    def _noted(self, error: LedgerUnavailable) -> None:
        if self.problem is None:
            log.error("ledger_unavailable", error=str(error))
        self.problem = str(error)

    def _works(self) -> None:
        if self.problem is not None:
            log.info("ledger_recovered")
        self.problem = None
