"""From a command to its plan, through the plan, and from whatever that raises to what is told of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from worker.accounts.account import Account
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.execution.errors import Expired, Frozen, NotConfirmed, TakenOver
from worker.execution.failures import CommandFailure, fault, refusal
from worker.execution.requests import Command
from worker.handlers.plan import Applied, CommandHandler, CommandPlan, QueryHandler, QueryResult
from worker.venues.port.adapter import Adapter, Capability
from worker.venues.port.errors import NotSupported, VenueError

log = structlog.get_logger(__name__)


class Dispatch:
    """Carries out plans on the adapters of their accounts."""

    def __init__(self, adapter_of: Callable[[Account], Adapter]) -> None:
        self._adapter_of = adapter_of

    async def query(self, command: Command, handler: QueryHandler, calls: VenueCalls) -> QueryResult | CommandFailure:
        """What a query found, or why not."""
        try:
            plan = handler.plan(command.request, self._adapter(command.account, handler.needs))
            return plan.present(await calls.query(plan.read))
        except (VenueError, Expired) as error:
            return refusal(error)
        except Exception:  # The message boundary: no fault of ours may take the worker down.
            log.exception("handler_failed", operation=command.operation.name)
            return fault(command.id, sent=False)

    async def change(self, command: Command, handler: CommandHandler, calls: VenueCalls) -> Applied | CommandFailure:
        """How a command ended. Raises TakenOver."""
        try:
            return await send_until_confirmed(self._planned(command, handler, calls), calls)
        except (VenueError, Expired, Frozen) as error:
            return refusal(error)
        except TakenOver:
            raise
        except Exception:  # The message boundary: no fault of ours may take the worker down.
            log.exception("handler_failed", operation=command.operation.name)
            return fault(command.id, sent=calls.sent is not None)

    @asynccontextmanager
    async def room(
        self, command: Command, handler: CommandHandler, calls: VenueCalls
    ) -> AsyncIterator[CommandFailure | None]:
        """The room at the venue that a command waits for before its turn is there, or else why not."""
        async with AsyncExitStack() as stack:
            refused = None
            try:
                if handler.room is not None:
                    adapter = self._adapter(command.account, handler.needs)
                    await stack.enter_async_context(calls.holding(handler.room(command.request, adapter)))
            except (VenueError, Expired) as error:
                refused = refusal(error)
            yield refused

    def _planned(self, command: Command, handler: CommandHandler, calls: VenueCalls) -> CommandPlan:
        """The plan of a command. Raises NotConfirmed where there is none for what may have been sent already."""
        try:
            return handler.plan(command.request, self._adapter(command.account, handler.needs))
        except VenueError as error:
            if not calls.interrupted:
                raise
            message = f"the worker that carried it out ended before it could tell, and it can't be read back: {error}"
            raise NotConfirmed(message) from error

    def _adapter(self, account: Account, needs: Capability) -> Adapter:
        adapter = self._adapter_of(account)
        require(adapter, needs, account)
        return adapter


def require(adapter: Adapter, capability: Capability, account: Account) -> None:
    """Raise NotSupported, saying why, unless the adapter declares the capability for its account."""
    if capability in adapter.capabilities:
        return
    raise NotSupported(f"{_what(account)} has no {capability.replace('_', ' ')}{_remedy(capability, account)}")


def _what(account: Account) -> str:
    kind = "Portfolio Margin account" if account.portfolio_margin else "account"
    return f"the {account.exchange} {kind} {account.id}"


def _remedy(capability: Capability, account: Account) -> str:
    if capability is Capability.PORTFOLIO_MARGIN:
        return "; if it is a Binance Portfolio Margin account, register it with portfolio_margin = true"
    if capability is Capability.MARGIN_MODE and account.portfolio_margin:
        return ": all its positions are cross margined"
    return ""
