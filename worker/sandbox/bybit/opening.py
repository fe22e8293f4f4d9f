"""Making accounts from seeds, at the start and on request, and changing them behind their owners' backs."""

from dataclasses import replace
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import Milliseconds
from worker.sandbox.bybit.account import (
    CLASSIC,
    UNIFIED_2,
    BybitAccountState,
    BybitMarginMode,
    BybitOpenPosition,
    BybitTerms,
    Index,
    Reason,
)
from worker.sandbox.bybit.contracts import LINEAR, BybitContract, BybitExchangeState
from worker.sandbox.bybit.records import BybitFill, FundingPayment, Profit
from worker.sandbox.bybit.seeded_history import funding, profits
from worker.sandbox.bybit.seeds import FIRST_UPDATE, BybitSeedAccount, BybitSeedPosition
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.clock import DAY, MINUTE
from worker.sandbox.server.venue import ControlRefused

DELIVERY_OF_SEEDS = "-CURRENT"
POSITION_WORTH = Decimal(500)
"""What each position of an account opened on request is worth at least, in USDT or USDC."""


Status = Annotated[int, Field(ge=CLASSIC, le=6)]


class NewBybitAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long positions in as many linear contracts."""

    status: Status = UNIFIED_2
    hedged: bool = False
    margin_mode: BybitMarginMode = BybitMarginMode.REGULAR
    open_positions: Annotated[int, Field(ge=0)] = 0
    with_history: bool = False


class BybitPositionChange(ControlContent):
    """A position to open or replace, negative for a short one; a size of 0 closes it.

    `cause` is what the execution is that changes it: a trade, a liquidation (BustTrade), or an auto-deleveraging.
    """

    symbol: str
    size: Decimal
    entry_price: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    index: Index = Index.ONE_WAY
    status: Literal["Normal", "Liq", "Adl"] = "Normal"
    cause: Literal["Trade", "BustTrade", "AdlTrade", "Settle", "Delivery"] = "Trade"


class BybitTermsChange(ControlContent):
    """Leverage of both sides, and a classic account's margin mode, of a symbol."""

    buy: Annotated[Decimal, Field(ge=1)] = Decimal(10)
    sell: Annotated[Decimal, Field(ge=1)] = Decimal(10)
    isolated: bool = False


class BybitKeyChange(ControlContent):
    """What to change of the key. One that is bound to `*` expires, after `days_left`."""

    read_only: bool | None = None
    contract_trade: tuple[str, ...] | None = None
    derivatives: tuple[str, ...] | None = None
    wallet: tuple[str, ...] | None = None
    ips: tuple[str, ...] | None = None
    days_left: Annotated[int | None, Field(ge=0)] = None


class BybitLogRecord(ControlContent):
    """A record for the transaction log, `age_ms` old: of any `type`, known or not. A new one moves the wallet."""

    type: str
    symbol: str
    age_ms: Annotated[Milliseconds, Field(ge=0)] = 0
    funding: Decimal | None = None
    cash_flow: Decimal = Decimal(0)
    id: str = "592324_XRPUSDT_161440249321"


class BybitProfitRecord(ControlContent):
    """A closed profit, made `age_ms` ago and updated `updated_ms` after that."""

    symbol: str
    amount: Decimal
    order_id: str = "5a373bfe-188d-4913-9c81-d57ab5be8068"
    age_ms: Annotated[Milliseconds, Field(ge=0)] = 0
    updated_ms: Annotated[Milliseconds, Field(ge=0)] = 0


class BybitAccountChange(ControlContent):
    """What to change of an account; what is left out stays. `reasons` refuse a switch of margin mode, by code.

    `hedged` is for accounts with nothing open once the positions are changed; `open_orders` counts orders by symbol.
    What is older than `upgraded` is told by the pre-upgrade endpoints alone. `records` and `profits` are added to the
    history. The position list shows a change of terms `lag_ms` late. `paid_in` is by coin, negative where it is taken
    away. With `pushes_leverage` streams tell of a bare change of leverage.
    """

    status: Status | None = None
    hedged: bool | None = None
    open_orders: dict[str, int] = Field(default_factory=dict)
    key: BybitKeyChange = BybitKeyChange()
    margin_mode: BybitMarginMode | None = None
    reasons: dict[str, str] | None = None
    positions: tuple[BybitPositionChange, ...] = ()
    terms: dict[str, BybitTermsChange] = Field(default_factory=dict)
    upgraded: Annotated[Milliseconds | None, Field(ge=0)] = None
    lag_ms: Annotated[Milliseconds | None, Field(ge=0)] = None
    paid_in: dict[str, Decimal] = Field(default_factory=dict)
    pushes_leverage: bool | None = None
    records: tuple[BybitLogRecord, ...] = ()
    profits: tuple[BybitProfitRecord, ...] = ()


def requested_seed(exchange: BybitExchangeState, request: NewBybitAccount) -> BybitSeedAccount:
    """The seed of an account asked for on request. Raises ControlRefused if there are too few contracts."""
    perpetuals = [contract for contract in exchange.listed_in(LINEAR) if contract.perpetual and contract.traded]
    if request.status == CLASSIC:
        perpetuals = [contract for contract in perpetuals if contract.settle == "USDT"]
    if request.open_positions > len(perpetuals):
        raise ControlRefused(f"there are {len(perpetuals)} linear perpetual contracts, no more positions can be open")
    return BybitSeedAccount(
        id=request.id,
        status=request.status,
        margin_mode=request.margin_mode,
        hedged=request.hedged,
        wallet={"USDT": Decimal(1_000_000), "USDC": Decimal(10_000), "BTC": Decimal(10)},
        positions=tuple(_position(contract, request.hedged) for contract in perpetuals[: request.open_positions]),
        with_history=request.with_history,
    )


def _position(contract: BybitContract, hedged: bool) -> BybitSeedPosition:
    steps = (POSITION_WORTH / contract.mark_price / contract.step).to_integral_value() + 1
    index = Index.BUY if hedged and contract.settle == "USDT" else Index.ONE_WAY
    return BybitSeedPosition(contract.symbol, steps * contract.step, contract.mark_price * Decimal("0.99"), index)


def state_of(seed: BybitSeedAccount, exchange: BybitExchangeState) -> BybitAccountState:
    """An account as its seed describes it. Accounts opened in the same minute share their (immutable) history."""
    now = exchange.clock.now() // MINUTE * MINUTE
    contracts = tuple(exchange.contracts.values())
    upgraded = 0 if seed.upgraded_days is None else now - seed.upgraded_days * DAY
    state = BybitAccountState(
        id=seed.id,
        status=seed.status,
        margin_mode=seed.margin_mode,
        hedged=seed.hedged,
        wallet=dict(seed.wallet),
        terms={_listed(exchange, symbol).symbol: replace(terms) for symbol, terms in seed.terms.items()},
        funding=funding(now, contracts) if seed.with_history else (),
        profits=profits(now, contracts) if seed.with_history else (),
        upgraded=upgraded,
        updated=max(FIRST_UPDATE, upgraded),
    )
    for position in seed.positions:
        contract = _listed(exchange, position.symbol)
        state.hold(_open(contract, position.size, position.entry_price, position.index, FIRST_UPDATE))
    return state


def _open(
    contract: BybitContract, size: Decimal, entry_price: Decimal, index: Index, updated: int, *, status: str = "Normal"
) -> BybitOpenPosition:
    return BybitOpenPosition(
        contract=contract,
        index=index,
        side="Buy" if size > 0 else "Sell",
        size=abs(size),
        entry_price=entry_price,
        updated=updated,
        status=status,
    )


def _listed(exchange: BybitExchangeState, symbol: str) -> BybitContract:
    pair = symbol.removesuffix(DELIVERY_OF_SEEDS)
    if pair != symbol:
        return next(
            contract
            for contract in exchange.contracts.values()
            if not contract.perpetual and contract.symbol.startswith(pair)
        )
    if (contract := exchange.contracts.get(symbol)) is None:
        raise ControlRefused(f"{symbol} is not listed")
    return contract


def change(account: BybitAccountState, exchange: BybitExchangeState, wanted: BybitAccountChange) -> None:
    """Change an account. Raises ControlRefused for a symbol that isn't listed."""
    account.status = wanted.status or account.status
    account.margin_mode = wanted.margin_mode or account.margin_mode
    account.key = replace(account.key, **wanted.key.model_dump(exclude_none=True))
    if wanted.reasons is not None:
        account.reasons = tuple(Reason(code, message) for code, message in wanted.reasons.items())
    for symbol, terms in wanted.terms.items():
        account.terms[_listed(exchange, symbol).symbol] = BybitTerms(terms.buy, terms.sell, terms.isolated)
    for row in wanted.positions:
        _trade(account, _listed(exchange, row.symbol), row, exchange.clock.now())
    for coin, amount in wanted.paid_in.items():
        account.wallet[coin] = account.wallet.get(coin, Decimal(0)) + amount
    if wanted.pushes_leverage is not None:
        account.pushes_leverage = wanted.pushes_leverage
    account.open_orders.update({_listed(exchange, name).symbol: count for name, count in wanted.open_orders.items()})
    if wanted.hedged is not None:
        _change_mode(account, wanted.hedged)
    if wanted.upgraded is not None:
        account.upgraded, account.updated = wanted.upgraded, max(account.updated, wanted.upgraded)
    account.lag_ms = account.lag_ms if wanted.lag_ms is None else wanted.lag_ms
    _record(account, exchange, wanted)


def _trade(account: BybitAccountState, contract: BybitContract, row: BybitPositionChange, now: Milliseconds) -> None:
    """Hold what is wanted, by an execution of what it differs by; its price is the entry price, or the mark price."""
    held = account.positions.get((contract.symbol, row.index))
    before = Decimal(0) if held is None else held.size if held.side == "Buy" else -held.size
    account.hold(_open(contract, row.size, row.entry_price, row.index, now, status=row.status))
    if traded := row.size - before:
        fill = BybitFill(
            id=f"{now:012x}-{len(account.fills):04x}",
            symbol=contract.symbol,
            category=contract.category,
            side="Buy" if traded > 0 else "Sell",
            size=abs(traded),
            price=row.entry_price if row.size else contract.mark_price,
            closed=min(abs(traded), abs(before)) if before * traded < 0 else Decimal(0),
            type=row.cause,
            time=now,
        )
        account.fills += (fill,)


def _record(account: BybitAccountState, exchange: BybitExchangeState, wanted: BybitAccountChange) -> None:
    now = exchange.clock.now()
    logged = [_logged(_listed(exchange, row.symbol), row, now) for row in wanted.records]
    for row in logged:
        if row.time == now:
            moved = row.cash_flow + (row.amount or Decimal(0))
            account.wallet[row.currency] = account.wallet.get(row.currency, Decimal(0)) + moved
    account.funding = tuple(sorted((*account.funding, *logged), key=lambda row: (row.time, row.id)))
    closed = [_closed(_listed(exchange, row.symbol), row, now) for row in wanted.profits]
    account.profits = tuple(sorted((*account.profits, *closed), key=lambda row: (row.created, row.order_id)))


def _logged(contract: BybitContract, row: BybitLogRecord, now: Milliseconds) -> FundingPayment:
    return FundingPayment(
        id=row.id,
        symbol=contract.symbol,
        category=contract.category,
        currency=contract.settle,
        amount=row.funding,
        time=now - row.age_ms,
        type=row.type,
        cash_flow=row.cash_flow,
    )


def _closed(contract: BybitContract, row: BybitProfitRecord, now: Milliseconds) -> Profit:
    value = contract.value(contract.step, contract.mark_price)
    return Profit(
        order_id=row.order_id,
        symbol=contract.symbol,
        category=contract.category,
        side="Sell",
        size=contract.step,
        entry_price=contract.mark_price,
        exit_price=contract.mark_price,
        entry_value=value,
        exit_value=value,
        amount=row.amount,
        created=now - row.age_ms,
        updated=now - row.age_ms + row.updated_ms,
    )


def _change_mode(account: BybitAccountState, hedged: bool) -> None:
    if account.positions and hedged != account.hedged:
        raise ControlRefused("the position mode can't change while a position is open")
    account.hedged, account.modes = hedged, {}
