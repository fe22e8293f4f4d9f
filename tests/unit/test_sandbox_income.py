"""Which rows of its income an account gets to see."""

from decimal import Decimal

import pytest

from worker.sandbox.binance.account import IncomeRow
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.income import COIN_MARGINED, PORTFOLIO_CM, PORTFOLIO_UM, USDS_MARGINED, IncomeRules, select
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.seeded_income import cm_income, um_income
from worker.sandbox.kit.clock import DAY, HOUR

NOW = 1_795_000_000_000
UM = um_income(NOW, "BTCUSDT_261225")
CM = cm_income(NOW)


def ask(rules: IncomeRules, rows: tuple[IncomeRow, ...] = UM, /, **parameters: object) -> list[IncomeRow]:
    return list(select(rows, BinanceParameters({name: str(value) for name, value in parameters.items()}), rules, NOW))


def refusal(rules: IncomeRules, **parameters: object) -> int:
    with pytest.raises(BinanceRefused) as refused:
        ask(rules, **parameters)
    return refused.value.code


def test_without_start_and_end_the_last_seven_days_are_given() -> None:
    rows = ask(USDS_MARGINED, limit=1000)
    assert rows == [row for row in UM if row.time >= NOW - 7 * DAY]


def test_rows_come_in_ascending_order_a_hundred_at_a_time() -> None:
    rows = ask(USDS_MARGINED, startTime=NOW - 60 * DAY)
    assert len(rows) == 100
    assert rows == sorted(rows, key=lambda row: row.time)
    assert rows[0].time < NOW - 59 * DAY


def test_start_and_end_are_inclusive() -> None:
    instant = UM[500].time
    rows = ask(USDS_MARGINED, startTime=instant, endTime=instant)
    assert rows == [row for row in UM if row.time == instant]


def test_a_window_goes_on_at_the_last_instant_of_the_page_before() -> None:
    window = {"endTime": NOW, "incomeType": "FUNDING_FEE", "limit": 1000}
    first = ask(USDS_MARGINED, startTime=NOW - 90 * DAY, **window)
    following = ask(USDS_MARGINED, startTime=first[-1].time, **window)
    assert [row for row in UM if row.type == "FUNDING_FEE"] == [*first, *(row for row in following if row not in first)]


def test_the_page_that_was_withdrawn_is_not_honoured() -> None:
    window = {"startTime": NOW - 90 * DAY, "endTime": NOW, "incomeType": "FUNDING_FEE", "limit": 1000}
    assert ask(USDS_MARGINED, **window, page=2) == ask(USDS_MARGINED, **window)


def test_a_page_of_the_seed_ends_among_rows_of_the_same_millisecond() -> None:
    window = {"startTime": NOW - 90 * DAY, "incomeType": "FUNDING_FEE"}
    last, following = ask(USDS_MARGINED, limit=999, **window)[-1], ask(USDS_MARGINED, limit=1000, **window)[-1]
    assert last.time == following.time
    assert last.tran_id != following.tran_id


@pytest.mark.parametrize(
    ("rules", "known", "unknown"),
    [
        (USDS_MARGINED, "SPECIAL_FUNDING_FEE", "FUNDING"),
        (COIN_MARGINED, "DELIVERED_SETTELMENT", "SPECIAL_FUNDING_FEE"),
        (PORTFOLIO_UM, "POSITION_LIMIT_INCREASE_FEE", "BFUSD_REWARD"),
        (PORTFOLIO_CM, "INSURANCE_CLEAR", "COMMISSION_REBATE"),
    ],
)
def test_each_family_knows_its_own_types(rules: IncomeRules, known: str, unknown: str) -> None:
    assert ask(rules, incomeType=known) == []
    assert refusal(rules, incomeType=unknown) == -1130


def test_type_and_symbol_filter() -> None:
    rows = ask(USDS_MARGINED, startTime=NOW - 80 * DAY, limit=1000, incomeType="REALIZED_PNL", symbol="ETHUSDT")
    assert {(row.type, row.symbol) for row in rows} == {("REALIZED_PNL", "ETHUSDT")}


def test_three_months_are_kept_and_no_more() -> None:
    old = IncomeRow("BTCUSDT", "FUNDING_FEE", Decimal(1), "USDT", "FUNDING_FEE", NOW - 91 * DAY, 1, "")
    assert old not in ask(USDS_MARGINED, (old, *UM), startTime=NOW - 200 * DAY, limit=1000)
    assert ask(COIN_MARGINED, (old,), startTime=NOW - 200 * DAY) == [old]


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"startTime": 2, "endTime": 1}, -1023),
        ({"startTime": "yesterday"}, -1100),
        ({"limit": 1001}, -1130),
        ({"limit": 0}, -1130),
        ({"incomeType": "FUNDING"}, -1130),
    ],
)
def test_impossible_queries_are_refused(parameters: dict[str, object], code: int) -> None:
    assert refusal(USDS_MARGINED, **parameters) == code


def test_coin_margined_windows_span_a_year_at_most() -> None:
    assert refusal(COIN_MARGINED, startTime=NOW - 366 * DAY) == -1127
    assert ask(COIN_MARGINED, CM, startTime=NOW - 365 * DAY)[0].time - (NOW - 365 * DAY) < 8 * HOUR


def test_portfolio_coin_margined_windows_span_two_hundred_days_which_is_the_default() -> None:
    assert refusal(PORTFOLIO_CM, startTime=NOW - 201 * DAY) == -4165
    assert ask(PORTFOLIO_CM, CM)[0].time - (NOW - 200 * DAY) < 8 * HOUR


def test_the_newest_seeded_rows_are_the_documented_ones() -> None:
    funding = ask(USDS_MARGINED, symbol="BTCUSDT", incomeType="FUNDING_FEE")[-1]
    assert (funding.tran_id, funding.amount, funding.asset) == (123_456_789, Decimal("-0.15"), "USDT")
    profit = ask(USDS_MARGINED, incomeType="REALIZED_PNL")[-1]
    assert (profit.tran_id, profit.amount, profit.symbol) == (987_654_321, Decimal("125.50"), "BTCUSDT")


@pytest.mark.parametrize("rows", [UM, CM])
def test_ids_are_unique_within_a_type(rows: tuple[IncomeRow, ...]) -> None:
    assert len({(row.type, row.tran_id) for row in rows}) == len(rows)


def test_deliveries_have_realized_profits_and_no_funding() -> None:
    types = {row.type for row in UM if row.symbol == "BTCUSDT_261225"}
    assert types == {"REALIZED_PNL"}
