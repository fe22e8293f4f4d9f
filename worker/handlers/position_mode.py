"""Reading position modes, and switching between one-way and hedge mode."""

from functools import partial

from schemas import Outcome
from schemas.outcomes import Scope
from schemas.replies import PositionModes, PositionModeSet
from schemas.requests import GetPositionMode, PositionModeRequest, SetPositionMode
from worker.handlers.plan import Applied, CommandPlan, Confirmed, QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, ModeAddress, PositionModesRead


def get_position_mode(request: GetPositionMode, adapter: Adapter) -> QueryPlan[PositionModesRead]:
    """The position modes of an account, or of what the request names."""

    def present(read: PositionModesRead) -> QueryResult:
        return QueryResult(
            PositionModes(
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                position_mode=read.mode,
                expected=adapter.expected_position_mode,
                parts=read.parts,
            )
        )

    return QueryPlan(partial(adapter.position_modes, _address(request, adapter)), present)


def set_position_mode(request: SetPositionMode, adapter: Adapter) -> CommandPlan:
    """Switch a position mode; confirmed by reading it back where the venue echoes nothing."""
    address, mode = _address(request, adapter), request.position_mode

    def present(confirmed: Confirmed) -> Applied:
        part = _part(request, address, confirmed.scope)
        verb = "is" if confirmed.outcome is Outcome.UNCHANGED else "set to"
        note = f"; {confirmed.note}" if confirmed.note else ""
        return Applied(
            message=f"Position mode {verb} {mode} for {part} (scope: {confirmed.scope}{note})",
            data=PositionModeSet(
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                position_mode=mode,
                scope=confirmed.scope,
                part=part,
                result=confirmed.answer,
            ),
            applied={"position_mode": mode, "part": part},
            confirmed=confirmed,
        )

    return CommandPlan(
        send=partial(adapter.set_position_mode, address, mode),
        echoed=lambda echo: echo.position_mode is mode,
        read_back=partial(adapter.position_modes, address),
        shown=lambda read: read.all_in(mode),
        present=present,
    )


def _address(request: PositionModeRequest, adapter: Adapter) -> ModeAddress:
    """Whose mode is meant. Raises UnknownSymbol."""
    market = adapter.market(request.symbol, request.market_type) if request.symbol else None
    return ModeAddress(market, request.settle)


def _part(request: PositionModeRequest, address: ModeAddress, scope: Scope) -> str:
    """What a change has reached, by its name."""
    settle = address.market.settle if address.market else request.settle
    names = {Scope.SYMBOL: request.symbol, Scope.SETTLE: settle}
    return names.get(scope) or request.exchange_account_id
