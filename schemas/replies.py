"""The `data` of each operation's envelope, field by field as the HTTP API documents it."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from .base import Milliseconds, Money, WireModel
from .control import Exchange, Network
from .outcomes import Scope
from .requests import MarginMode, PositionMode

Side = TypeAliasType("Side", Literal["long", "short"])
"""The side of a position."""

DriftSide = TypeAliasType("DriftSide", Literal["long", "short", "flat"])
"""The side of a position whose terms changed, or that the market is flat."""

MarketSide = TypeAliasType("MarketSide", Literal["long", "short", "both"])
"""The side of what is held in a market: `both` in hedge mode with both legs open."""


class AccountType(StrEnum):
    """The types of account that differ in what they can do."""

    STANDARD = "standard"
    PORTFOLIO_MARGIN = "portfolio margin"


RawObject = Annotated[dict[str, Any], Field(description="What the venue answered, unchanged")]


class AccountData(WireModel):
    """What nearly every answer begins with: whose account it is."""

    exchange: Exchange
    exchange_account_id: str


class LeverageEcho(WireModel):
    """What the venue confirmed: the leverage, and the market by the venue's own id."""

    leverage: Money
    symbol: str


class LeverageSet(AccountData):
    """Answer to set_leverage."""

    symbol: str
    leverage: Money
    result: LeverageEcho


class Leverage(AccountData):
    """Answer to get_leverage. A flat market has size 0 and no side.

    In hedge mode with both legs open the side is `both`, and size, notional and PnL are the sums of the
    legs; get_positions lists the legs one by one.
    """

    symbol: str
    leverage: Annotated[Money | None, Field(description="Null where the venue keeps none, as in its portfolio margin")]
    margin_mode: MarginMode
    position_side: Annotated[MarketSide | None, Field(description="Null when flat")]
    position_size: Annotated[
        Money,
        Field(
            description="Contracts times contract size, on every venue: in base currency, of inverse contracts in quote"
        ),
    ]
    notional: Annotated[Money, Field(description="Value of the position in quote currency")]
    unrealized_pnl: Annotated[Money, Field(description="In settle currency")]


class MarginModeSet(AccountData):
    """Answer to set_margin_mode."""

    symbol: str
    margin_mode: MarginMode
    result: RawObject


class PositionModePart(WireModel):
    """A part of an account that has a position mode of its own."""

    scope: Annotated[Scope, Field(description="What it is: the account, a settle currency, or one market")]
    part: Annotated[str, Field(description="Its name: the account's id, the currency, or the symbol")]
    position_mode: PositionMode


class PositionModes(AccountData):
    """Answer to get_position_mode."""

    position_mode: Annotated[PositionMode | None, Field(description="Null where the parts differ")]
    expected: Annotated[
        PositionMode | None, Field(description="What the registry says it is meant to be; nothing is set because of it")
    ]
    parts: Annotated[
        tuple[PositionModePart, ...],
        Field(
            description="What was asked about, as far as the venue keeps modes. Of Bybit, whose modes are its "
            "markets', only the markets with a position and one without are asked when none is named"
        ),
    ]


class PositionModeSet(AccountData):
    """Answer to set_position_mode; `scope` says how far it reaches."""

    position_mode: PositionMode
    scope: Scope
    part: Annotated[str, Field(description="What is in this mode: the account's id, a settle currency, or a symbol")]
    result: RawObject


class LeverageTier(WireModel):
    """How much leverage a position of a size may have, and the margin it must keep."""

    notional_floor: Annotated[Money, Field(description="From this size on, in the market's `currency`")]
    notional_cap: Annotated[Money | None, Field(description="Up to this size; null where the venue names no end")]
    max_leverage: Money
    maintenance_margin_rate: Annotated[Money, Field(description="Maintenance margin over value: 0.004 is 0.4 %")]


class MarketTiers(WireModel):
    """The tiers of a market, the smallest positions first."""

    symbol: str
    currency: Annotated[
        str,
        Field(
            description="In which the bounds are, as the venue has them: quote currency of most linear markets, coins "
            "of inverse ones and of OKX's linear ones"
        ),
    ]
    tiers: tuple[LeverageTier, ...]


class LeverageTiers(AccountData):
    """Answer to get_leverage_tiers."""

    symbol: str | None
    markets: tuple[MarketTiers, ...]
    count: int
    as_of: Annotated[
        Milliseconds, Field(description="When the venue was asked, UTC ms; of several answers the oldest one's time")
    ]


class Position(WireModel):
    """One open position, with the same meaning on every venue."""

    symbol: str
    side: Side
    contracts: Annotated[Money, Field(description="Number of contracts, always positive")]
    contract_size: Annotated[
        Money, Field(description="Size of one contract: in base (linear) or quote currency (inverse)")
    ]
    entry_price: Annotated[Money, Field(description="Average entry price in quote currency")]
    mark_price: Annotated[Money | None, Field(description="In quote currency")]
    notional: Annotated[Money, Field(description="Value in quote currency, at mark price for linear contracts")]
    leverage: Annotated[Money | None, Field(description="Null where the venue keeps none, as in its portfolio margin")]
    unrealized_pnl: Annotated[Money, Field(description="In settle currency, at mark price")]
    percentage: Annotated[Money | None, Field(description="Unrealized PnL over notional, in percent, two decimals")]
    margin_mode: MarginMode
    liquidation_price: Annotated[Money | None, Field(description="Null when the venue names none")]
    collateral: Annotated[
        Money | None,
        Field(
            description="Margin held, in settle currency and without unrealized PnL: of a cross position what it takes "
            "of the account's, of an isolated one its own, on every venue"
        ),
    ]
    timestamp: Annotated[Milliseconds | None, Field(description="Last change, UTC milliseconds")]
    datetime: Annotated[str | None, Field(description="The same instant as text, UTC")]
    exchange: Exchange
    exchange_account_id: str


class Positions(WireModel):
    """Answer to get_positions."""

    positions: tuple[Position, ...]
    count: int


class LedgerEntry(WireModel):
    """One funding payment or one realized profit; received is positive."""

    id: Annotated[str, Field(description="The venue's id of the entry; stable and unique")]
    symbol: str | None
    amount: Money
    code: Annotated[str, Field(description="Currency the amount was paid in")]
    timestamp: Milliseconds
    datetime: str
    info: RawObject


class FundingHistory(AccountData):
    """Answer to get_funding_history; oldest first."""

    symbol: str | None
    payments: tuple[LedgerEntry, ...]
    count: int


class RealizedPnl(AccountData):
    """Answer to get_realized_pnl; oldest first."""

    symbol: str | None
    entries: tuple[LedgerEntry, ...]
    count: int


class CrossMarginBalance(WireModel):
    """The margin wallet of one asset."""

    total: Money | None
    free: Money | None
    locked: Money | None
    borrowed: Money | None
    interest: Money | None


class FuturesBalance(WireModel):
    """The futures wallet of one asset."""

    wallet: Money | None
    unrealized_pnl: Money | None


class PmAssetBalance(WireModel):
    """All wallets of one asset in a Portfolio Margin account, in that asset; null where the venue tells no figure."""

    cross_margin: CrossMarginBalance
    um_futures: FuturesBalance
    cm_futures: FuturesBalance
    total_wallet_balance: Money | None
    negative_balance: Money | None


class PmBalance(AccountData):
    """Answer to pm_get_balance."""

    assets: dict[str, PmAssetBalance]


class PmUmAccount(WireModel):
    """The USDⓈ-M side of a Portfolio Margin account in totals, as decimal strings like the venue's own.

    A total is in the one currency that the side holds, and null where it holds several: unlike ones are not added.
    `availableBalance` and `maxWithdrawAmount` are the venue's own, of the whole account and in USD; null where it
    tells none. The header `Totals-Missing` says why one is null.
    """

    totalInitialMargin: str | None
    totalMaintMargin: str | None
    totalWalletBalance: str | None
    totalUnrealizedProfit: str | None
    totalMarginBalance: str | None
    availableBalance: str | None
    maxWithdrawAmount: str | None


class PmAccount(AccountData):
    """Answer to pm_get_account."""

    papi_balance: tuple[RawObject, ...]
    papi_um_account: PmUmAccount


class Collection(WireModel):
    """Answer to pm_auto_collect."""

    success: bool
    exchange: Exchange
    exchange_account_id: str
    response: RawObject


class AssetCollection(WireModel):
    """Answer to pm_asset_collect."""

    success: bool
    exchange: Exchange
    exchange_account_id: str
    asset: str
    response: RawObject


class Accepted(WireModel):
    """Answer to a command whose sender does not wait: the broker has it."""

    command_id: Annotated[str, Field(description="Names the command in its result event")]


class VenueCapabilities(WireModel):
    """What a venue lets one type of account do; what is false is refused before any call."""

    exchange: Exchange
    account_type: AccountType
    networks: Annotated[tuple[Network, ...], Field(description="Where there are accounts of this type")]
    leverage: bool
    margin_mode: bool
    position_mode: bool
    leverage_tiers: bool
    positions: bool
    funding_history: bool
    realized_pnl: bool
    margin_health: bool
    isolated_margin: bool
    portfolio_margin: bool


class Capabilities(WireModel):
    """What can be done where, as the adapters declare it."""

    venues: tuple[VenueCapabilities, ...]
