"""From a command to its plan, through the plan, and from whatever that raises to what is told of it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial

import structlog

from schemas.guardrails import Guardrails
from worker.accounts.account import Account
from worker.accounts.venues import Capability
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.execution.errors import Expired, Frozen, GuardrailBroken, NotConfirmed, TakenOver
from worker.execution.failures import CommandFailure, fault, refusal
from worker.execution.guarding import Guard, GuardrailsOf, change_of, registered
from worker.execution.requests import Command
from worker.handlers.plan import Applied, CommandHandler, CommandPlan, QueryHandler, QueryResult
from worker.ledger.freezes import Freeze
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import NotSupported, VenueError

log = structlog.get_logger(__name__)


class Dispatch:
    """Carries out plans on the adapters of their accounts."""

    def __init__(self, adapter_of: Callable[[Account], Adapter], guardrails_of: GuardrailsOf = registered) -> None:
        self._adapter_of = adapter_of
        self._guard = Guard(guardrails_of)

    async def query(self, command: Command, handler: QueryHandler, calls: VenueCalls) -> QueryResult | CommandFailure:
        """What a query found, or why not."""
        try:
            adapter = self._adapter(command.account, handler.needs)
            told = (self._guard.of_plan(command),) if handler.is_guarded else ()
            plan = handler.plan(command.request, adapter, *told)
            return plan.present(await calls.query(plan.read))
        except (VenueError, Expired) as error:
            return refusal(error)
        except Exception:  # The message boundary: no fault of ours may take the worker down.
            log.exception("handler_failed", operation=command.operation.name)
            return fault(command.id, sent=False)

    def forbidden(self, command: Command) -> CommandFailure | None:
        """Why a command may not be carried out at all, by what guardrails say of its operation."""
        broken = self._guard.broken(command, change_of(command))
        return None if broken is None else refusal(broken)

    async def change(
        self, command: Command, handler: CommandHandler, calls: VenueCalls, freeze: Freeze | None = None
    ) -> Applied | CommandFailure:
        """How a command ended, which freeze and guardrails forbid where nothing of it was sent. Raises TakenOver."""
        try:
            if freeze is not None and not calls.interrupted:
                raise Frozen(freeze)
            passed = None if calls.interrupted else self._guard.require(command, calls)
            return await send_until_confirmed(self._planned(command, handler, calls, passed), calls)
        except (VenueError, Expired, Frozen, GuardrailBroken) as error:
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
        """The room at the venue that a command waits for before its turn is there, or else why not.

        What guardrails forbid waits for none.
        """
        async with AsyncExitStack() as stack:
            refused = None
            try:
                if handler.room is not None and self._guard.allows(command):
                    adapter = self._adapter(command.account, handler.needs)
                    await stack.enter_async_context(calls.holding(handler.room(command.request, adapter)))
            except (VenueError, Expired) as error:
                refused = refusal(error)
            yield refused

    def _planned(
        self, command: Command, handler: CommandHandler, calls: VenueCalls, passed: Guardrails | None
    ) -> CommandPlan:
        """The plan of a command. Raises NotConfirmed where there is none for what may have been sent already."""
        try:
            adapter = self._adapter(command.account, handler.needs)
            plan = handler.plan(command.request, adapter)
            return replace(plan, guard=partial(self._guard.require_at_venue, command, adapter, calls, passed))
        except VenueError as error:
            if not calls.interrupted:
                raise
            message = f"the worker that carried it out ended before it could tell, and it can't be read back: {error}"
            raise NotConfirmed(message) from error

    def _adapter(self, account: Account, needs: Capability) -> Adapter:
        """The adapter of an account. Raises NotSupported, saying why, unless it declares what is needed."""
        adapter = self._adapter_of(account)
        if needs not in adapter.capabilities:
            raise NotSupported(f"{_what(account)} has no {needs.replace('_', ' ')}{_remedy(needs, account)}")
        return adapter


def _what(account: Account) -> str:
    kind = "Portfolio Margin account" if account.portfolio_margin else "account"
    return f"the {account.exchange} {kind} {account.id}"


def _remedy(capability: Capability, account: Account) -> str:
    if capability is Capability.PORTFOLIO_MARGIN:
        return "; if it is a Binance Portfolio Margin account, register it with portfolio_margin = true"
    if capability is Capability.MARGIN_MODE and account.portfolio_margin:
        return ": all its positions are cross margined"
    return ""
