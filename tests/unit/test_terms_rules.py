"""What a plan knows of changes that reach further than their symbol."""

from decimal import Decimal

from schemas.outcomes import Scope
from schemas.requests import MarginMode
from schemas.terms import DesiredTerms, PlannedState, PlannedSymbol
from worker.handlers.terms_rules import of_whole_account
from worker.venues.port.adapter import MarginSettings, TermsOfMany

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED


def row(symbol: str, mode: MarginMode | None, *, changes: tuple[str, ...] = ()) -> PlannedSymbol:
    state = PlannedState.CHANGE if changes else PlannedState.UNCHANGED
    wanted = DesiredTerms(margin_mode=mode)
    return PlannedSymbol(symbol=symbol, state=state, now=None, then=wanted, changes=changes)


def of(scope: Scope, *symbols: str) -> TermsOfMany:
    return {symbol: MarginSettings(Decimal(5), CROSS, mode_scope=scope) for symbol in symbols}


def test_two_margin_modes_of_one_account_are_both_impossible_be_one_so_already_or_not() -> None:
    rows = [row("A", CROSS), row("B", ISOLATED, changes=("margin_mode",)), row("C", None)]
    found = of_whole_account(rows, of(Scope.ACCOUNT, "A", "B", "C"))
    assert [one.state for one in found] == [PlannedState.IMPOSSIBLE, PlannedState.IMPOSSIBLE, PlannedState.UNCHANGED]
    assert found[0].reason == found[1].reason
    assert "cross for A and isolated for B" in str(found[0].reason)
    assert found[1].changes == ()


def test_one_margin_mode_of_an_account_is_planned_and_says_that_all_of_it_is_switched() -> None:
    rows = [row("A", ISOLATED, changes=("margin_mode",)), row("B", ISOLATED, changes=("margin_mode",)), row("C", None)]
    found = of_whole_account(rows, of(Scope.ACCOUNT, "A", "B", "C"))
    assert [one.state for one in found] == [PlannedState.CHANGE, PlannedState.CHANGE, PlannedState.UNCHANGED]
    assert [bool(one.reason) for one in found] == [True, True, False]


def test_symbols_with_a_margin_mode_of_their_own_may_have_any() -> None:
    rows = [row("A", CROSS), row("B", ISOLATED, changes=("margin_mode",))]
    assert of_whole_account(rows, of(Scope.SYMBOL, "A", "B")) == rows
