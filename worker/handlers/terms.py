"""Planning terms: what the symbols of an account have, what a document wants them to have, and what follows."""

import asyncio
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from schemas import ErrorCode
from schemas.base import Milliseconds
from schemas.requests import MarginMode
from schemas.terms import (
    DesiredTerms,
    LimitUse,
    PlanCost,
    PlannedPositionMode,
    PlannedRow,
    PlannedState,
    PlannedSymbol,
    TermsDocument,
    TermsNow,
    TermsPlan,
)
from worker.accounts.venues import Capability
from worker.handlers.plan import QueryPlan, QueryResult
from worker.handlers.terms_rules import (
    Forbids,
    NothingForbidden,
    OpenSymbols,
    guarded,
    guarded_mode,
    of_whole_account,
    refused,
)
from worker.messages.wire import encode
from worker.venues.port.adapter import Adapter, ChangeCost, MarginSettings, Market, ModeAddress, TermsOfMany
from worker.venues.port.errors import NotSupported, PreconditionFailed, UnknownSymbol, ValueRefused, VenueError

MODE_BY_SETTLE = frozenset({"bybit", "gate"})
"""Venues that keep a position mode for each settle currency, or switch it so (deploy/docs/MODES.md)."""

OPEN = "open"
EVERYTHING = "all"

MODE_NEEDS_NO_POSITION = frozenset({"binance", "gate"})
"""Venues that switch a symbol's margin mode only without a position (error codes -4048 and POSITION_HOLDING)."""

SETTINGS: Mapping[str, Capability] = MappingProxyType(
    {"margin_mode": Capability.MARGIN_MODE, "leverage": Capability.LEVERAGE}
)
"""What can be set of a symbol, in the order in which it is."""

CODES: Mapping[type[VenueError], ErrorCode] = MappingProxyType(
    {
        UnknownSymbol: ErrorCode.UNKNOWN_SYMBOL,
        NotSupported: ErrorCode.UNSUPPORTED,
        ValueRefused: ErrorCode.REJECTED,
        PreconditionFailed: ErrorCode.PRECONDITION_FAILED,
    }
)
"""Why a symbol can't be made as it is wanted, found out before anything is sent."""


@dataclass(frozen=True, slots=True)
class _Meant:
    """The markets that a document is about, and the symbols that are none."""

    markets: tuple[Market, ...]
    refused: tuple[PlannedSymbol, ...]


NOTHING_FORBIDDEN = NothingForbidden()


def plan_terms(request: TermsDocument, adapter: Adapter, forbids: Forbids = NOTHING_FORBIDDEN) -> QueryPlan[TermsPlan]:
    """What would have to change for an account to be as a document says."""
    return QueryPlan(lambda: planned(request, adapter, forbids), lambda plan: QueryResult(plan, message=in_words(plan)))


def in_words(plan: TermsPlan) -> str:
    """A plan in a line.

    >>> in_words(TermsPlan.model_construct(change=2, unchanged=1, impossible=0, unknown=0, symbols=(1, 2, 3)))
    '2 to change, 1 unchanged'
    """
    counts = {
        "to change": plan.change,
        "unchanged": plan.unchanged,
        "impossible": plan.impossible,
        "unknown": plan.unknown,
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "no symbols"


async def planned(document: TermsDocument, adapter: Adapter, forbids: Forbids) -> TermsPlan:
    """The plan of a document. Only reads. Raises VenueError where nothing can be told."""
    opened = OpenSymbols(document, adapter)
    meant = await _meant(document, adapter, opened)
    now = await adapter.terms_of_all(meant.markets) if meant.markets else {}
    held = await _held(document, adapter, meant.markets, now, opened)
    modes = await _planned_modes(document, adapter, meant.markets, opened)
    modes = tuple(guarded_mode(row, forbids) for row in modes)
    found = await asyncio.gather(
        *(_planned_symbol(document.wanted(one.symbol), one, now[one.symbol], adapter, held) for one in meant.markets)
    )
    rows = await guarded(of_whole_account(found, now), now, opened, forbids)
    symbols = tuple(sorted((*rows, *meant.refused), key=lambda row: row.symbol))
    states = [*(mode.state for mode in modes), *(row.state for row in symbols)]
    return TermsPlan(
        exchange=adapter.exchange,
        exchange_account_id=document.exchange_account_id,
        fingerprint=_fingerprint(document, (*modes, *symbols)),
        position_modes=modes,
        symbols=symbols,
        cost=_cost(symbols, {market.symbol: market for market in meant.markets}, adapter),
        **{str(state): states.count(state) for state in PlannedState},
    )


async def _meant(document: TermsDocument, adapter: Adapter, opened: OpenSymbols) -> _Meant:
    markets: dict[str, Market] = {}
    refused: list[PlannedSymbol] = []
    for symbol in document.symbols or ():
        try:
            markets[symbol] = adapter.market(symbol, document.market_type)
        except VenueError as error:
            refused.append(_impossible(symbol, None, document.wanted(symbol), error))
    for market in await _selected(document, adapter, opened):
        markets.setdefault(market.symbol, market)
    return _Meant(tuple(markets.values()), tuple(refused))


async def _selected(document: TermsDocument, adapter: Adapter, opened: OpenSymbols) -> Iterable[Market]:
    """The markets that are meant beside those that are named. Raises VenueError where open ones can't be told whole."""
    if document.select is None:
        return ()
    listed = adapter.listed(document.market_type)
    if document.select == EVERYTHING:
        return listed
    if document.select != OPEN:
        settle = document.select.split()[1]
        return (market for market in listed if market.settle == settle)
    open_ones = await opened.now()
    return (market for market in listed if market.symbol in open_ones)


async def _held(
    document: TermsDocument, adapter: Adapter, markets: Sequence[Market], now: TermsOfMany, opened: OpenSymbols
) -> frozenset[str]:
    """The symbols with an open position, where that stands in the way of a margin mode."""
    if adapter.exchange not in MODE_NEEDS_NO_POSITION:
        return frozenset()
    switched = (_wants_mode(document.wanted(market.symbol), now[market.symbol]) for market in markets)
    return await opened.now() if any(switched) else frozenset()


def _wants_mode(wanted: DesiredTerms, now: MarginSettings | VenueError) -> bool:
    mode: MarginMode | None = None if isinstance(now, VenueError) else now.margin_mode
    return wanted.margin_mode not in (None, mode)


async def _planned_modes(
    document: TermsDocument, adapter: Adapter, markets: Sequence[Market], opened: OpenSymbols
) -> tuple[PlannedPositionMode, ...]:
    """The position modes that a document wants: the account's, or that of each settle currency of its symbols."""
    if document.position_mode is None:
        return ()
    settles: list[str | None] = [None]
    if adapter.exchange in MODE_BY_SETTLE:
        meant = markets or adapter.listed(document.market_type)
        settles = [*sorted({market.settle for market in meant if not market.inverse or adapter.exchange == "gate"})]
    return tuple([await _planned_mode(document, adapter, settle, opened) for settle in settles])


async def _planned_mode(
    document: TermsDocument, adapter: Adapter, settle: str | None, opened: OpenSymbols
) -> PlannedPositionMode:
    wanted = document.position_mode
    assert wanted is not None  # noqa: S101 - only then are modes planned
    row = PlannedPositionMode(
        part=settle or document.exchange_account_id,
        settle=settle,
        state=PlannedState.UNCHANGED,
        now=None,
        then=wanted,
        changes=(),
    )
    try:
        if Capability.POSITION_MODE not in adapter.capabilities:
            raise NotSupported("this account has no position mode that could be set")
        read = await adapter.position_modes(ModeAddress(settle=settle))
        row = row.model_copy(update={"now": read.mode})
        if read.all_in(wanted):
            return row
        _require_nothing_open(await opened.now(), settle)
    except VenueError as error:
        return refused(row, _code_of(error), error.message)
    return row.model_copy(update={"state": PlannedState.CHANGE, "changes": ("position_mode",)})


def _require_nothing_open(held: Iterable[str], settle: str | None) -> None:
    """Raise PreconditionFailed that names what is open: nothing may be where a position mode is switched."""
    there = sorted(symbol for symbol in held if settle is None or symbol.partition(":")[2] == settle)
    if there:
        raise PreconditionFailed(f"close {', '.join(there)} before the position mode is switched")


async def _planned_symbol(
    wanted: DesiredTerms,
    market: Market,
    now: MarginSettings | VenueError,
    adapter: Adapter,
    held: frozenset[str],
) -> PlannedSymbol:
    if isinstance(now, NotSupported):  # there is nothing of the kind, which is no want of an answer
        return _impossible(market.symbol, None, wanted, now)
    shown = None if isinstance(now, VenueError) else _shown(now)
    changes = tuple(_changes(wanted, now))
    try:
        await _require_possible(wanted, changes, market, now, adapter)
    except VenueError as error:
        return _impossible(market.symbol, shown, wanted, error)
    if "margin_mode" in changes and market.symbol in held:
        return PlannedSymbol(
            symbol=market.symbol,
            state=PlannedState.IMPOSSIBLE,
            now=shown,
            then=wanted,
            changes=(),
            code=ErrorCode.PRECONDITION_FAILED,
            reason=f"{market.symbol} has an open position; close it before its margin mode is switched",
        )
    if isinstance(now, VenueError):
        state, reason = PlannedState.UNKNOWN, f"what it has now can't be read: {now.message}"
    else:
        state, reason = PlannedState.CHANGE if changes else PlannedState.UNCHANGED, None
    return PlannedSymbol(symbol=market.symbol, state=state, now=shown, then=wanted, changes=changes, reason=reason)


def _shown(now: MarginSettings) -> TermsNow:
    return TermsNow(leverage=now.leverage or None, margin_mode=now.margin_mode)


def _changes(wanted: DesiredTerms, now: MarginSettings | VenueError) -> Iterable[str]:
    """What is to be set, margin mode first: some venues keep a leverage for each mode."""
    if _wants_mode(wanted, now):
        yield "margin_mode"
    if wanted.leverage is not None and (isinstance(now, VenueError) or not now.all_at(wanted.leverage)):
        yield "leverage"


async def _require_possible(
    wanted: DesiredTerms, changes: Iterable[str], market: Market, now: MarginSettings | VenueError, adapter: Adapter
) -> None:
    """Raise what is known of a change to be refused, before it is sent."""
    for change in changes:
        if SETTINGS[change] not in adapter.capabilities:
            raise NotSupported(f"this account has no {change.replace('_', ' ')} that could be set")
    if "margin_mode" in changes and isinstance(now, MarginSettings) and now.mode_kept is not None:
        raise now.mode_kept
    if "leverage" in changes and wanted.leverage is not None:
        await adapter.check_leverage(market, wanted.leverage)


def _impossible(symbol: str, now: TermsNow | None, wanted: DesiredTerms, error: VenueError) -> PlannedSymbol:
    return PlannedSymbol(
        symbol=symbol,
        state=PlannedState.IMPOSSIBLE,
        now=now,
        then=wanted,
        changes=(),
        code=_code_of(error),
        reason=error.message,
    )


def _code_of(error: VenueError) -> ErrorCode:
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), ErrorCode.REJECTED)


def _fingerprint(document: TermsDocument, planned_rows: Sequence[PlannedRow]) -> str:
    """Stands for what is wanted, and what was in force when it was planned; not for what it costs."""
    rows = [[row.name, row.state, row.now, row.then, row.changes] for row in planned_rows]
    return hashlib.sha256(encode([document.exchange_account_id, document.market_type, rows])).hexdigest()


def _cost(symbols: Iterable[PlannedSymbol], markets: Mapping[str, Market], adapter: Adapter) -> PlanCost:
    costs = [adapter.cost_of(SETTINGS[change], markets[row.symbol]) for row in symbols for change in row.changes]
    limits = _summed(costs)
    return PlanCost(
        requests=sum(cost.requests for cost in costs),
        limits=limits,
        seconds=max((_waits_ms(use) for use in limits), default=0) / 1000,
    )


def _summed(costs: Iterable[ChangeCost]) -> tuple[LimitUse, ...]:
    found: dict[str, LimitUse] = {}
    for use in (use for cost in costs for use in cost.uses):
        weight = use.weight + (found[use.limit].weight if use.limit in found else 0)
        found[use.limit] = LimitUse(limit=use.limit, weight=weight, capacity=use.capacity, window_ms=use.window)
    return tuple(found.values())


def _waits_ms(use: LimitUse) -> Milliseconds:
    """How long it takes to have room for all of it: what fits a window goes at once."""
    return max(0, use.weight - 1) // use.capacity * use.window_ms
