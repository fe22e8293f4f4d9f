"""From a command to the function that carries it out, and from whatever that raises to what is told of it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from worker.accounts import Account
from worker.execution.calls import Expired, VenueCalls
from worker.execution.capabilities import require
from worker.execution.completion import Done, Found
from worker.execution.freeze import Frozen
from worker.execution.receipt import Command
from worker.execution.refusals import Refusal, fault, refusal
from worker.venues.errors import VenueError
from worker.venues.seam import Adapter, Capability

T = TypeVar("T", Done, Found)

log = structlog.get_logger(__name__)


class Superseded(Exception):
    """Another worker has taken the command over and will tell how it ended; this one must not go on."""


@dataclass(frozen=True, slots=True)
class QueryHandler:
    """The function behind a query, and what a venue must be capable of for it."""

    run: Callable[[Any, Adapter, VenueCalls], Awaitable[Found]]
    needs: Capability


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """The function behind a command. When it `moves_terms` of positions, a snapshot follows.

    One that `moves_money` is never sent again once it may have been sent, not even after a power failure. What may take
    long and need not be done in the account's turn is done before it, in `prepare`.
    """

    run: Callable[[Any, Adapter, VenueCalls], Awaitable[Done]]
    needs: Capability
    moves_terms: bool = False
    moves_money: bool = False
    prepare: Callable[[Any, Adapter, VenueCalls], AbstractAsyncContextManager[None]] | None = None


class Dispatch:
    """Runs handlers on the adapters of their accounts."""

    def __init__(self, adapter_of: Callable[[Account], Adapter]) -> None:
        self._adapter_of = adapter_of

    async def query(self, command: Command, handler: QueryHandler, calls: VenueCalls) -> Found | Refusal:
        """What a query found, or why not."""
        return await self._run(command, handler.run, handler.needs, calls)

    async def change(self, command: Command, handler: CommandHandler, calls: VenueCalls) -> Done | Refusal:
        """How a command ended. Raises Superseded."""
        return await self._run(command, handler.run, handler.needs, calls)

    @asynccontextmanager
    async def prepared(
        self, command: Command, handler: CommandHandler, calls: VenueCalls
    ) -> AsyncIterator[Refusal | None]:
        """What has to be waited for before a command's turn comes is there, or else why not."""
        async with AsyncExitStack() as stack:
            refused = None
            try:
                if handler.prepare is not None:
                    adapter = self._adapter(command.account, handler.needs)
                    await stack.enter_async_context(handler.prepare(command.request, adapter, calls))
            except (VenueError, Expired) as error:
                refused = refusal(error)
            yield refused

    def _adapter(self, account: Account, needs: Capability) -> Adapter:
        adapter = self._adapter_of(account)
        require(adapter, needs, account)
        return adapter

    async def _run(
        self,
        command: Command,
        run: Callable[[Any, Adapter, VenueCalls], Awaitable[T]],
        needs: Capability,
        calls: VenueCalls,
    ) -> T | Refusal:
        try:
            return await run(command.request, self._adapter(command.account, needs), calls)
        except (VenueError, Expired, Frozen) as error:
            return refusal(error)
        except Superseded:
            raise
        except Exception:  # The message boundary: no fault of a handler may take the worker down.
            log.exception("handler_failed", operation=command.operation.name)
            return fault(command.id, sent=calls.sent is not None)
