"""The `data` of each operation's envelope, field by field as the HTTP API documents it."""

from typing import Annotated, Any

from pydantic import Field

from schemas.base import Milliseconds, Money, WireModel
from schemas.control import Network
from schemas.requests import MarginMode

RawObject = Annotated[dict[str, Any], Field(description="What the venue answered, unchanged")]


class AccountData(WireModel):
    """What nearly every answer begins with: whose account it is."""

    exchange: str
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
    position_side: Annotated[str | None, Field(description="long, short, both, or null when flat")]
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


class Position(WireModel):
    """One open position, with the same meaning on every venue."""

    symbol: str
    side: Annotated[str, Field(description="long or short")]
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
    exchange: str
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
    exchange: str
    exchange_account_id: str
    response: RawObject


class AssetCollection(WireModel):
    """Answer to pm_asset_collect."""

    success: bool
    exchange: str
    exchange_account_id: str
    asset: str
    response: RawObject


class Accepted(WireModel):
    """Answer to a command whose sender does not wait: the broker has it."""

    command_id: Annotated[str, Field(description="Names the command in its result event")]


class VenueCapabilities(WireModel):
    """What a venue lets one type of account do; what is false is refused before any call."""

    exchange: str
    account_type: Annotated[str, Field(description="standard or portfolio margin")]
    networks: Annotated[tuple[Network, ...], Field(description="Where there are accounts of this type")]
    leverage: bool
    margin_mode: bool
    positions: bool
    funding_history: bool
    realized_pnl: bool
    portfolio_margin: bool


class Capabilities(WireModel):
    """What can be done where, as the adapters declare it."""

    venues: tuple[VenueCapabilities, ...]
