"""Reading OKX's answers: a list under `data`, numbers and instants as text, empty text for what is not there.

Endpoints are named as OKX's documents name them, so that what can't be understood can be looked up there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous

TIME = "GET /api/v5/public/time"
INSTRUMENTS = "GET /api/v5/public/instruments"
CONFIG = "GET /api/v5/account/config"
BALANCE = "GET /api/v5/account/balance"
POSITIONS = "GET /api/v5/account/positions"
MARGIN_BALANCE = "POST /api/v5/account/position/margin-balance"
LEVERAGE_INFO = "GET /api/v5/account/leverage-info"
SET_LEVERAGE = "POST /api/v5/account/set-leverage"
SET_POSITION_MODE = "POST /api/v5/account/set-position-mode"
ORDERS = "GET /api/v5/trade/orders-pending"
TIERS = "GET /api/v5/public/position-tiers"
BILLS = "GET /api/v5/account/bills-archive"
RECENT_BILLS = "GET /api/v5/account/bills"


def items(body: Any, endpoint: str) -> list[Row]:
    """The items of a successful answer. Raises Ambiguous for any other shape."""
    envelope = shape.mapping(body, endpoint)
    if envelope.get("code") != "0":
        raise Ambiguous(f"OKX's answer to {endpoint} does not say that it succeeded", raw=body)
    return shape.rows(envelope.get("data"), endpoint)


def only_item(body: Any, endpoint: str) -> Row:
    """The one item of a successful answer. Raises Ambiguous for none, or for several."""
    found = items(body, endpoint)
    if len(found) != 1:
        raise Ambiguous(f"OKX's answer to {endpoint} has {len(found)} items, not one", raw=body)
    return found[0]


@contextmanager
def reading(endpoint: str, row: Row) -> Iterator[None]:
    """Read a row of an answer. What is amiss with it is raised with the endpoint, and the instrument it is about."""
    try:
        yield
    except Ambiguous as error:
        named = row.get("instId")
        about = f", {named}" if isinstance(named, str) and named and named not in error.message else ""
        raise Ambiguous(f"{endpoint}{about}: {error.message}", raw=error.raw) from error


def optional(row: Row, name: str) -> Decimal | None:
    """A number, or None where OKX leaves the field empty. Raises Ambiguous if it is unreadable."""
    return None if row.get(name) in (None, "") else shape.decimal(row, name)


def instant(row: Row, name: str) -> Milliseconds:
    """An instant, written as text. Raises Ambiguous, naming the field."""
    return int(shape.decimal(row, name))
