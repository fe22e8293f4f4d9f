"""Waiting for a ledger that can't be written: nothing goes on without it, and nothing is dropped for want of it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from worker.execution.ledger.errors import LedgerUnavailable

T = TypeVar("T")

FIRST_WAIT_S = 0.05
LONGEST_WAIT_S = 1.0

log = structlog.get_logger(__name__)


class Patience:
    """Tries again until the ledger can be used. `problem` tells why it could not the last time, if it could not."""

    def __init__(self) -> None:
        self.problem: str | None = None

    async def until_done(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of an attempt, for as many as it takes. Raises what an attempt raises beside LedgerUnavailable."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                result = await attempt()
            except LedgerUnavailable as error:
                self._noted(error)
                await asyncio.sleep(wait_s)
                wait_s = min(LONGEST_WAIT_S, 2 * wait_s)
            else:
                self._works()
                return result

    def _noted(self, error: LedgerUnavailable) -> None:
        if self.problem is None:
            log.error("the ledger fails; commands wait, and nothing is sent meanwhile", error=str(error))
        self.problem = str(error)

    def _works(self) -> None:
        if self.problem is not None:
            log.info("the ledger works again")
        self.problem = None
