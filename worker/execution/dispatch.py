"""From a command to its plan, through the plan, and from whatever that raises to what is told of it.

Guardrails are kept here: those of its account as the registry has them now, and those of its sender's token.

    before its turn at the venue ─▶ the rules that speak of the command alone
    before each sending          ─▶ those again, and what a rule needs to know of the account, read at the venue

A command that was sent before is read back first; what is forbidden by then is not sent again, and stays in doubt.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import structlog

from schemas.guardrails import UNGUARDED
from schemas.requests import SymbolRequest
from worker.accounts.account import Account, Accounts
from worker.accounts.guardrails import Breach, Policy, WantedChange, breach_of, needs_position, stricter
from worker.accounts.venues import Capability
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.execution.errors import Expired, Frozen, GuardrailBroken, NotConfirmed, TakenOver
from worker.execution.failures import CommandFailure, fault, refusal
from worker.execution.requests import Command
from worker.handlers.plan import Applied, CommandHandler, CommandPlan, QueryHandler, QueryResult
from worker.ledger.freezes import Freeze
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import Ambiguous, NotSent, NotSupported, VenueError

log = structlog.get_logger(__name__)


class Passed(NamedTuple):
    """By what policy a command may go on, and of which edition of the registry that is."""

    policy: Policy
    edition: int


class Dispatch:
    """Carries out plans on the adapters of their accounts."""

    def __init__(self, adapter_of: Callable[[Account], Adapter], accounts: Accounts) -> None:
        self._adapter_of = adapter_of
        self._guard = Guard(accounts)

    async def query(self, command: Command, handler: QueryHandler, calls: VenueCalls) -> QueryResult | CommandFailure:
        """What a query found, or why not."""
        try:
            adapter = self._adapter(command.account, handler.needs)
            told = (GuardOfPlan(self._guard, command),) if handler.is_guarded else ()
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
                if handler.room is not None and self._guard.broken(command, change_of(command)) is None:
                    adapter = self._adapter(command.account, handler.needs)
                    await stack.enter_async_context(calls.holding(handler.room(command.request, adapter)))
            except (VenueError, Expired) as error:
                refused = refusal(error)
            yield refused

    def _planned(
        self, command: Command, handler: CommandHandler, calls: VenueCalls, passed: Passed | None
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


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks after the guardrails of commands."""

    accounts: Accounts

    def policy(self, command: Command) -> Policy:
        """What a command may do at most."""
        own = self.accounts.current(command.account).policy
        if command.guardrails is UNGUARDED:
            return own
        return Policy.of(stricter(own.guardrails, command.guardrails))

    def require(self, command: Command, calls: VenueCalls) -> Passed:
        """Let a command pass as far as guardrails speak of the command alone. Raises GuardrailBroken."""
        change, policy = change_of(command), self.policy(command)
        calls.policy = policy.version
        if breach := breach_of(policy.guardrails, change):
            raise self._broken(command, breach, change, None, policy)
        return Passed(policy, self.accounts.edition)

    async def require_at_venue(
        self, command: Command, adapter: Adapter, calls: VenueCalls, passed: Passed | None
    ) -> None:
        """The same, and what has to be known of the account is read. Raises GuardrailBroken, or NotSent if it can't.

        What a command has `passed` already holds until the registry is another.
        """
        if passed is None or passed.edition != self.accounts.edition:
            passed = self.require(command, calls)
        if passed.policy.guardrails.only_lower_while_open:
            await self._require_lower(command, adapter, calls, passed.policy)

    async def _require_lower(self, command: Command, adapter: Adapter, calls: VenueCalls, policy: Policy) -> None:
        """Let nothing pass that raises the leverage of an open position; that there is none has to be read first."""
        change, request = change_of(command), command.request
        if not needs_position(policy.guardrails, change) or not isinstance(request, SymbolRequest):
            return
        market = adapter.market(request.symbol, request.market_type)
        try:
            state = await calls.read(lambda: adapter.symbol_state(market))
        except Ambiguous as error:
            message = f"whether {market.symbol} has an open position can't be read: {error.message}"
            raise NotSent(message, venue_code=error.venue_code, raw=error.raw) from error
        open_at = None if state.side is None else state.terms.lowest
        if breach := breach_of(policy.guardrails, change, open_at=open_at):
            raise self._broken(command, breach, change, open_at, policy)

    def broken(self, command: Command, change: WantedChange, open_at: Decimal | None = None) -> GuardrailBroken | None:
        """What forbids a change to the sender of a command; `open_at` as `breach_of` has it."""
        policy = self.policy(command)
        breach = breach_of(policy.guardrails, change, open_at=open_at)
        return None if breach is None else self._broken(command, breach, change, open_at, policy)

    def _broken(
        self, command: Command, breach: Breach, change: WantedChange, open_at: Decimal | None, policy: Policy
    ) -> GuardrailBroken:
        if own := breach_of(self.accounts.current(command.account).guardrails, change, open_at=open_at):
            return GuardrailBroken(own, f"the account {command.account.id}", policy.version)
        return GuardrailBroken(breach, "the token", policy.version)


@dataclass(frozen=True, slots=True)
class GuardOfPlan:
    """Judges what a plan would change as the commands that carry it out will be judged."""

    guard: Guard
    command: Command

    def needs_position(self, change: WantedChange) -> bool:
        """Whether it has to be known if the market has an open position."""
        return needs_position(self.guard.policy(self.command).guardrails, change)

    def reason(self, change: WantedChange, open_at: Decimal | None = None) -> str | None:
        """Why a change is forbidden, if it is."""
        broken = self.guard.broken(self.command, change, open_at)
        return None if broken is None else broken.why


def change_of(command: Command) -> WantedChange:
    """What a command is to change."""
    request = command.request
    return WantedChange(
        command.operation.name,
        getattr(request, "symbol", None),
        getattr(request, "leverage", None),
        getattr(request, "margin_mode", None),
    )


def _what(account: Account) -> str:
    kind = "Portfolio Margin account" if account.portfolio_margin else "account"
    return f"the {account.exchange} {kind} {account.id}"


def _remedy(capability: Capability, account: Account) -> str:
    if capability is Capability.PORTFOLIO_MARGIN:
        return "; if it is a Binance Portfolio Margin account, register it with portfolio_margin = true"
    if capability is Capability.MARGIN_MODE and account.portfolio_margin:
        return ": all its positions are cross margined"
    return ""
