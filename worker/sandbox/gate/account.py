"""The state that Gate keeps of an account."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

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
    """One side of a contract that the account has touched, flat or not. `size` counts contracts and is signed.

    `orders` counts those that were carried out in it, whether they changed it or not.
    """

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
    orders: int = 0


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


class GateHappening(NamedTuple):
    """What streams tell once, on a channel of its own: a close, a liquidation, a lower risk limit."""

    channel: str
    contract: GateContract
    row: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GateKeyRights:
    """What an account's key may do: rights by name, true where they are for reading only; state 1 is normal."""

    perms: Mapping[str, bool] = field(
        default_factory=lambda: {"account": True, "futures": False, "delivery": False, "wallet": True}
    )
    ip_whitelist: tuple[str, ...] = ("127.0.0.1",)
    state: int = 1
    sub_account: bool = False


class GateUnifiedMode(StrEnum):
    """What the margin of the account as a whole is, as `mode` of the unified account has it."""

    CLASSIC = "classic"
    MULTI_CURRENCY = "multi_currency"
    PORTFOLIO = "portfolio"
    SINGLE_CURRENCY = "single_currency"


@dataclass(slots=True)
class GateAccountState:
    """One account: wallets by family and settle currency, and slots by contract and side.

    `risk_limits` are those that Gate has reduced, by contract. No document says whether a bare change of leverage or of
    the margin mode is pushed: with `pushes_leverage` it is.
    """

    id: str
    user: int
    hedged: bool = False
    modes: dict[str, bool] = field(default_factory=dict)
    split: bool = False
    unified: GateUnifiedMode = GateUnifiedMode.CLASSIC
    key: GateKeyRights = field(default_factory=GateKeyRights)
    api_key: str = ""
    wallets: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    slots: dict[tuple[GateContract, Side], Slot] = field(default_factory=dict)
    open_orders: dict[str, int] = field(default_factory=dict)
    books: Books = field(default_factory=dict)
    risk_limits: dict[str, Decimal] = field(default_factory=dict)
    happenings: tuple[GateHappening, ...] = ()
    pushes_leverage: bool = False

    def sides_of(self, contract: GateContract) -> tuple[Side, ...]:
        """The sides a contract has in this account."""
        return HEDGED_SIDES if self.is_hedged(contract.family, contract.settle) else (Side.SINGLE,)

    def is_hedged(self, family: str, settle: str) -> bool:
        """Whether contracts have two sides: a mode of each settle currency, and none of deliveries."""
        return family != DELIVERY and self.modes.get(settle, self.hedged)

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
