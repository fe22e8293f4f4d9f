"""Opening accounts, and changing them behind their owners' backs."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Annotated

from pydantic import Field

from schemas.base import Milliseconds
from worker.sandbox.gate.account import (
    AccountBookEntry,
    Books,
    GateAccountState,
    GateMarginMode,
    GateUnifiedMode,
    Side,
    Slot,
)
from worker.sandbox.gate.contracts import DELIVERY, PERPETUAL, GateContract, GateExchangeState
from worker.sandbox.gate.formulas import entry_margin
from worker.sandbox.gate.happenings import Cause, closed, reduced, taken_away
from worker.sandbox.gate.seeded_book import books
from worker.sandbox.gate.seeds import FIRST_UPDATE, GateSeedAccount, SeedSlot
from worker.sandbox.kit.accounts import ControlContent, RequestedAccount
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.venue import ControlRefused

DELIVERY_OF_SEEDS = "_CURRENT"
POSITION_WORTH = Decimal(500)
"""What each position of an account opened on request is worth at least, in USDT."""


class NewGateAccount(RequestedAccount):
    """An account asked for on request, with `open_positions` long cross positions in as many USDT perpetuals.

    With a `user` it is another account of that user, which Gate counts requests with.
    """

    user: int | None = None
    hedged: bool = False
    open_positions: Annotated[int, Field(ge=0)] = 0
    with_book: bool = False


class GatePositionChange(ControlContent):
    """A position to open or replace; a size of 0 closes it. `margin` is an isolated one's, where it has changed.

    `cause` is what changes it: an order, a liquidation, or an auto-deleveraging.
    """

    contract: str
    size: Decimal
    margin: Decimal | None = None
    entry_price: Annotated[Decimal, Field(gt=0)] = Decimal(1)
    side: Side = Side.SINGLE
    margin_mode: GateMarginMode = GateMarginMode.CROSS
    leverage: Annotated[Decimal, Field(ge=1)] = Decimal(10)
    cause: Cause = "order"


class GateTermsChange(ControlContent):
    """Leverage and margin mode of all sides of a contract; what is left out stays. It is no order."""

    leverage: Annotated[Decimal | None, Field(ge=1)] = None
    margin_mode: GateMarginMode | None = None


class GateBookChange(ControlContent):
    """Entries to write into an account book, of any type: `count` of one instant. Without ids they are all alike.

    Those that are of now, for they have no `time`, move the wallet, if there is one.
    """

    family: str = PERPETUAL
    settle: str = "usdt"
    type: str
    change: Decimal
    contract: str = ""
    time: Milliseconds | None = None
    count: Annotated[int, Field(ge=1, le=10_000)] = 1
    with_id: bool = True


class GateKeyChange(ControlContent):
    """What to change of the key; `perms` replaces all its rights, true where they are for reading only."""

    perms: dict[str, bool] | None = None
    ip_whitelist: tuple[str, ...] | None = None
    state: Annotated[int | None, Field(ge=1, le=3)] = None
    sub_account: bool | None = None


class GateAccountChange(ControlContent):
    """What to change of an account; what is left out stays. `open_orders` counts orders by contract.

    `hedged` is for accounts with nothing open once the positions are changed. `split` puts it into split mode.
    `paid_in` is by family and settle currency ("futures usd1"), `book` are entries to be added to what has happened.
    `risk_limits` are reduced ones by contract. With `pushes_leverage` streams tell of a bare change of leverage.
    """

    open_orders: dict[str, int] = Field(default_factory=dict)
    hedged: bool | None = None
    split: bool | None = None
    unified: GateUnifiedMode | None = None
    key: GateKeyChange = GateKeyChange()
    positions: tuple[GatePositionChange, ...] = ()
    terms: dict[str, GateTermsChange] = Field(default_factory=dict)
    paid_in: dict[str, Decimal] = Field(default_factory=dict)
    book: tuple[GateBookChange, ...] = ()
    risk_limits: dict[str, Annotated[Decimal, Field(gt=0)]] = Field(default_factory=dict)
    pushes_leverage: bool | None = None


def requested_seed(exchange: GateExchangeState, request: NewGateAccount, user: int) -> GateSeedAccount:
    """The seed of an account asked for on request. Raises ControlRefused if there are too few contracts."""
    perpetuals = tuple(row for row in exchange.listed(PERPETUAL, "usdt") if not row.delisting)
    if request.open_positions > len(perpetuals):
        raise ControlRefused(f"there are {len(perpetuals)} USDT perpetuals, no more positions can be open")
    side = Side.LONG if request.hedged else Side.SINGLE
    return GateSeedAccount(
        id=request.id,
        user=request.user or user,
        hedged=request.hedged,
        wallets={(PERPETUAL, "usdt"): Decimal(1_000_000)},
        slots=tuple(_position(contract, side) for contract in perpetuals[: request.open_positions]),
        with_book=request.with_book,
    )


def _position(contract: GateContract, side: Side) -> SeedSlot:
    size = (POSITION_WORTH / contract.mark_price / contract.multiplier).to_integral_value() + 1
    return SeedSlot(contract.name, size, contract.mark_price * Decimal("0.99"), side=side)


def state_of(seed: GateSeedAccount, exchange: GateExchangeState) -> GateAccountState:
    """An account as its seed describes it. Accounts opened in the same minute share their (immutable) books."""
    now = exchange.clock.now() // MINUTE * MINUTE
    delivery = _listed(exchange, f"BTC_USDT{DELIVERY_OF_SEEDS}").name
    state = GateAccountState(
        id=seed.id,
        user=seed.user,
        hedged=seed.hedged,
        wallets=dict(seed.wallets),
        books=books(now, delivery) if seed.with_book else {},
    )
    for slot in seed.slots:
        _hold(state, _listed(exchange, slot.contract), slot)
    return state


def _hold(state: GateAccountState, contract: GateContract, seed: SeedSlot) -> None:
    state.touch(contract)
    if (contract, seed.side) not in state.slots:
        raise ControlRefused(f"{contract.name} has no side {seed.side} in this account")
    slot = Slot(contract, seed.side, seed.size, seed.entry_price, seed.margin_mode, seed.leverage)
    if slot.margin_mode is GateMarginMode.ISOLATED:
        slot.margin = entry_margin(slot, slot.leverage) if seed.margin is None else seed.margin
    slot.opened = slot.updated = FIRST_UPDATE if slot.size else 0
    before = state.slots[contract, seed.side]
    slot.update_id, slot.orders = before.update_id + 1, before.orders + 1
    state.slots[contract, seed.side] = slot


def _listed(exchange: GateExchangeState, name: str) -> GateContract:
    pair = name.removesuffix(DELIVERY_OF_SEEDS)
    for contract in exchange.contracts.values():
        if contract.name == name or (pair != name and contract.family == DELIVERY and contract.name.startswith(pair)):
            return contract
    raise ControlRefused(f"{name} is not listed")


def change(account: GateAccountState, exchange: GateExchangeState, wanted: GateAccountChange) -> None:
    """Change an account. Raises ControlRefused for a contract that isn't listed or a side it doesn't have."""
    account.open_orders.update({_listed(exchange, name).name: count for name, count in wanted.open_orders.items()})
    account.split = account.split if wanted.split is None else wanted.split
    account.unified = account.unified if wanted.unified is None else wanted.unified
    account.key = replace(account.key, **wanted.key.model_dump(exclude_none=True))
    entries = (*_paid_in(account, wanted.paid_in), *wanted.book)
    for position in wanted.positions:
        seed = SeedSlot(
            position.contract,
            position.size,
            position.entry_price if position.size else Decimal(0),
            position.leverage,
            position.margin_mode,
            position.side,
            position.margin,
        )
        _trade(account, exchange, _listed(exchange, position.contract), seed, position.cause)
    for name, terms in wanted.terms.items():
        for slot in account.touch(_listed(exchange, name)):
            _set(slot, terms, exchange.clock.now())
    for name, limit in wanted.risk_limits.items():
        account.risk_limits[_listed(exchange, name).name] = limit
        account.happenings += (reduced(_listed(exchange, name), limit, account, exchange.clock.now()),)
    if wanted.pushes_leverage is not None:
        account.pushes_leverage = wanted.pushes_leverage
    _move(account, entries)
    account.books = added(account.books, entries, exchange.clock.now())
    if wanted.hedged is not None:
        _change_mode(account, wanted.hedged)


def _trade(
    account: GateAccountState, exchange: GateExchangeState, contract: GateContract, seed: SeedSlot, cause: Cause
) -> None:
    """Hold what is wanted, and tell what became of what was held."""
    held = account.slots.get((contract, seed.side))
    _hold(account, contract, seed)
    if held is None or not held.size:
        return
    now = exchange.clock.now()
    if cause != "order":
        account.happenings += (taken_away(held, seed.size, cause, account, now),)
    if held.size * seed.size <= 0:
        account.happenings += (closed(held, account, now),)


def _set(slot: Slot, terms: GateTermsChange, now: Milliseconds) -> None:
    slot.leverage, slot.margin_mode = terms.leverage or slot.leverage, terms.margin_mode or slot.margin_mode
    isolated = slot.margin_mode is GateMarginMode.ISOLATED
    slot.margin = entry_margin(slot, slot.leverage) if isolated else Decimal(0)
    slot.updated, slot.update_id = now, slot.update_id + 1


def _paid_in(account: GateAccountState, amounts: Mapping[str, Decimal]) -> Iterator[GateBookChange]:
    """What is paid in, as entries of the account books; it opens a wallet where there is none yet."""
    for where, amount in amounts.items():
        family, _, settle = where.partition(" ")
        account.wallets.setdefault((family, settle), Decimal(0))
        yield GateBookChange(family=family, settle=settle, type="dnw", change=amount)


def _move(account: GateAccountState, entries: Iterable[GateBookChange]) -> None:
    for entry in entries:
        where = (entry.family, entry.settle)
        if entry.time is None and where in account.wallets:
            account.wallets[where] += entry.change * entry.count


def _change_mode(account: GateAccountState, hedged: bool) -> None:
    if hedged != account.hedged and any(slot.size for slot in account.slots.values()):
        raise ControlRefused("the position mode can't change while a position is open")
    account.hedged, account.modes = hedged, {}


def added(books: Books, changes: Iterable[GateBookChange], now: Milliseconds) -> Books:
    """The books with further entries. Their ids go on from how many there are; their balance is not struck anew."""
    changed = dict(books)
    for change in changes:
        where = change.family, change.settle
        entries = changed.get(where, ())
        fresh = tuple(_entry(change, now, 1_000_000 + len(entries) + number) for number in range(change.count))
        changed[where] = tuple(sorted((*fresh, *entries), key=lambda entry: entry.time, reverse=True))
    return changed


def _entry(change: GateBookChange, now: Milliseconds, number: int) -> AccountBookEntry:
    return AccountBookEntry(
        time=(now if change.time is None else change.time) * 1_000,
        change=change.change,
        balance=Decimal(0),
        type=change.type,
        text=f"{change.contract}:{number if change.with_id else 0}" if change.contract else "",
        contract=change.contract,
        trade_id="",
        id=str(number) if change.with_id else None,
    )
