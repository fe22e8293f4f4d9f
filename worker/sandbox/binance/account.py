"""The state that Binance keeps of an account."""

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.binance.brackets import cap_at, highest_leverage
from worker.sandbox.binance.contracts import BinanceContract
from worker.sandbox.binance.formulas import ZERO, PositionLeg


class MarginType(StrEnum):
    """Margin types as requests name them."""

    CROSSED = "CROSSED"
    ISOLATED = "ISOLATED"


class BinancePositionSide(StrEnum):
    """Sides of positions: BOTH in one-way mode, LONG and SHORT in hedge mode."""

    BOTH = "BOTH"
    LONG = "LONG"
    SHORT = "SHORT"


@dataclass(slots=True)
class BinanceTerms:
    """Leverage and margin type of a symbol; the defaults are those of an account that never changed them."""

    leverage: int = 20
    margin_type: MarginType = MarginType.CROSSED


@dataclass(slots=True)
class BinanceOpenPosition:
    """A position. `amount` is signed; `isolated_wallet` is the margin put aside for it, in the margin asset."""

    contract: BinanceContract
    side: BinancePositionSide
    amount: Decimal
    entry_price: Decimal
    update_time: Milliseconds
    isolated_wallet: Decimal = ZERO

    @property
    def leg(self) -> PositionLeg:
        """The position as the formulas need it."""
        return PositionLeg(self.contract, self.amount, self.entry_price)


@dataclass(slots=True)
class MarginBalance:
    """An asset in the cross margin wallet of a Portfolio Margin account."""

    free: Decimal = ZERO
    locked: Decimal = ZERO
    borrowed: Decimal = ZERO
    interest: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """What is in the wallet."""
        return self.free + self.locked


class IncomeRow(NamedTuple):
    """A row of income history, in units of the asset."""

    symbol: str
    type: str
    amount: Decimal
    asset: str
    info: str
    time: Milliseconds
    tran_id: int
    trade_id: str


class MarginChange(NamedTuple):
    """Margin that was moved into a position (type 1) or out of it (2), in the margin asset."""

    symbol: str
    side: BinancePositionSide
    type: int
    amount: Decimal
    time: Milliseconds


@dataclass(frozen=True, slots=True)
class BinanceKeyRights:
    """What an account's key may do ("Get API Key Permission"). Without a right all requests for it are refused."""

    futures: bool = True
    portfolio_margin: bool = False
    withdrawals: bool = False
    ip_restricted: bool = True


class PortfolioStatus(StrEnum):
    """`accountStatus` of a Portfolio Margin account."""

    NORMAL = "NORMAL"
    MARGIN_CALL = "MARGIN_CALL"
    SUPPLY_MARGIN = "SUPPLY_MARGIN"
    REDUCE_ONLY = "REDUCE_ONLY"
    ACTIVE_LIQUIDATION = "ACTIVE_LIQUIDATION"
    FORCE_LIQUIDATION = "FORCE_LIQUIDATION"
    BANKRUPTED = "BANKRUPTED"


@dataclass(slots=True)
class BinanceAccountState:
    """One account: positions by symbol and side; wallets with the whole balance by asset, isolated margin included."""

    id: str
    portfolio_margin: bool = False
    dual_side: bool = False
    multi_assets: bool = False
    can_trade: bool = True
    status: PortfolioStatus = PortfolioStatus.NORMAL
    key: BinanceKeyRights = BinanceKeyRights()
    um_wallet: dict[str, Decimal] = field(default_factory=dict)
    cm_wallet: dict[str, Decimal] = field(default_factory=dict)
    margin: dict[str, MarginBalance] = field(default_factory=dict)
    positions: dict[str, dict[BinancePositionSide, BinanceOpenPosition]] = field(default_factory=dict)
    terms: dict[str, BinanceTerms] = field(default_factory=dict)
    open_orders: dict[str, int] = field(default_factory=dict)
    tradfi_agreed: bool = True
    max_leverage: dict[str, int] = field(default_factory=dict)
    margin_changes: tuple[MarginChange, ...] = ()
    um_income: tuple[IncomeRow, ...] = ()
    cm_income: tuple[IncomeRow, ...] = ()

    def copied(self) -> "BinanceAccountState":
        """What it is now, to be compared with what it will be."""
        return replace(
            self,
            um_wallet=dict(self.um_wallet),
            cm_wallet=dict(self.cm_wallet),
            margin={asset: replace(balance) for asset, balance in self.margin.items()},
            positions={
                symbol: {side: replace(position) for side, position in sides.items()}
                for symbol, sides in self.positions.items()
            },
            terms={symbol: replace(terms) for symbol, terms in self.terms.items()},
        )

    def terms_of(self, contract: BinanceContract) -> BinanceTerms:
        """The terms of a symbol, flat or not."""
        return self.terms.setdefault(contract.symbol, BinanceTerms())

    def highest_leverage(self, contract: BinanceContract) -> int:
        """The highest leverage of a symbol: that of its first bracket, or what `max_leverage` gives this account."""
        return self.max_leverage.get(contract.symbol, highest_leverage(contract.brackets))

    def cap_at(self, contract: BinanceContract, leverage: int) -> int:
        """The largest position at a leverage. What is beyond the first bracket of all has the cap of that."""
        return cap_at(contract.brackets, min(leverage, highest_leverage(contract.brackets)))

    def positions_in(self, contract: BinanceContract) -> tuple[BinanceOpenPosition, ...]:
        """Open positions in a contract."""
        return tuple(self.positions.get(contract.symbol, {}).values())

    def hold(self, position: BinanceOpenPosition) -> None:
        """Open a position, or replace the one on its side; an amount of 0 closes it."""
        sides = self.positions.setdefault(position.contract.symbol, {})
        sides.pop(position.side, None)
        if position.amount:
            sides[position.side] = position
        if not sides:
            del self.positions[position.contract.symbol]

    def has_orders_in(self, contract: BinanceContract) -> bool:
        """Whether an order is open in a contract."""
        return self.open_orders.get(contract.symbol, 0) > 0

    def wallet(self, *, inverse: bool) -> dict[str, Decimal]:
        """The USDⓈ-M or the COIN-M wallet."""
        return self.cm_wallet if inverse else self.um_wallet

    def is_isolated(self, position: BinanceOpenPosition) -> bool:
        """Whether a position has its own margin."""
        return self.terms_of(position.contract).margin_type is MarginType.ISOLATED
