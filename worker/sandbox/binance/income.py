"""Income history: which rows a query gets (the income pages of USDⓈ-M, COIN-M and Portfolio Margin).

Checked 2026-11-29 in the official clients 18.1, 14.1 and 16.1: each family knows its own types, and `page` is gone
since 2026-10-16. That a parameter which is gone is ignored, and not refused, is a guess.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from schemas.base import Milliseconds
from worker.sandbox.binance.account import IncomeRow
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.kit.clock import DAY, HOUR

DEFAULT_LIMIT = 100
HIGHEST_LIMIT = 1_000

COIN_TYPES = frozenset(
    {
        "TRANSFER",
        "WELCOME_BONUS",
        "FUNDING_FEE",
        "REALIZED_PNL",
        "COMMISSION",
        "INSURANCE_CLEAR",
        "DELIVERED_SETTELMENT",
    }
)
PORTFOLIO_UM_TYPES = COIN_TYPES | {
    "REFERRAL_KICKBACK",
    "COMMISSION_REBATE",
    "API_REBATE",
    "CONTEST_REWARD",
    "CROSS_COLLATERAL_TRANSFER",
    "OPTIONS_PREMIUM_FEE",
    "OPTIONS_SETTLE_PROFIT",
    "INTERNAL_TRANSFER",
    "COIN_SWAP_DEPOSIT",
    "COIN_SWAP_WITHDRAW",
    "POSITION_LIMIT_INCREASE_FEE",
}
USDS_TYPES = PORTFOLIO_UM_TYPES | {
    "AUTO_EXCHANGE",
    "STRATEGY_UMFUTURES_TRANSFER",
    "FEE_RETURN",
    "BFUSD_REWARD",
    "SPECIAL_FUNDING_FEE",
}


@dataclass(frozen=True, slots=True)
class IncomeRules:
    """What types an endpoint can be asked for, and how far it looks back.

    `default_span` is what it looks at when it is told neither start nor end; `kept` is how long rows are kept, None for
    ever; start and end may lie at most `longest_span` apart, else `span_refusal` is answered.
    """

    types: frozenset[str]
    default_span: Milliseconds
    kept: Milliseconds | None = None
    longest_span: Milliseconds | None = None
    span_refusal: tuple[int, int] = (-1130, 0)


USDS_MARGINED = IncomeRules(USDS_TYPES, default_span=7 * DAY, kept=90 * DAY)
COIN_MARGINED = IncomeRules(
    COIN_TYPES, default_span=7 * DAY, longest_span=365 * DAY, span_refusal=(-1127, 365 * DAY // HOUR)
)
PORTFOLIO_UM = replace(USDS_MARGINED, types=PORTFOLIO_UM_TYPES)
PORTFOLIO_CM = IncomeRules(COIN_TYPES, default_span=200 * DAY, longest_span=200 * DAY, span_refusal=(-4165, 200))


def window(parameters: BinanceParameters, rules: IncomeRules, now: Milliseconds) -> tuple[Milliseconds, Milliseconds]:
    """Start and end of a query, both inclusive. Raises BinanceRefused for a window that the endpoint doesn't take."""
    start, end = parameters.optional_integer("startTime"), parameters.optional_integer("endTime")
    end = max(now, start or now) if end is None else end
    start = end - rules.default_span if start is None else start
    if start > end:
        raise BinanceRefused(-1023)
    if rules.longest_span is not None and end - start > rules.longest_span:
        raise BinanceRefused(*rules.span_refusal)
    return (start if rules.kept is None else max(start, now - rules.kept)), end


def _limit(parameters: BinanceParameters) -> int:
    limit = parameters.optional_integer("limit")
    limit = DEFAULT_LIMIT if limit is None else limit
    if not 1 <= limit <= HIGHEST_LIMIT:
        raise BinanceRefused(-1130, "limit")
    return limit


def select(
    rows: Sequence[IncomeRow], parameters: BinanceParameters, rules: IncomeRules, now: Milliseconds
) -> Sequence[IncomeRow]:
    """The rows of a query: the first of its window, in ascending order, at most `limit`."""
    start, end = window(parameters, rules, now)
    kind, symbol = parameters.get("incomeType"), parameters.get("symbol")
    if kind is not None and kind not in rules.types:
        raise BinanceRefused(-1130, "incomeType")
    found = [
        row for row in rows if start <= row.time <= end and kind in (None, row.type) and symbol in (None, row.symbol)
    ]
    return found[: _limit(parameters)]
