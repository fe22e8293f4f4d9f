"""Request bodies of the ten documented operations: what a strategy engine publishes and an HTTP client sends."""

from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from .base import LATEST, Milliseconds, Number, WireModel


class MarketType(StrEnum):
    """Perpetual swaps, or futures that are delivered on a date."""

    SWAP = "swap"
    FUTURE = "future"


class MarginMode(StrEnum):
    """Whether a position shares the account's margin or holds its own."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PositionMode(StrEnum):
    """Whether long and short of a market are netted, or two positions of their own."""

    ONE_WAY = "one_way"
    HEDGE = "hedge"


AccountId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=128,
        description="The exchange account, by its id in the registry",
        examples=["binance-perp-001"],
    ),
]
Symbol = Annotated[
    str,
    Field(
        min_length=1,
        max_length=64,
        description="Unified symbol: BASE/QUOTE:SETTLE, with -YYMMDD behind it for a delivery future",
        examples=["BTC/USDT:USDT"],
    ),
]
Settle = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9]{1,20}$",
        description="Settle currency in capitals: all markets that are settled in it",
        examples=["USDT"],
    ),
]
Market = Annotated[MarketType, Field(description="Perpetual swaps or delivery futures")]
Since = Annotated[
    Milliseconds, Field(ge=0, le=LATEST, description="Oldest record wanted, UTC milliseconds", examples=[1706745600000])
]
Limit = Annotated[int, Field(ge=1, le=100_000, description="How many records at most", examples=[10])]

NextCursor = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4_096,
        pattern=r"^[A-Za-z0-9_-]+$",
        description="Where to go on: the `Next-Cursor` of the answer before, unchanged",
    ),
]


class Request(WireModel):
    """What every request names: the account it is for."""

    exchange_account_id: AccountId


class SymbolRequest(Request):
    """A request about one market of an account."""

    symbol: Symbol
    market_type: Market = MarketType.SWAP


MOST_LEVERAGE = 10_000
"""Far above what any venue takes. Beyond it a number is a mistake, and may have hundreds of digits."""


MOST_NOTIONAL = 10**15
"""Far above what anybody holds."""


class SetLeverage(SymbolRequest):
    """Set the leverage of a market. Never changes its margin mode."""

    leverage: Annotated[
        Number,
        Field(
            gt=0,
            le=MOST_LEVERAGE,
            description="Leverage as a multiple, 10 for 10x",
            examples=[10],
            # The type's own JSON Schema would drop the bounds.
            json_schema_extra={"exclusiveMinimum": 0, "maximum": MOST_LEVERAGE},
        ),
    ]
    notional: Annotated[
        Number | None,
        Field(
            gt=0,
            le=MOST_NOTIONAL,
            description="Value of the position that is to have it, in the `currency` of get_leverage_tiers: refused "
            "before anything is sent where the tier of such a position does not allow the leverage",
            examples=[250000],
            json_schema_extra={"exclusiveMinimum": 0, "maximum": MOST_NOTIONAL},
        ),
    ] = None


class GetLeverage(SymbolRequest):
    """Read leverage, margin mode and position size of a market."""


class SetMarginMode(SymbolRequest):
    """Switch a market between cross and isolated margin. Never changes its leverage."""

    margin_mode: Annotated[MarginMode, Field(description="The margin mode wanted", examples=["isolated"])]


class PositionModeRequest(Request):
    """A request about a position mode: that of the account, or of what a symbol or a settle currency names.

    Bybit keeps one for each market, Gate one for each settle currency: there one of the two is needed to change it.
    Elsewhere the account has one mode, whatever is named.
    """

    model_config = ConfigDict(json_schema_extra={"not": {"required": ["symbol", "settle"]}})

    symbol: Symbol | None = None
    settle: Settle | None = None
    market_type: Market = MarketType.SWAP

    @model_validator(mode="after")
    def _names_one_part(self) -> Self:
        if self.symbol is not None and self.settle is not None:
            raise ValueError("must name a symbol or a settle currency, not both")
        return self


class GetPositionMode(PositionModeRequest):
    """Read the position modes of an account, or of one part of it."""


class SetPositionMode(PositionModeRequest):
    """Switch an account, or a part of it, between one-way and hedge mode. Nothing may be open there."""

    position_mode: Annotated[PositionMode, Field(description="The position mode wanted", examples=["hedge"])]


class GetLeverageTiers(Request):
    """Read how much leverage a position of a size may have, and what margin it must keep: of one market, or of all."""

    symbol: Symbol | None = None
    market_type: Market = MarketType.SWAP


class GetPositions(Request):
    """Read the open positions of an account."""

    symbol: Symbol | None = None
    market_type: Market = MarketType.SWAP


class HistoryRequest(Request):
    """A stretch of an account's history: from `since` forward, or the newest records without it.

    An answer that is not all there is comes with a cursor, `Next-Cursor`. The same request with that cursor gives what
    follows, in the same direction; `since` says nothing then.
    """

    symbol: Symbol | None = None
    since: Since | None = None
    limit: Limit | None = None
    market_type: Market = MarketType.SWAP
    cursor: NextCursor | None = None


class GetFundingHistory(HistoryRequest):
    """Read the funding payments of an account; received is positive, paid is negative."""


class GetRealizedPnl(HistoryRequest):
    """Read the realized profits and losses of an account, before fees."""


class PmGetBalance(Request):
    """Read the balances of a Binance Portfolio Margin account, asset by asset."""


class PmGetAccount(Request):
    """Read what Binance itself says of a Portfolio Margin account."""


class PmAutoCollect(Request):
    """Sweep all futures balances but BNB into the cross margin wallet."""


class PmAssetCollect(Request):
    """Sweep the futures balance of one asset into the cross margin wallet. BNB can't be swept."""

    asset: Annotated[
        str,
        Field(pattern=r"^[A-Z0-9]{1,20}$", description="Asset in capitals, as the venue writes it", examples=["USDT"]),
    ]
