"""Switching between cross and isolated margin."""

from functools import partial
from typing import Any

from schemas import Outcome
from schemas.outcomes import Scope
from schemas.replies import MarginModeSet
from schemas.requests import SetMarginMode
from worker.handlers.plan import Applied, CommandPlan, Confirmed
from worker.venues.port.adapter import Adapter


def set_margin_mode(request: SetMarginMode, adapter: Adapter) -> CommandPlan:
    """Switch the margin mode of a market; confirmed by reading it back where the venue echoes nothing."""
    market, mode = adapter.market(request.symbol, request.market_type), request.margin_mode

    def present(confirmed: Confirmed) -> Applied:
        verb = "is" if confirmed.outcome is Outcome.UNCHANGED else "set to"
        return Applied(
            message=f"Margin mode {verb} {mode} for {market.symbol}{_remarks(confirmed)}",
            data=MarginModeSet(
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                symbol=market.symbol,
                margin_mode=mode,
                result=_result(confirmed),
            ),
            applied={"symbol": market.symbol, "margin_mode": mode},
            confirmed=confirmed,
        )

    return CommandPlan(
        send=partial(adapter.set_margin_mode, market, mode),
        echoed=lambda echo: echo.margin_mode is mode,
        read_back=partial(adapter.terms, market),
        shown=lambda terms: terms.margin_mode is mode,
        present=present,
    )


def _remarks(confirmed: Confirmed) -> str:
    """What a reader of the message must know: a wider reach than the symbol, another meaning than usual."""
    scope = "scope: account" if confirmed.scope is Scope.ACCOUNT else None
    remarks = "; ".join(filter(None, (scope, confirmed.note)))
    return f" ({remarks})" if remarks else ""


def _result(confirmed: Confirmed) -> dict[str, Any]:
    """The venue's answer, with the scope where it is wider than the symbol."""
    scope = {"scope": confirmed.scope.value} if confirmed.scope is Scope.ACCOUNT else {}
    return confirmed.answer | scope
