"""Adding amounts of money: never those of unlike currencies, for nobody has said what one is worth in the other."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple


class CurrencyAmount(NamedTuple):
    """So much of a currency."""

    currency: str
    amount: Decimal


def total(amounts: Iterable[CurrencyAmount]) -> Decimal | None:
    """The sum of amounts of one currency; None where there are several. What is nothing has no currency.

    >>> dollars, nothing = CurrencyAmount("USDT", Decimal(2)), CurrencyAmount("BTC", Decimal(0))
    >>> total([dollars, dollars, nothing]), total([dollars, CurrencyAmount("BTC", Decimal(1))])
    (Decimal('4'), None)
    """
    held = [row for row in amounts if row.amount]
    return sum((row.amount for row in held), Decimal(0)) if len({row.currency for row in held}) <= 1 else None
