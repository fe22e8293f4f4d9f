"""The state that Bybit keeps of an account."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.bybit.contracts import BybitContract
from worker.sandbox.bybit.records import BybitFill, FundingPayment, Profit

CLASSIC, UNIFIED_1, UNIFIED_2 = 1, 3, 5
"""`unifiedMarginStatus`: a classic account, one of the first unified kind, one of the second (Get Account Info)."""


class BybitMarginMode(StrEnum):
    """Margin modes of a unified account."""

    REGULAR = "REGULAR_MARGIN"
    ISOLATED = "ISOLATED_MARGIN"
    PORTFOLIO = "PORTFOLIO_MARGIN"


class Index(IntEnum):
    """`positionIdx`: one-way, or the buy or the sell side of hedge mode."""

    ONE_WAY = 0
    BUY = 1
    SELL = 2


@dataclass(slots=True)
class BybitTerms:
    """Leverage of both sides; `isolated` counts for what is not unified only."""

    buy: Decimal = Decimal(10)
    sell: Decimal = Decimal(10)
    isolated: bool = False

    def side(self, index: Index, side: str) -> Decimal:
        """The leverage of a row."""
        return self.sell if index is Index.SELL or side == "Sell" else self.buy


class Shown(NamedTuple):
    """Terms that the position list still shows, until an instant, though they were changed."""

    terms: BybitTerms
    until: Milliseconds


@dataclass(slots=True)
class BybitOpenPosition:
    """A position: `size` is never negative, `side` is Buy or Sell, `status` Normal, Liq or Adl.

    `added` is the margin that was put into an isolated one by hand, or taken out where it is negative.
    """

    contract: BybitContract
    index: Index
    side: str
    size: Decimal
    entry_price: Decimal
    updated: Milliseconds
    status: str = "Normal"
    added: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a unified account can't switch its margin mode."""

    code: str
    message: str


ANY_ADDRESS = "*"
UNBOUND_DAYS = 90
"""How long a key lasts that is bound to no address: three months."""


@dataclass(frozen=True, slots=True)
class BybitKeyRights:
    """What an account's key may do, by group ("Get API Key Information"). `created` is when it was made."""

    read_only: bool = False
    contract_trade: tuple[str, ...] = ("Order", "Position")
    derivatives: tuple[str, ...] = ("DerivativesTrade",)
    wallet: tuple[str, ...] = ("AccountTransfer",)
    ips: tuple[str, ...] = ("127.0.0.1",)
    created: Milliseconds = 1_706_745_600_000
    days_left: int = UNBOUND_DAYS

    @property
    def changes_positions(self) -> bool:
        """Whether it may do more than read."""
        return not self.read_only and ("Position" in self.contract_trade or bool(self.derivatives))


def has_hedge_mode(contract: BybitContract) -> bool:
    """Only perpetual contracts in USDT have one."""
    return contract.perpetual and contract.settle == "USDT"


@dataclass(slots=True)
class BybitAccountState:
    """One account. `hedged` is of all perpetuals in USDT but those in `modes`; `open_orders` counts orders by symbol.

    `reasons` stand in the way of a switch of its margin mode until they are taken away.

    It has been unified since `upgraded`: what is older is told by the pre-upgrade endpoints alone. The position list
    shows changed terms `lag_ms` late, as it is documented to do since 2025-12; `updated` is of its type and mode.
    No document says whether a bare change of leverage is pushed: with `pushes_leverage` it is.
    """

    id: str
    status: int = UNIFIED_2
    margin_mode: BybitMarginMode = BybitMarginMode.REGULAR
    hedged: bool = False
    modes: dict[str, bool] = field(default_factory=dict)
    open_orders: dict[str, int] = field(default_factory=dict)
    key: BybitKeyRights = BybitKeyRights()
    wallet: dict[str, Decimal] = field(default_factory=dict)
    positions: dict[tuple[str, Index], BybitOpenPosition] = field(default_factory=dict)
    terms: dict[str, BybitTerms] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()
    funding: tuple[FundingPayment, ...] = ()
    profits: tuple[Profit, ...] = ()
    fills: tuple[BybitFill, ...] = ()
    pushes_leverage: bool = False
    upgraded: Milliseconds = 0
    updated: Milliseconds = 1_706_745_600_000
    lag_ms: Milliseconds = 0
    before: dict[str, Shown] = field(default_factory=dict)

    def is_unified(self, contract: BybitContract) -> bool:
        """Whether a contract belongs to the unified part of the account."""
        return self.status >= (UNIFIED_2 if contract.inverse else UNIFIED_1)

    def is_isolated(self, contract: BybitContract) -> bool:
        """Whether positions in a contract have their own margin."""
        if self.is_unified(contract):
            return self.margin_mode is BybitMarginMode.ISOLATED
        return self.terms_of(contract).isolated

    def indexes(self, contract: BybitContract) -> tuple[Index, ...]:
        """The rows of a contract."""
        return (Index.BUY, Index.SELL) if self.is_hedged(contract) else (Index.ONE_WAY,)

    def is_hedged(self, contract: BybitContract) -> bool:
        """Whether a contract is in hedge mode."""
        return has_hedge_mode(contract) and self.modes.get(contract.symbol, self.hedged)

    def is_used(self, contract: BybitContract) -> bool:
        """Whether a position or an order is open in a contract."""
        held = any((contract.symbol, index) in self.positions for index in Index)
        return held or self.open_orders.get(contract.symbol, 0) > 0

    def terms_of(self, contract: BybitContract) -> BybitTerms:
        """The terms of a contract, flat or not."""
        return self.terms.setdefault(contract.symbol, BybitTerms())

    def set_terms(self, contract: BybitContract, terms: BybitTerms, now: Milliseconds) -> None:
        """Change the terms of a contract. The position list learns of it when it does."""
        if self.lag_ms:
            self.before[contract.symbol] = Shown(self.shown_terms(contract, now), now + self.lag_ms)
        self.terms[contract.symbol] = terms

    def shown_terms(self, contract: BybitContract, now: Milliseconds) -> BybitTerms:
        """The terms of a contract as the position list has them."""
        shown = self.before.get(contract.symbol)
        return shown.terms if shown and now < shown.until else self.terms_of(contract)

    def leverage_of(self, contract: BybitContract, index: Index, side: str) -> Decimal:
        """The leverage of a row."""
        return self.terms_of(contract).side(index, side)

    def hold(self, position: BybitOpenPosition) -> None:
        """Open a position, or replace the one in its row; a size of 0 closes it."""
        key = (position.contract.symbol, position.index)
        self.positions.pop(key, None)
        if position.size:
            self.positions[key] = position

    def initial_margin(self, position: BybitOpenPosition) -> Decimal:
        """Value at mark price over leverage."""
        value = position.contract.value(position.size, position.contract.mark_price)
        return value / self.leverage_of(position.contract, position.index, position.side)
