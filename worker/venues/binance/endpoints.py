"""Which of Binance's endpoints serve which kind of market and account, as data.

Sources: the endpoints' own pages, read 2026-11-29 in the official clients 18.1, 14.1 and 16.1.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.venues.port.adapter import Market
from worker.venues.reading.history import DAY

THREE_MONTHS = 89 * DAY
"""The shortest of them: "Income history only contains data for the last three months" (USDⓈ-M, UM)."""


def pair_of(market_id: str) -> str:
    """The pair of a COIN-M contract: BTCUSD of BTCUSD_PERP and of BTCUSD_261225."""
    return market_id.partition("_")[0]


class ModeEndpoints(NamedTuple):
    """The endpoints that tell a position mode, and that switch it."""

    told_by: str
    switched_by: str


@dataclass(frozen=True, slots=True)
class BinanceEndpoints:
    """The endpoints for the linear or the inverse markets of a type of account, by ccxt's names for them.

    Where there is no `symbol_config`, the position endpoint lists flat markets too and carries the terms.
    `position_filter` is the parameter that endpoint narrows by: a symbol, or the pair that symbols share. Where it
    lists only contracts that trade unless a pair is named (Position Information of COIN-M, Query CM Position
    Information), `account` is an endpoint that lists the amounts of all.
    `modes` are the endpoints that tell and switch the position mode, where it is not that of the other kind as well.
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
    account: str | None
    modes: ModeEndpoints | None
    open_orders: str
    isolated_margin: str | None
    margin_history: str | None
    income: str
    income_span: Milliseconds
    income_kept: Milliseconds | None

    @property
    def all_cross(self) -> bool:
        """Whether the account has no other margin mode than cross, so that rows need not say it."""
        return self.set_margin_mode is None

    def narrowed_to(self, market: Market | None) -> dict[str, str]:
        """The parameters that narrow the position endpoint to a market."""
        if market is None:
            return {}
        return {self.position_filter: pair_of(market.id) if self.position_filter == "pair" else market.id}


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
        account=None,
        modes=ModeEndpoints("fapiPrivateGetPositionSideDual", "fapiPrivatePostPositionSideDual"),
        open_orders="fapiPrivateGetOpenOrders",
        isolated_margin="fapiPrivatePostPositionMargin",
        margin_history="fapiPrivateGetPositionMarginHistory",
        income="fapiPrivateGetIncome",
        income_span=THREE_MONTHS,
        income_kept=THREE_MONTHS,
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
        account="dapiPrivateGetAccount",
        modes=None,
        open_orders="dapiPrivateGetOpenOrders",
        isolated_margin="dapiPrivatePostPositionMargin",
        margin_history="dapiPrivateGetPositionMarginHistory",
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
        account=None,
        modes=ModeEndpoints("papiGetUmPositionSideDual", "papiPostUmPositionSideDual"),
        open_orders="papiGetUmOpenOrders",
        isolated_margin=None,
        margin_history=None,
        income="papiGetUmIncome",
        income_span=THREE_MONTHS,
        income_kept=THREE_MONTHS,
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
        account="papiGetCmAccount",
        modes=ModeEndpoints("papiGetCmPositionSideDual", "papiPostCmPositionSideDual"),
        open_orders="papiGetCmOpenOrders",
        isolated_margin=None,
        margin_history=None,
        income="papiGetCmIncome",
        income_span=200 * DAY,
        income_kept=None,
    ),
)
"""A Portfolio Margin account: papi only, and no endpoint for margin modes, for everything is cross."""

_NAME = re.compile(
    r"(?P<family>[a-z]api)(?:Private|Public)?(?P<version>V[0-9])?(?P<method>Get|Post|Put)(?P<path>[A-Z]\w*)"
)
_SIDE = re.compile(r"^(um|cm)(?=[A-Z])")


@cache
def spoken(name: str) -> str:
    """An endpoint as Binance writes it, by ccxt's name for it.

    >>> spoken("fapiPrivatePostLeverage"), spoken("papiGetUmPositionRisk"), spoken("dapiPrivateV2GetLeverageBracket")
    ('POST /fapi/v1/leverage', 'GET /papi/v1/um/positionRisk', 'GET /dapi/v2/leverageBracket')
    >>> spoken("papiPostUmPositionSideDual")
    'POST /papi/v1/um/positionSide/dual'
    """
    found = _NAME.fullmatch(name)
    if found is None:
        return name
    camel = found["path"][:1].lower() + found["path"][1:]
    camel = camel.replace("ositionSideDual", "ositionSide/dual")
    path = _SIDE.sub(lambda side: side[1] + "/", camel)
    if path != camel:
        path = path[:3] + path[3:4].lower() + path[4:]
    return f"{found['method'].upper()} /{found['family']}/{(found['version'] or 'V1').lower()}/{path}"
