"""Which of Binance's endpoints serve which kind of market and account, as data."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from worker.venues.port.adapter import Market
from worker.venues.reading.history import DAY


@dataclass(frozen=True, slots=True)
class BinanceEndpoints:
    """The endpoints for the linear or the inverse markets of a type of account, by ccxt's names for them.

    Where there is no `symbol_config`, the position endpoint lists flat markets too and carries the terms.
    `position_filter` is the parameter that endpoint narrows by: a symbol, or the pair that symbols share.
    `income_span` is the longest stretch one income request may cover, `income_kept` how long entries are kept.
    """

    coverage: str
    inverse: bool
    set_leverage: str
    brackets: str
    set_margin_mode: str | None
    symbol_config: str | None
    positions: str
    position_filter: str
    income: str
    income_span: Milliseconds
    income_kept: Milliseconds | None

    def narrowed_to(self, market: Market | None) -> dict[str, str]:
        """The parameters that narrow the position endpoint to a market."""
        if market is None:
            return {}
        whole_pair = self.position_filter == "pair"
        return {self.position_filter: market.id.partition("_")[0] if whole_pair else market.id}


STANDARD = (
    BinanceEndpoints(
        coverage="linear",
        inverse=False,
        set_leverage="fapiPrivatePostLeverage",
        brackets="fapiPrivateGetLeverageBracket",
        set_margin_mode="fapiPrivatePostMarginType",
        symbol_config="fapiPrivateGetSymbolConfig",
        positions="fapiPrivateV3GetPositionRisk",
        position_filter="symbol",
        income="fapiPrivateGetIncome",
        income_span=90 * DAY,
        income_kept=90 * DAY,
    ),
    BinanceEndpoints(
        coverage="inverse",
        inverse=True,
        set_leverage="dapiPrivatePostLeverage",
        brackets="dapiPrivateV2GetLeverageBracket",
        set_margin_mode="dapiPrivatePostMarginType",
        symbol_config=None,
        positions="dapiPrivateGetPositionRisk",
        position_filter="pair",
        income="dapiPrivateGetIncome",
        income_span=365 * DAY,
        income_kept=None,
    ),
)
"""An account of its own for each: USDⓈ-M (fapi) and COIN-M (dapi)."""

PORTFOLIO = (
    BinanceEndpoints(
        coverage="linear",
        inverse=False,
        set_leverage="papiPostUmLeverage",
        brackets="papiGetUmLeverageBracket",
        set_margin_mode=None,
        symbol_config="papiGetUmSymbolConfig",
        positions="papiGetUmPositionRisk",
        position_filter="symbol",
        income="papiGetUmIncome",
        income_span=90 * DAY,
        income_kept=90 * DAY,
    ),
    BinanceEndpoints(
        coverage="inverse",
        inverse=True,
        set_leverage="papiPostCmLeverage",
        brackets="papiGetCmLeverageBracket",
        set_margin_mode=None,
        symbol_config=None,
        positions="papiGetCmPositionRisk",
        position_filter="pair",
        income="papiGetCmIncome",
        income_span=200 * DAY,
        income_kept=None,
    ),
)
"""A Portfolio Margin account: papi only, and no endpoint for margin modes, for everything is cross."""
