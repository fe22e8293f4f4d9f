"""Months of the past for seeded accounts: hourly funding, and fills of which every second one closes something.

Funding of all coins falls due in the same millisecond and fills come in bursts of three, so that pages end among rows
of one instant.
"""

from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.account import ZERO, Fill, Payment
from worker.sandbox.kit.clock import DAY, HOUR, MINUTE

FUNDING_DAYS = 30
FILLS = 6_600
FILLS_EVERY = 13 * MINUTE
BURST = 3
NEWEST_TRADE = 900_000_000_000
FEE = Decimal("0.0886")
RATE = Decimal("0.0000125")


class FundedCoin(NamedTuple):
    """A coin that pays funding each hour, and how much."""

    coin: str
    usdc: Decimal
    size: Decimal


FUNDED = (
    FundedCoin("BTC", Decimal("-0.0615"), Decimal("0.05")),
    FundedCoin("SOL", Decimal("0.0116"), Decimal("-5")),
    FundedCoin("xyz:GOLD", Decimal("-0.0309"), Decimal("0.6")),
)


class Traded(NamedTuple):
    """What is traded in turn: of a perpetual something is opened and then closed again."""

    coin: str
    price: Decimal
    size: Decimal
    profit: Decimal


TRADED = (
    Traded("BTC", Decimal("98000"), Decimal("0.002"), Decimal("1.25")),
    Traded("ETH", Decimal("3190"), Decimal("0.05"), Decimal("-0.75")),
    Traded("@1", Decimal("25.5"), Decimal("2"), Decimal("0.4")),
    Traded("xyz:GOLD", Decimal("4100"), Decimal("0.02"), Decimal("0.35")),
    Traded("PURR/USDC", Decimal("0.2"), Decimal("100"), Decimal("-0.1")),
)


@lru_cache(maxsize=4)
def payments(now: Milliseconds) -> tuple[Payment, ...]:
    """Funding of a month, in ascending order."""
    newest = now // HOUR * HOUR
    return tuple(
        Payment(time, funded.coin, funded.usdc, funded.size, RATE)
        for time in range(newest - FUNDING_DAYS * DAY + HOUR, newest + 1, HOUR)
        for funded in FUNDED
    )


@lru_cache(maxsize=4)
def fills(now: Milliseconds, number: int) -> tuple[Fill, ...]:
    """This many fills up to now, in ascending order."""
    return tuple(_fills(now - MINUTE, number))


def _fills(newest: Milliseconds, number: int) -> Iterator[Fill]:
    for age in range(number - 1, -1, -1):
        turn, closes = divmod(age, 2)
        coin, price, size, profit = TRADED[turn % len(TRADED)]
        closing = not closes
        yield Fill(
            time=newest - age // BURST * FILLS_EVERY,
            coin=coin,
            buys=not closing,
            price=price,
            size=size,
            start=size if closing else ZERO,
            closed_pnl=profit if closing else ZERO,
            fee=FEE,
            tid=NEWEST_TRADE - age,
            oid=(NEWEST_TRADE - age) // 3,
        )
