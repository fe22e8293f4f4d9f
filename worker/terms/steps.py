"""The commands that a plan is carried out by, each under an id that follows from the plan's command alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID, uuid5

from schemas import OPERATIONS
from schemas.base import Milliseconds
from schemas.requests import MarketType, SetLeverage, SetMarginMode, SetPositionMode
from schemas.terms import PlannedPositionMode, PlannedRow, PlannedSymbol
from worker.execution.requests import Command

STEP_IDS = UUID("b8a9f1f7-5a53-4a5d-9d5a-60d0f3d9c0a2")
"""The namespace of the ids of these commands (UUID version 5)."""


@dataclass(frozen=True, slots=True)
class TermsStep:
    """One setting of one symbol that is to be changed."""

    operation: str
    request: SetLeverage | SetMarginMode | SetPositionMode
    about: str

    def command(self, parent: Command, attempt: int, now: Milliseconds, timeout_ms: Milliseconds) -> Command:
        """The command that does it, for the n-th time: one that was never sent is tried under another id."""
        return Command(
            id=self.command_id(parent.id, attempt),
            operation=OPERATIONS[self.operation],
            request=self.request,
            account=parent.account,
            actor=parent.actor,
            received=now,
            deadline=now + timeout_ms,
            guardrails=parent.guardrails,
        )

    def command_id(self, parent: str, attempt: int) -> str:
        """The same whenever and by whichever worker it is made."""
        return str(uuid5(STEP_IDS, "/".join((parent, self.operation, self.about, str(attempt)))))


def steps_of(row: PlannedRow, account: str, market_type: MarketType) -> Iterator[TermsStep]:
    """What a symbol or a position mode takes, in the order in which it is set."""
    if isinstance(row, PlannedSymbol):
        yield from _of_symbol(row, account, market_type)
    else:
        yield from _of_mode(row, account)


def _of_mode(row: PlannedPositionMode, account: str) -> Iterator[TermsStep]:
    if row.changes:
        request = SetPositionMode(exchange_account_id=account, settle=row.settle, position_mode=row.then)
        yield TermsStep("set_position_mode", request, row.part)


def _of_symbol(row: PlannedSymbol, account: str, market_type: MarketType) -> Iterator[TermsStep]:
    about = {"exchange_account_id": account, "symbol": row.symbol, "market_type": market_type}
    for change in row.changes:
        if change == "margin_mode":
            yield TermsStep("set_margin_mode", SetMarginMode(**about, margin_mode=row.then.margin_mode), row.symbol)
        else:
            yield TermsStep("set_leverage", SetLeverage(**about, leverage=row.then.leverage), row.symbol)
