"""Guardrails of a command: those of its account as the registry has them now, and those of its sender's token.

    before its turn at the venue ─▶ the rules that speak of the command alone
    before each sending          ─▶ those again, and what a rule needs to know of the account, read at the venue

A command that was sent before is read back first; what is forbidden by then is not sent again, and stays in doubt.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from schemas.guardrails import UNGUARDED, Guardrails
from schemas.requests import SymbolRequest
from worker.accounts.account import Account
from worker.accounts.guardrails import Breach, WantedChange, breach_of, needs_position, stricter, version_of
from worker.execution.calls import VenueCalls
from worker.execution.errors import GuardrailBroken
from worker.execution.requests import Command
from worker.venues.port.adapter import Adapter
from worker.venues.port.errors import Ambiguous, NotSent

GuardrailsOf = Callable[[Account], Guardrails]
"""What commands of an account may do at most, as it is registered now."""


def registered(account: Account) -> Guardrails:
    """Those that an account was read with."""
    return account.guardrails


@dataclass(frozen=True, slots=True)
class Guard:
    """Looks after the guardrails of commands."""

    guardrails_of: GuardrailsOf

    def policy(self, command: Command) -> Guardrails:
        """What a command may do at most."""
        own = self.guardrails_of(command.account)
        return own if command.guardrails is UNGUARDED else stricter(own, command.guardrails)

    def allows(self, command: Command) -> bool:
        """Whether what speaks of the command alone lets it pass."""
        return breach_of(self.policy(command), change_of(command)) is None

    def broken(self, command: Command, change: WantedChange, open_at: Decimal | None = None) -> GuardrailBroken | None:
        """What forbids a change to the sender of a command; `open_at` as `breach_of` has it."""
        policy = self.policy(command)
        breach = breach_of(policy, change, open_at=open_at)
        return None if breach is None else self._broken(command, breach, change, open_at, version_of(policy))

    def of_plan(self, command: Command) -> "GuardOfPlan":
        """What judges the changes that a plan of this command's sender names."""
        return GuardOfPlan(self, command)

    def require(self, command: Command, calls: VenueCalls) -> Guardrails:
        """The policy that lets a command pass as far as it speaks of the command alone. Raises GuardrailBroken."""
        policy = self.policy(command)
        calls.policy = version_of(policy)
        self._require(command, policy)
        return policy

    async def require_at_venue(
        self, command: Command, adapter: Adapter, calls: VenueCalls, passed: Guardrails | None
    ) -> None:
        """The same, and what has to be known of the account is read. Raises GuardrailBroken, or NotSent if it can't.

        A policy that is still the one which the command has `passed` already is not asked again of the command alone.
        """
        policy = self.policy(command)
        if policy is not passed:
            policy = self.require(command, calls)
        if not policy.only_lower_while_open:
            return  # of the account nothing has to be known
        if not needs_position(policy, change_of(command)) or not isinstance(command.request, SymbolRequest):
            return
        market = adapter.market(command.request.symbol, command.request.market_type)
        try:
            state = await calls.read(lambda: adapter.symbol_state(market))
        except Ambiguous as error:
            message = f"whether {market.symbol} has an open position can't be read: {error.message}"
            raise NotSent(message, venue_code=error.venue_code, raw=error.raw) from error
        if state.side is not None:
            self._require(command, policy, state.terms.lowest)

    def _require(self, command: Command, policy: Guardrails, open_at: Decimal | None = None) -> None:
        change = change_of(command)
        if breach := breach_of(policy, change, open_at=open_at):
            raise self._broken(command, breach, change, open_at, version_of(policy))

    def _broken(
        self, command: Command, breach: Breach, change: WantedChange, open_at: Decimal | None, policy: str
    ) -> GuardrailBroken:
        if own := breach_of(self.guardrails_of(command.account), change, open_at=open_at):
            return GuardrailBroken(own, f"the account {command.account.id}", policy)
        return GuardrailBroken(breach, "the token", policy)


@dataclass(frozen=True, slots=True)
class GuardOfPlan:
    """Judges what a plan would change as the commands that carry it out will be judged."""

    guard: Guard
    command: Command

    def needs_position(self, change: WantedChange) -> bool:
        """Whether it has to be known if the market has an open position."""
        return needs_position(self.guard.policy(self.command), change)

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
