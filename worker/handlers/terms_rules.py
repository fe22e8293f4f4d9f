"""What is known of a plan's changes before they are sent: what is open, what guardrails forbid, what reaches further.

What one of these finds makes a row impossible, so that nothing is sent for it.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Protocol, TypeVar

from schemas import ErrorCode
from schemas.outcomes import Scope
from schemas.requests import MarginMode
from schemas.terms import PlannedPositionMode, PlannedState, PlannedSymbol, TermsDocument
from worker.accounts.guardrails import WantedChange
from worker.venues.port.adapter import Adapter, MarginSettings, TermsOfMany
from worker.venues.port.errors import NotSupported, VenueError

Row = TypeVar("Row", PlannedSymbol, PlannedPositionMode)


class Forbids(Protocol):
    """Knows what guardrails forbid."""

    def needs_position(self, change: WantedChange) -> bool:
        """Whether it has to be known if the market has an open position."""

    def reason(self, change: WantedChange, open_at: Decimal | None = None) -> str | None:
        """Why a change is forbidden, if it is; `open_at` is the lowest leverage of an open position."""


class NothingForbidden:
    """Where there are no guardrails."""

    def needs_position(self, change: WantedChange) -> bool:
        """Nothing has to be known."""
        return False

    def reason(self, change: WantedChange, open_at: Decimal | None = None) -> str | None:
        """Nothing is forbidden."""


class OpenSymbols:
    """The symbols of an account with an open position, read once for a plan and only if it has to be known."""

    def __init__(self, document: TermsDocument, adapter: Adapter) -> None:
        self._document = document
        self._adapter = adapter
        self._found: frozenset[str] | None = None

    async def now(self) -> frozenset[str]:
        """Those symbols. Raises VenueError where they can't be told whole."""
        if self._found is None:
            self._found = await self._read()
        return self._found

    async def _read(self) -> frozenset[str]:
        found = await self._adapter.positions(self._document.market_type)
        if unread := next((part for part in found.parts if part.unread), None):
            # what is not seen to be open would be left out of the plan, and nobody would know
            raise NotSupported(f"which positions are open can't be told whole: {unread.name}: {unread.unread}")
        return frozenset(position.symbol for position in found.positions)


def refused(row: Row, code: ErrorCode, reason: str) -> Row:
    """The same row, of which nothing can be set."""
    return row.model_copy(
        update={"state": PlannedState.IMPOSSIBLE, "changes": (), "code": code, "reason": reason},
    )


async def guarded(
    rows: Sequence[PlannedSymbol], now: TermsOfMany, opened: OpenSymbols, forbids: Forbids
) -> list[PlannedSymbol]:
    """The rows of symbols, impossible where guardrails forbid one of their changes. Raises VenueError."""
    wanted = [wanted_change(row, change) for row in rows for change in row.changes]
    held = await opened.now() if any(map(forbids.needs_position, wanted)) else frozenset()

    def open_at(symbol: str) -> Decimal | None:
        told = now.get(symbol)
        return told.lowest if symbol in held and isinstance(told, MarginSettings) else None

    return [_judged(row, partial(forbids.reason, open_at=open_at(row.symbol))) for row in rows]


def guarded_mode(row: PlannedPositionMode, forbids: Forbids) -> PlannedPositionMode:
    """The row of a position mode, impossible where guardrails forbid it."""
    return _judged(row, forbids.reason)


def _judged(row: Row, reason_of: Callable[[WantedChange], str | None]) -> Row:
    for change in row.changes:
        if reason := reason_of(wanted_change(row, change)):
            return refused(row, ErrorCode.GUARDRAIL, reason)
    return row


def wanted_change(row: PlannedSymbol | PlannedPositionMode, change: str) -> WantedChange:
    """A change of a row as guardrails know changes."""
    if isinstance(row, PlannedPositionMode):
        return WantedChange("set_position_mode")
    if change == "leverage":
        return WantedChange("set_leverage", row.symbol, leverage=row.then.leverage)
    return WantedChange("set_margin_mode", row.symbol, margin_mode=row.then.margin_mode)


def of_whole_account(rows: Sequence[PlannedSymbol], now: TermsOfMany) -> list[PlannedSymbol]:
    """The rows of symbols whose account has one margin mode: a document can want one for all of them only."""
    meant = {row.symbol: mode for row in rows if (mode := row.then.margin_mode) and _is_shared(now.get(row.symbol))}
    contradiction = _contradiction(meant)
    return [_of_account(row, contradiction) if row.symbol in meant else row for row in rows]


def _is_shared(now: MarginSettings | VenueError | None) -> bool:
    return isinstance(now, MarginSettings) and now.mode_scope is Scope.ACCOUNT


def _contradiction(meant: Mapping[str, MarginMode]) -> str | None:
    """Why margin modes that are wanted can't be had together."""
    first: dict[MarginMode, str] = {}
    for symbol, mode in meant.items():
        first.setdefault(mode, symbol)
    if len(first) < 2:
        return None
    told = " and ".join(f"{mode} for {symbol}" for mode, symbol in first.items())
    return f"the account has one margin mode for all its symbols, and this wants {told}: name one, in defaults"


def _of_account(row: PlannedSymbol, contradiction: str | None) -> PlannedSymbol:
    if contradiction is not None and row.state is not PlannedState.IMPOSSIBLE:
        return refused(row, ErrorCode.REJECTED, contradiction)
    if "margin_mode" in row.changes:
        return row.model_copy(update={"reason": "the whole account is switched, with the symbols that are not named"})
    return row
