"""Rows on a terminal: no number is cut or broken, however narrow it is."""

import io
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from worker.console.kit.display import table
from worker.console.kit.grid import column_widths

WIDTHS = (40, 80, 100, 120, 240)

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**9), max_value=10**9)
TEXTS = st.text(st.characters(codec="ascii", categories=("L", "Zs")), max_size=60)


def printed(width: int, shown: object) -> str:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False, color_system=None).print(shown)
    return out.getvalue()


@settings(deadline=None)
@given(st.lists(st.tuples(TEXTS, NUMBERS, NUMBERS, TEXTS, NUMBERS), min_size=1, max_size=4), st.sampled_from(WIDTHS))
def test_every_number_stands_whole_at_every_width(
    rows: list[tuple[str, Decimal, Decimal, str, Decimal]], width: int
) -> None:
    columns = ("about", "contracts", "entry price", "what it says", "PnL")
    lines = printed(width, table(columns, rows, folding=("about", "what it says"))).splitlines()
    words = [word for line in lines for word in line.split()]
    for number in (cell for row in rows for cell in row if isinstance(cell, Decimal)):
        assert str(number) in words
    assert max(map(len, lines)) <= width


@settings(deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(WIDTHS))
def test_a_text_that_folds_keeps_all_its_words(texts: list[str], width: int) -> None:
    shown = printed(width, table(("n", "says"), ((1, text) for text in texts), folding=("says",)))
    assert [text for text in texts if "".join(text.split()) not in "".join(shown.split())] == []


def test_a_row_that_does_not_fit_becomes_a_record() -> None:
    shown = printed(40, table(("symbol", "entry price", "mark price"), [("BTC/USDT:USDT", 98000.123456, 98505.123456)]))
    assert [line.split() for line in shown.splitlines()] == [
        ["symbol:", "BTC/USDT:USDT"],
        ["entry", "price:", "98000.123456"],
        ["mark", "price:", "98505.123456"],
    ]


def test_rows_about_one_thing_stand_under_its_name_where_there_is_no_room_beside_it() -> None:
    rows = [("binance-perp-001", "clock", "ok"), ("binance-perp-001", "key", "ok"), ("okx-perp-001", "key", "ok")]
    shown = printed(20, table(("account", "check", "verdict"), rows, naming=1))
    assert [line.split() for line in shown.splitlines()] == [
        ["binance-perp-001"],
        ["check", "verdict"],
        ["clock", "ok"],
        ["key", "ok"],
        [],
        ["okx-perp-001"],
        ["check", "verdict"],
        ["key", "ok"],
    ]


@pytest.mark.parametrize("width", range(20, 200, 7))
def test_columns_never_ask_for_more_than_there_is_nor_more_than_they_want(width: int) -> None:
    naturals, leasts = [12, 90, 40, 8], [12, 16, 16, 8]
    if (widths := column_widths(naturals, leasts, width)) is None:
        assert sum(leasts) + 2 * 3 > width
        return
    assert sum(widths) + 2 * 3 <= width
    assert all(least <= given <= natural for least, given, natural in zip(leasts, widths, naturals, strict=True))
