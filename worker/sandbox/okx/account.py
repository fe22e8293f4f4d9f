"""The state that OKX keeps of an account."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.okx.bill import Bill
from worker.sandbox.okx.instruments import FUTURES, OkxInstrument

DEFAULT_LEVERAGE = Decimal(3)
"""What an account has that never set any."""


class OkxMarginMode(StrEnum):
    """Margin modes of a position, as `mgnMode` has them."""

    CROSS = "cross"
    ISOLATED = "isolated"


class OkxPositionSide(StrEnum):
    """Sides as `posSide` has them: net in net mode, the others in long/short mode."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


BOTH_SIDES = (OkxPositionSide.LONG, OkxPositionSide.SHORT)


class AccountLevel(IntEnum):
    """Account modes, as `acctLv` has them."""

    SPOT = 1
    SINGLE_CURRENCY = 2
    MULTI_CURRENCY = 3
    PORTFOLIO_MARGIN = 4


@dataclass(frozen=True, slots=True)
class OkxKeyRights:
    """What an account's key may do, and from which addresses, as `perm` and `ip` tell it."""

    perm: tuple[str, ...] = ("read_only", "trade")
    ip: tuple[str, ...] = ("127.0.0.1",)


class PositionKey(NamedTuple):
    """What tells positions apart: cross and isolated ones of one instrument are two."""

    instrument_id: str
    mode: OkxMarginMode
    side: OkxPositionSide


class LeverageKey(NamedTuple):
    """What has a leverage of its own: `scope` is an instrument, or the index of futures in cross margin."""

    scope: str
    mode: OkxMarginMode
    side: OkxPositionSide


@dataclass(slots=True)
class OkxOpenPosition:
    """A position. `amount` counts contracts and is signed in every mode; `margin` is that of an isolated one."""

    id: int
    instrument: OkxInstrument
    mode: OkxMarginMode
    side: OkxPositionSide
    amount: Decimal
    entry_price: Decimal
    created: Milliseconds
    updated: Milliseconds
    margin: Decimal = Decimal(0)

    @property
    def key(self) -> PositionKey:
        """What tells it apart."""
        return PositionKey(self.instrument.id, self.mode, self.side)


@dataclass(slots=True)
class OkxAccountState:
    """One account: balances by currency, positions, leverages, numbers of orders by instrument, and bills.

    A closed position stays in `positions` with an amount of 0, for OKX remembers it for a while.
    """

    id: str
    uid: str
    level: AccountLevel = AccountLevel.SINGLE_CURRENCY
    two_sided: bool = False
    key: OkxKeyRights = OkxKeyRights()
    balances: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[PositionKey, OkxOpenPosition] = field(default_factory=dict)
    leverages: dict[LeverageKey, Decimal] = field(default_factory=dict)
    open_orders: dict[str, int] = field(default_factory=dict)
    waiting_orders: dict[str, int] = field(default_factory=dict)
    bills: tuple[Bill, ...] = ()

    def sides_of(self, mode: OkxMarginMode) -> tuple[OkxPositionSide, ...]:
        """The sides that have a leverage each: long and short where positions of both are isolated from another."""
        return BOTH_SIDES if self.two_sided and mode is OkxMarginMode.ISOLATED else (OkxPositionSide.NET,)

    def leverage_key(self, instrument: OkxInstrument, mode: OkxMarginMode, side: OkxPositionSide) -> LeverageKey:
        """Where a leverage is kept. In cross margin, futures share that of their index."""
        by_index = instrument.type == FUTURES and mode is OkxMarginMode.CROSS
        own_side = side if self.two_sided and mode is OkxMarginMode.ISOLATED else OkxPositionSide.NET
        return LeverageKey(f"{instrument.underlying} futures" if by_index else instrument.id, mode, own_side)

    def leverage_of(self, instrument: OkxInstrument, mode: OkxMarginMode, side: OkxPositionSide) -> Decimal:
        """The leverage that a position has or would have."""
        return self.leverages.get(self.leverage_key(instrument, mode, side), DEFAULT_LEVERAGE)

    def open(self) -> Iterator[OkxOpenPosition]:
        """Positions with something in them, the newest first."""
        held = [position for position in self.positions.values() if position.amount]
        return iter(sorted(held, key=lambda position: -position.created))

    def has_orders_in(self, instrument: OkxInstrument) -> bool:
        """Whether an order is open in an instrument."""
        return self.open_orders.get(instrument.id, 0) > 0

    def has_waiting_orders_in(self, instrument: OkxInstrument) -> bool:
        """Whether an order in an instrument waits for a trigger."""
        return self.waiting_orders.get(instrument.id, 0) > 0
