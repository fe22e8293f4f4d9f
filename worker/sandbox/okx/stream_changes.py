"""What has changed in an account since its streams were last told, and the events that OKX names for it.

`eventType` of `balance_and_position`: see its page (2026-07-13). Which bills each of them goes with is a guess.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple, Self

from schemas.base import Milliseconds
from worker.sandbox.okx.account import LeverageKey, OkxAccountState, OkxOpenPosition, PositionKey
from worker.sandbox.okx.bill import ADL, CLAWBACK, DELIVERY, FUNDING, LIQUIDATION, SETTLEMENT, TRADE, TRANSFER, Bill

SET_LEVERAGE, FILLED, TRANSFERRED = "set_leverage", "filled", "transferred"
EVENT_OF_BILL: Mapping[str, str] = MappingProxyType(
    {
        TRANSFER: TRANSFERRED,
        TRADE: FILLED,
        DELIVERY: "delivered",
        LIQUIDATION: "liquidation",
        "6": "adjust_margin",
        "7": "interest_deduction",
        FUNDING: "funding_fee",
        ADL: "adl",
        CLAWBACK: "claw_back",
        SETTLEMENT: "settlement",
    }
)


class _Held(NamedTuple):
    amount: Decimal
    entry_price: Decimal
    margin: Decimal
    updated: Milliseconds


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stream has told of an account."""

    balances: Mapping[str, Decimal]
    held: Mapping[PositionKey, _Held]
    leverages: Mapping[LeverageKey, Decimal]
    orders: tuple[Mapping[str, int], Mapping[str, int]]
    bills: tuple[Bill, ...]

    @classmethod
    def of(cls, account: OkxAccountState) -> Self:
        """What there is to tell now."""
        held = {
            key: _Held(position.amount, position.entry_price, position.margin, position.updated)
            for key, position in account.positions.items()
        }
        orders = dict(account.open_orders), dict(account.waiting_orders)
        return cls(dict(account.balances), held, dict(account.leverages), orders, account.bills)


@dataclass(frozen=True, slots=True)
class Changes:
    """What is different, by events: for each its currencies and positions."""

    events: Mapping[str, tuple[set[str], list[OkxOpenPosition]]]
    positions: list[OkxOpenPosition]
    ordered: list[OkxOpenPosition]
    account: bool
    flat_leverage: bool

    @classmethod
    def between(cls, before: Seen, now: Seen, account: OkxAccountState) -> Self:
        """What an account shows now that was not told yet."""
        moved = [account.positions[key] for key, held in now.held.items() if before.held.get(key, _NOTHING) != held]
        geared = _geared(before, now)
        reached = [position for position in account.open() if _has(account, position, geared)]
        events = _events(before, now, [position for position in moved if position not in reached])
        if reached:
            events[SET_LEVERAGE] = (set(), reached)
        instruments = _ordered(before, now)
        return cls(
            events,
            moved + [position for position in reached if position not in moved],
            [position for position in account.open() if position.instrument.id in instruments],
            bool(events or instruments),
            bool(geared and not reached),
        )


_NOTHING = _Held(Decimal(0), Decimal(0), Decimal(0), 0)


def _geared(before: Seen, now: Seen) -> set[LeverageKey]:
    return {key for key, leverage in now.leverages.items() if before.leverages.get(key) != leverage}


def _has(account: OkxAccountState, position: OkxOpenPosition, geared: set[LeverageKey]) -> bool:
    return account.leverage_key(position.instrument, position.mode, position.side) in geared


def _ordered(before: Seen, now: Seen) -> set[str]:
    """The instruments in which the number of orders is another."""
    pairs = zip(before.orders, now.orders, strict=True)
    return {name for old, new in pairs for name in old.keys() | new.keys() if old.get(name, 0) != new.get(name, 0)}


def _events(before: Seen, now: Seen, moved: list[OkxOpenPosition]) -> dict[str, tuple[set[str], list[OkxOpenPosition]]]:
    """Bills tell what happened to the positions and balances of theirs; what has none was traded, or transferred."""
    events: dict[str, tuple[set[str], list[OkxOpenPosition]]] = {}
    told: set[str] = set()
    for bill in _written(before, now):
        currencies, held = events.setdefault(EVENT_OF_BILL.get(bill.type, TRANSFERRED), (set(), []))
        currencies.add(bill.currency)
        held += [position for position in moved if position.instrument.id == bill.instrument_id]
        told.add(bill.instrument_id)
    if traded := [position for position in moved if position.instrument.id not in told]:
        events.setdefault(FILLED, (set(), []))[1].extend(traded)
    paid = {currency for currencies, _ in events.values() for currency in currencies}
    if transferred := {name for name, balance in now.balances.items() if before.balances.get(name) != balance} - paid:
        events.setdefault(TRANSFERRED, (set(), []))[0].update(transferred)
    return events


def _written(before: Seen, now: Seen) -> list[Bill]:
    """The bills that are new. Their ids are given anew when some are added between others."""
    if now.bills is before.bills:
        return []
    known = Counter(bill._replace(id=0) for bill in before.bills)
    return list((Counter(bill._replace(id=0) for bill in now.bills) - known).elements())
