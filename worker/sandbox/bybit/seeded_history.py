"""Two years of history for a seeded account: dense in its last weeks, so that a window has several pages, then sparse.

Funding of all symbols falls due in one millisecond, and profits come three at a time, so that pages end among rows of
one instant.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.bybit.contracts import BybitContract
from worker.sandbox.bybit.records import TAKER_FEE, FundingPayment, Profit
from worker.sandbox.kit.clock import DAY, HOUR, MINUTE

AGE: Milliseconds = 729 * DAY
FUNDING_INTERVAL = 8 * HOUR
DENSE_FUNDING = 21 * DAY
SPARSE_FUNDING = 6 * DAY
DENSE_PROFITS = 6 * DAY
PROFIT_EVERY = 108 * MINUTE
SPARSE_PROFITS = 9 * DAY
FILL_TIME: Milliseconds = 5
"""What lies between the making of a profit's record and its last update."""

NEWEST_ID = 900_000


class FundedContract(NamedTuple):
    """A symbol that pays funding, and how much each time, in its settle currency."""

    symbol: str
    amount: Decimal
    also_sparse: bool = False


FUNDED = (
    FundedContract("BTCUSDT", Decimal("-0.15"), also_sparse=True),
    FundedContract("ETHUSDT", Decimal("-0.08"), also_sparse=True),
    FundedContract("SOLUSDT", Decimal("0.03")),
    FundedContract("XRPUSDT", Decimal("0.02")),
    FundedContract("BNBUSDT", Decimal("-0.04")),
    FundedContract("BTCPERP", Decimal("-0.11")),
    FundedContract("BTCUSD", Decimal("0.00000152"), also_sparse=True),
)

TRADED = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
SPARSELY_TRADED = ("BTCUSDT", "BTCUSD", "BTCPERP")


def _uuid(number: int) -> str:
    return f"{number:08x}-5c1a-4b7e-9d21-{number * 7919:012x}"


@lru_cache(maxsize=4)
def funding(now: Milliseconds, contracts: tuple[BybitContract, ...]) -> tuple[FundingPayment, ...]:
    """Funding payments in ascending order."""
    by_symbol = {contract.symbol: contract for contract in contracts}
    ids = count(NEWEST_ID, -1)
    newest = now // FUNDING_INTERVAL * FUNDING_INTERVAL
    rows: list[FundingPayment] = []
    for time in range(newest, newest - DENSE_FUNDING, -FUNDING_INTERVAL):
        rows += _payments(FUNDED, time, by_symbol, ids)
    sparse = tuple(funded for funded in FUNDED if funded.also_sparse)
    for time in range(newest - DENSE_FUNDING, now - AGE, -SPARSE_FUNDING):
        rows += _payments(sparse, time, by_symbol, ids)
    return tuple(sorted(rows, key=lambda row: (row.time, row.id)))


def _payments(
    funded: tuple[FundedContract, ...], time: Milliseconds, contracts: Mapping[str, BybitContract], ids: Iterator[int]
) -> Iterator[FundingPayment]:
    for symbol, amount, _ in funded:
        contract, number = contracts[symbol], next(ids)
        yield FundingPayment(
            id=_uuid(number),
            symbol=symbol,
            category=contract.category,
            currency=contract.settle,
            amount=amount * (1 + number % 5),
            time=time,
        )


@lru_cache(maxsize=4)
def profits(now: Milliseconds, contracts: tuple[BybitContract, ...]) -> tuple[Profit, ...]:
    """Closed profits in ascending order, some of a delivery among them."""
    by_symbol = {contract.symbol: contract for contract in contracts}
    delivery = next(contract.symbol for contract in contracts if not contract.perpetual and not contract.inverse)
    newest = now - 10 * MINUTE
    due = [(newest - age, symbol) for age in range(0, DENSE_PROFITS, PROFIT_EVERY) for symbol in TRADED]
    sparse = range(DENSE_PROFITS + 7 * DAY, AGE, SPARSE_PROFITS)
    due += [(newest - age, symbol) for age in sparse for symbol in SPARSELY_TRADED]
    due += [(newest - age, delivery) for age in range(5 * HOUR, AGE, 60 * DAY)]
    numbered = zip(sorted(due, reverse=True), count(NEWEST_ID, -1), strict=False)
    rows = [_profit(by_symbol[symbol], number, time) for (time, symbol), number in numbered]
    return tuple(sorted(rows, key=lambda row: (row.created, row.order_id)))


def _profit(contract: BybitContract, number: int, time: Milliseconds) -> Profit:
    long = number % 3 > 0
    size = Decimal(100) if contract.inverse else contract.step * 20
    entry, exit_price = contract.mark_price * Decimal("0.985"), contract.mark_price * (1 - Decimal(number % 7) / 200)
    gross = contract.profit(size, entry, exit_price)
    entry_value, exit_value = contract.value(size, entry), contract.value(size, exit_price)
    return Profit(
        order_id=_uuid(number),
        symbol=contract.symbol,
        category=contract.category,
        side="Sell" if long else "Buy",
        size=size,
        entry_price=entry,
        exit_price=exit_price,
        entry_value=entry_value,
        exit_value=exit_value,
        amount=(gross if long else -gross) - (entry_value + exit_value) * TAKER_FEE,
        created=time,
        updated=time + FILL_TIME,
    )
