"""The state that Gate keeps of an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.gate.contracts import DELIVERY, GateContract

ZERO = Decimal(0)
DEFAULT_LEVERAGE = Decimal(10)
"""What a contract has in cross margin until something else is set."""


class GateMarginMode(StrEnum):
    """Margin modes as position rows name them."""

    CROSS = "cross"
    ISOLATED = "isolated"


class Side(StrEnum):
    """Sides of positions: one in one-way mode, two in hedge mode."""

    SINGLE = "single"
    LONG = "dual_long"
    SHORT = "dual_short"


HEDGED_SIDES = (Side.LONG, Side.SHORT)


@dataclass(slots=True)
class Slot:
    """One side of a contract that the account has touched, flat or not. `size` counts contracts and is signed."""

    contract: GateContract
    side: Side
    size: Decimal = ZERO
    entry_price: Decimal = ZERO
    margin_mode: GateMarginMode = GateMarginMode.CROSS
    leverage: Decimal = DEFAULT_LEVERAGE
    margin: Decimal = ZERO
    updated: Milliseconds = 0
    opened: Milliseconds = 0
    update_id: int = 1


class AccountBookEntry(NamedTuple):
    """A row of an account book. `time` is in microseconds; old entries have neither contract nor id."""

    time: int
    change: Decimal
    balance: Decimal
    type: str
    text: str
    contract: str | None
    trade_id: str
    id: str | None


Books = Mapping[tuple[str, str], tuple[AccountBookEntry, ...]]
"""Account books by family and settle currency, the newest entry first."""


@dataclass(frozen=True, slots=True)
class GateKeyRights:
    """What an account's key may do: rights by name, true where they are for reading only; state 1 is normal."""

    perms: Mapping[str, bool] = field(
        default_factory=lambda: {"account": True, "futures": False, "delivery": False, "wallet": True}
    )
    ip_whitelist: tuple[str, ...] = ("127.0.0.1",)
    state: int = 1
    sub_account: bool = False


@dataclass(slots=True)
class GateAccountState:
    """One account: wallets by family and settle currency, and slots by contract and side."""

    id: str
    user: int
    hedged: bool = False
    split: bool = False
    key: GateKeyRights = field(default_factory=GateKeyRights)
    api_key: str = ""
    wallets: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    slots: dict[tuple[GateContract, Side], Slot] = field(default_factory=dict)
    open_orders: dict[str, int] = field(default_factory=dict)
    books: Books = field(default_factory=dict)

    def sides_of(self, contract: GateContract) -> tuple[Side, ...]:
        """The sides a contract has in this account. Deliveries know no hedge mode."""
        return HEDGED_SIDES if self.hedged and contract.family != DELIVERY else (Side.SINGLE,)

    def touched(self, contract: GateContract) -> tuple[Slot, ...]:
        """The slots of a contract; none if the account never had to do with it."""
        return tuple(self.slots[contract, side] for side in self.sides_of(contract) if (contract, side) in self.slots)

    def touch(self, contract: GateContract) -> tuple[Slot, ...]:
        """The slots of a contract, made if there are none yet."""
        for side in self.sides_of(contract):
            self.slots.setdefault((contract, side), Slot(contract, side))
        return self.touched(contract)

    def slots_in(self, family: str, settle: str) -> tuple[Slot, ...]:
        """All slots of a family in a settle currency."""
        return tuple(
            slot for slot in self.slots.values() if (slot.contract.family, slot.contract.settle) == (family, settle)
        )
