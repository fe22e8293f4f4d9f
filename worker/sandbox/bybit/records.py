"""What an account's history consists of."""

from decimal import Decimal
from typing import NamedTuple

from schemas.base import Milliseconds

TAKER_FEE = Decimal("0.00055")


class FundingPayment(NamedTuple):
    """A funding payment, positive when received, in the currency it is paid in."""

    id: str
    symbol: str
    category: str
    currency: str
    amount: Decimal
    time: Milliseconds


class Profit(NamedTuple):
    """A closed position, or a part of one. `side` is that of the closing order, `amount` is net of both fees."""

    order_id: str
    symbol: str
    category: str
    side: str
    size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    entry_value: Decimal
    exit_value: Decimal
    amount: Decimal
    created: Milliseconds
    updated: Milliseconds
