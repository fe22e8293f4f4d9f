"""What makes a snapshot news, and what does not."""

from decimal import Decimal
from typing import Any

import pytest

from schemas import MarginMode
from schemas.events import Trigger
from schemas.replies import Position
from tests.support.memory_venue import THEN
from tests.unit.snapshot_desk import LONG, snapshot
from worker.snapshots.news import is_news

SHORT = LONG.model_copy(update={"side": "short"})
BEFORE = snapshot(LONG, SHORT)

WITH_THE_MARKET = {
    "mark_price": Decimal(1),
    "notional": Decimal(2),
    "unrealized_pnl": Decimal(3),
    "percentage": None,
    "liquidation_price": None,
    "collateral": Decimal(4),
    "timestamp": THEN + 1,
    "datetime": "2030-01-01T00:00:00Z",
}
NEWS = {
    "symbol": "ETH/USDT:USDT",
    "side": "other",
    "contracts": Decimal("0.06"),
    "entry_price": Decimal(98001),
    "leverage": Decimal(6),
    "margin_mode": MarginMode.ISOLATED,
}
OF_THE_CONTRACT = {"contract_size", "exchange", "exchange_account_id"}


@pytest.mark.parametrize("field", WITH_THE_MARKET)
def test_what_moves_with_the_market_is_no_news(field: str) -> None:
    moved = LONG.model_copy(update={field: WITH_THE_MARKET[field]})
    assert moved != LONG
    assert not is_news(BEFORE, snapshot(moved, SHORT))


@pytest.mark.parametrize("field", NEWS)
def test_what_somebody_has_done_to_a_position_is_news(field: str) -> None:
    assert is_news(BEFORE, snapshot(LONG.model_copy(update={field: NEWS[field]}), SHORT))


def test_every_field_of_a_position_is_one_or_the_other() -> None:
    assert {*WITH_THE_MARKET, *NEWS, *OF_THE_CONTRACT} == set(Position.model_fields)


@pytest.mark.parametrize("positions", [(LONG,), (), (LONG, SHORT, SHORT.model_copy(update={"symbol": "X"}))])
def test_a_position_more_or_less_is_news(positions: tuple[Position, ...]) -> None:
    assert is_news(BEFORE, snapshot(*positions))


def test_the_order_of_positions_and_of_what_was_read_is_no_news() -> None:
    assert not is_news(BEFORE, snapshot(SHORT, LONG, coverage=("inverse", "linear")))


def test_a_number_written_with_more_zeros_is_no_news() -> None:
    assert not is_news(BEFORE, snapshot(LONG.model_copy(update={"contracts": Decimal("0.0500")}), SHORT))


@pytest.mark.parametrize("change", [{"stale": True}, {"coverage": ("linear",)}])
def test_how_much_could_be_read_is_news(change: dict[str, Any]) -> None:
    assert is_news(BEFORE, snapshot(LONG, SHORT, **change))


@pytest.mark.parametrize("change", [{"seq": 2}, {"as_of": THEN + 1}, {"trigger": Trigger.COMMAND}])
def test_that_a_snapshot_was_taken_is_no_news(change: dict[str, Any]) -> None:
    assert not is_news(BEFORE, snapshot(LONG, SHORT, **change))
