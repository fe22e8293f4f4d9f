"""Three months of bills for a seeded account: funding, closed and opened trades, and what happens now and then.

Funding of all instruments falls due in the same millisecond, so pages end among bills of one instant. The newest profit
of BTC has the amount of the documented example. Ids ascend with time over all types.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import count
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import DAY, HOUR, MINUTE
from worker.sandbox.okx.bill import (
    ADL,
    BLOCK_TRADE,
    DELIVERY,
    DELTA_HEDGING,
    FUNDING,
    LIQUIDATION,
    MOVED,
    SETTLEMENT,
    SPREAD,
    TRADE,
    TRANSFER,
    Bill,
)
from worker.sandbox.okx.instruments import FUTURES, SWAP

FIRST_ID = 623_950_854_533_513_219
AGE: Milliseconds = 89 * DAY
CLOSED_EVERY, OPENED_EVERY = 12 * HOUR, DAY
PROFIT = Decimal("125.50")
CENT = Decimal("0.01")
EXPENSE, INCOME = "173", "174"
UNUSUAL = (
    (DELTA_HEDGING, "132", Decimal("-33.1")),
    (BLOCK_TRADE, "205", Decimal("-44.2")),
    (SPREAD, "271", Decimal("-55.3")),
    (MOVED, "325", Decimal("6.6")),
)
"""Ways to realize a profit that are no trade in the order book: by type, subtype and amount."""
CLOSE_LONG, OPEN_LONG = "2", "1"


class FundedInstrument(NamedTuple):
    """An instrument that pays funding, what in, how much, from what position, and each how many days it is held."""

    instrument_id: str
    currency: str
    amount: Decimal
    isolated: bool = False
    instrument_type: str = SWAP
    every: int = 1


FUNDED = (
    FundedInstrument("BTC-USDT-SWAP", "USDT", Decimal("-0.15")),
    FundedInstrument("SOL-USDT-SWAP", "USDT", Decimal("0.03"), isolated=True),
    FundedInstrument("BTC-USD-SWAP", "BTC", Decimal("-0.00000152")),
    FundedInstrument("BTC-USD_UM_XPERP-310404", "USDC", Decimal("-0.02"), instrument_type=FUTURES, every=2),
)

TRADED = (("BTC-USDT-SWAP", "USDT", Decimal(1)), ("ETH-USDT-SWAP", "USDT", Decimal("-0.4")))


@lru_cache(maxsize=4)
def seeded_bills(now: Milliseconds, future: str) -> tuple[Bill, ...]:
    """The bills, oldest first. `future` is the id of a listed expiry future; a delivered one is among them too."""
    return numbered([*_funding(now), *_closed(now), *_opened(now), *_rarities(now, future)])


def numbered(bills: Iterable[Bill]) -> tuple[Bill, ...]:
    """The same bills, oldest first, with ids that ascend with time."""
    in_order = sorted(bills, key=lambda bill: bill.time)
    return tuple(bill._replace(id=number) for bill, number in zip(in_order, count(FIRST_ID, 3), strict=False))


def _funding(now: Milliseconds) -> Iterator[Bill]:
    for step, time in enumerate(range(now // DAY * DAY, now - AGE, -DAY)):
        for funded in (funded for funded in FUNDED if step % funded.every == 0):
            amount = funded.amount * (1 + step % 5)
            kind = INCOME if amount > 0 else EXPENSE
            mode, own = ("isolated", amount) if funded.isolated else ("cross", Decimal(0))
            yield Bill(
                time, FUNDING, kind, funded.instrument_type, funded.instrument_id, funded.currency, mode,
                amount - own, own, amount,
            )  # fmt: skip


def _closed(now: Milliseconds) -> Iterator[Bill]:
    newest = now - 10 * MINUTE
    for number, time in enumerate(range(newest, now - AGE, -CLOSED_EVERY)):
        instrument_id, currency, share = TRADED[number % len(TRADED)]
        profit = PROFIT * share - number * CENT * 97
        yield _trade(time, SWAP, instrument_id, currency, profit)


def _opened(now: Milliseconds) -> Iterator[Bill]:
    for time in range(now - HOUR, now - AGE, -OPENED_EVERY):
        yield _trade(time, SWAP, "BTC-USDT-SWAP", "USDT", Decimal(0))


def _trade(time: Milliseconds, kind: str, instrument_id: str, currency: str, profit: Decimal) -> Bill:
    fee, side = Decimal("-0.98"), CLOSE_LONG if profit else OPEN_LONG
    return Bill(
        time, TRADE, side, kind, instrument_id, currency, "cross", profit + fee, Decimal(0), profit, fee, Decimal(2)
    )


def _rarities(now: Milliseconds, future: str) -> Iterator[Bill]:
    """What happens now and then. The coin-margined swap makes its profits in coin."""
    delivery_time = now - 50 * DAY
    delivered = f"{future[: future.rindex('-')]}-{datetime.fromtimestamp(delivery_time / 1000, UTC):%y%m%d}"
    liquidation, delivery, adl = Decimal("-48.2"), Decimal("61.4"), Decimal("12.75")
    yield _trade(now - 3 * DAY, SWAP, "BTC-USD-SWAP", "BTC", Decimal("0.00031"))
    yield Bill(now - 40 * DAY, LIQUIDATION, "104", SWAP, "SOL-USDT-SWAP", "USDT", "isolated",
               Decimal(0), liquidation, liquidation)  # fmt: skip
    yield Bill(now - 20 * DAY, ADL, "125", SWAP, "ETH-USDT-SWAP", "USDT", "cross", adl, Decimal(0), adl)
    yield Bill(delivery_time, DELIVERY, "112", FUTURES, delivered, "USDT", "cross", delivery, Decimal(0), delivery)
    for age, (kind, side, profit) in enumerate(UNUSUAL, 12):
        yield _trade(now - age * DAY, SWAP, "ETH-USDT-SWAP", "USDT", profit)._replace(type=kind, sub_type=side)
    settled = Decimal("3.3")
    yield Bill(now - 11 * DAY, SETTLEMENT, "355", FUTURES, future, "USDT", "cross", settled, Decimal(0), settled)
    for age in range(2, 80, 13):
        yield _trade(now - age * DAY, FUTURES, future, "USDT", PROFIT - age)
    for age in range(0, 85, 17):
        yield Bill(now - age * DAY - MINUTE, TRANSFER, "11", "", "", "USDT", "", Decimal(1_000))
