"""What an account's history consists of."""

from decimal import Decimal
from typing import NamedTuple

from schemas.base import Milliseconds

TAKER_FEE = Decimal("0.00055")


SETTLEMENT = "SETTLEMENT"
"""The type of a record of the transaction log about funding."""


class FundingPayment(NamedTuple):
    """A record of the transaction log, most of them funding payments: `amount` is positive when received.

    A record of another `type` may have no amount of that kind, but a `cash_flow`.
    """

    id: str
    symbol: str
    category: str
    currency: str
    amount: Decimal | None
    time: Milliseconds
    type: str = SETTLEMENT
    cash_flow: Decimal = Decimal(0)


class BybitFill(NamedTuple):
    """A trade that has changed a position; `type` is the venue's word for it, `closed` what it took away."""

    id: str
    symbol: str
    category: str
    side: str
    size: Decimal
    price: Decimal
    closed: Decimal
    type: str
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
