"""Months of income for a seeded account: funding, realized profits, commissions, transfers.

The newest funding row of BTCUSDT and its newest realized profit are those of the documented examples; every older
row has a lower id. Funding of all symbols falls due in the same millisecond, so pages end among rows of one instant.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.binance.account import IncomeRow
from worker.sandbox.kit.clock import DAY, HOUR, MINUTE

FUNDING_INTERVAL = 8 * HOUR
UM_DAYS = 88
CM_DAYS = 420
NEWEST_FUNDING_ID = 123_456_789
NEWEST_COIN_FUNDING_ID = 223_456_789
NEWEST_PROFIT_ID = 987_654_321
NEWEST_COIN_PROFIT_ID = 800_000_000
CENT = Decimal("0.01")


class FundedSymbol(NamedTuple):
    """A symbol that pays funding, what it pays in, and how much each time."""

    symbol: str
    asset: str
    amount: Decimal


UM_FUNDED = (
    FundedSymbol("BTCUSDT", "USDT", Decimal("-0.15")),
    FundedSymbol("ETHUSDT", "USDT", Decimal("-0.08")),
    FundedSymbol("SOLUSDT", "USDT", Decimal("0.03")),
    FundedSymbol("BTCUSDC", "USDC", Decimal("-0.11")),
    FundedSymbol("XRPUSDT", "USDT", Decimal("0.02")),
    FundedSymbol("BNBUSDT", "USDT", Decimal("-0.04")),
    FundedSymbol("DOGEUSDT", "USDT", Decimal("0.01")),
)
CM_FUNDED = (
    FundedSymbol("BTCUSD_PERP", "BTC", Decimal("-0.00000152")),
    FundedSymbol("ETHUSD_PERP", "ETH", Decimal("0.00002110")),
)

NEWEST_PROFIT = Decimal("125.50")
COIN_PROFIT = Decimal("0.00031")
PROFIT_EVERY = 36 * HOUR
DELIVERY_PROFIT_EVERY = 21 * DAY


@lru_cache(maxsize=4)
def um_income(now: Milliseconds, delivery: str) -> tuple[IncomeRow, ...]:
    """USDⓈ-M income of nearly three months, in ascending order. `delivery` is a delivery contract's symbol."""
    rows = [
        *_funding(now, UM_DAYS * DAY, UM_FUNDED, NEWEST_FUNDING_ID),
        *_profits(now, delivery),
        *_commissions(now),
        IncomeRow("", "TRANSFER", Decimal(500), "USDT", "TRANSFER", now - 30 * DAY, 5_000_001, ""),
    ]
    return ascending(rows)


@lru_cache(maxsize=4)
def cm_income(now: Milliseconds) -> tuple[IncomeRow, ...]:
    """COIN-M income of more than a year, in ascending order."""
    return ascending([*_funding(now, CM_DAYS * DAY, CM_FUNDED, NEWEST_COIN_FUNDING_ID), *_coin_profits(now)])


def ascending(rows: list[IncomeRow]) -> tuple[IncomeRow, ...]:
    """Rows in the order in which Binance gives them."""
    return tuple(sorted(rows, key=lambda row: (row.time, row.tran_id)))


def _funding(
    now: Milliseconds, age: Milliseconds, funded: tuple[FundedSymbol, ...], newest_id: int
) -> Iterator[IncomeRow]:
    ids = count(newest_id, -1)
    newest = now // FUNDING_INTERVAL * FUNDING_INTERVAL
    for step, time in enumerate(range(newest, now - age, -FUNDING_INTERVAL)):
        for symbol, asset, amount in funded:
            yield IncomeRow(symbol, "FUNDING_FEE", amount * (1 + step % 5), asset, "FUNDING_FEE", time, next(ids), "")


def _profits(now: Milliseconds, delivery: str) -> Iterator[IncomeRow]:
    newest = now - 10 * MINUTE
    ages = [("BTCUSDT", age) for age in range(0, UM_DAYS * DAY, PROFIT_EVERY)]
    ages += [("ETHUSDT", age) for age in range(2 * HOUR, UM_DAYS * DAY, PROFIT_EVERY)]
    ages += [(delivery, age) for age in range(5 * HOUR, UM_DAYS * DAY, DELIVERY_PROFIT_EVERY)]
    for number, (symbol, age) in enumerate(sorted(ages, key=lambda pair: pair[1])):
        amount = NEWEST_PROFIT - number * CENT * 317
        trade = str(300_000_000 - number)
        yield IncomeRow(symbol, "REALIZED_PNL", amount, "USDT", trade, newest - age, NEWEST_PROFIT_ID - number, trade)


def _coin_profits(now: Milliseconds) -> Iterator[IncomeRow]:
    for number, age in enumerate(range(2 * HOUR, CM_DAYS * DAY, 30 * DAY)):
        trade = str(400_000_000 - number)
        tran_id = NEWEST_COIN_PROFIT_ID - number
        yield IncomeRow("BTCUSD_PERP", "REALIZED_PNL", COIN_PROFIT, "BTC", trade, now - age, tran_id, trade)


def _commissions(now: Milliseconds) -> Iterator[IncomeRow]:
    for number, age in enumerate(range(11 * MINUTE, UM_DAYS * DAY, PROFIT_EVERY)):
        trade = str(300_000_000 - number)
        yield IncomeRow(
            "BTCUSDT", "COMMISSION", Decimal("-0.98"), "USDT", trade, now - age, 700_000_000 - number, trade
        )
