"""What Gate pushes of a change: rows by channel, of one part of an account.

Source: "Futures WebSocket v4" and "Delivery WebSocket v4", notifications, checked 2026-11-29. A row of a position has a
`leverage` of 0 in cross margin; one of a delivery has neither a mode, nor a leverage limit of cross margin, nor an
update id. A bare change of leverage or of the margin mode is pushed where the account has `pushes_leverage` alone, for
no document speaks of it. That an entry of balances has the words of the account book as its type, and that money paid
in is `dnw`, is a guess: the document shows a fee alone.
"""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.gate.account import (
    AccountBookEntry,
    GateAccountState,
    GateHappening,
    GateMarginMode,
    Side,
    Slot,
)
from worker.sandbox.gate.contracts import DELIVERY, GateContract
from worker.sandbox.gate.happenings import liquidation_price, stamped
from worker.sandbox.gate.positions import risk_limit

POSITIONS, BALANCES = "futures.positions", "futures.balances"

PartKey = tuple[str, str]
SlotKey = tuple[GateContract, Side]


class SlotTold(NamedTuple):
    """What the streams have told of a side of a contract."""

    orders: int
    leverage: Decimal
    margin_mode: GateMarginMode


class GateTold(NamedTuple):
    """What the streams have told of an account, or found when the first one was opened."""

    slots: Mapping[SlotKey, SlotTold]
    books: Mapping[PartKey, tuple[AccountBookEntry, ...]]
    happenings: int


class GatePush(NamedTuple):
    """A row to push on a channel of a part, to whoever listens to a contract where it is about one."""

    part: PartKey
    channel: str
    contract: str | None
    row: Mapping[str, Any]


def told_of(account: GateAccountState) -> GateTold:
    """The account as it is now."""
    slots = {key: SlotTold(slot.orders, slot.leverage, slot.margin_mode) for key, slot in account.slots.items()}
    return GateTold(slots, dict(account.books), len(account.happenings))


def changes(before: GateTold, account: GateAccountState, now: Milliseconds) -> Iterator[GatePush]:
    """What to push, in its order."""
    for happening in account.happenings[before.happenings :]:
        yield _happened(happening)
    yield from position_pushes(account, _changed(before, account), now)
    for part in account.books:
        yield from _balances(part, before, account)


def _happened(happening: GateHappening) -> GatePush:
    contract = happening.contract
    return GatePush((contract.family, contract.settle), happening.channel, contract.name, happening.row)


def _changed(before: GateTold, account: GateAccountState) -> Iterator[Slot]:
    for key, slot in account.slots.items():
        told = before.slots.get(key) or SlotTold(0, slot.leverage, slot.margin_mode)
        was_set = (told.leverage, told.margin_mode) != (slot.leverage, slot.margin_mode)
        if told.orders != slot.orders or (account.pushes_leverage and was_set):
            yield slot


def position_pushes(account: GateAccountState, slots: Iterable[Slot], now: Milliseconds) -> Iterator[GatePush]:
    """Positions as they are pushed, flat or not."""
    for slot in slots:
        contract = slot.contract
        row = _position(slot, account) | stamped(account, now)
        newer = {} if contract.family == DELIVERY else _newer(slot)
        yield GatePush((contract.family, contract.settle), POSITIONS, contract.name, row | newer)


def _position(slot: Slot, account: GateAccountState) -> dict[str, Any]:
    contract, cross = slot.contract, slot.margin_mode is GateMarginMode.CROSS
    return {
        "contract": contract.name,
        "entry_price": slot.entry_price,
        "history_pnl": 0,
        "history_point": 0,
        "last_close_pnl": 0,
        "leverage": 0 if cross else slot.leverage,
        "leverage_max": contract.highest_leverage,
        "liq_price": liquidation_price(slot, account),
        "maintenance_rate": contract.maintenance_rate,
        "margin": slot.margin,
        "realised_pnl": 0,
        "realised_point": 0,
        "risk_limit": risk_limit(slot, account),
        "size": int(slot.size),
    }


def _newer(slot: Slot) -> dict[str, Any]:
    """What perpetuals alone have."""
    return {
        "cross_leverage_limit": slot.leverage if slot.margin_mode is GateMarginMode.CROSS else 0,
        "mode": slot.side.value,
        "update_id": slot.update_id,
    }


def _balances(part: PartKey, before: GateTold, account: GateAccountState) -> Iterator[GatePush]:
    """The new entries of the account book; the balance is what it is after all of them."""
    entries = account.books.get(part, ())
    if entries is before.books.get(part, ()):
        return
    known = frozenset(before.books.get(part, ()))
    for entry in (entry for entry in entries if entry not in known):
        told = {"change": entry.change, "type": entry.type, "text": entry.text, "currency": part[1]}
        row = {"balance": account.wallets.get(part, Decimal(0)), **told, **stamped(account, entry.time // 1_000)}
        yield GatePush(part, BALANCES, None, row)
