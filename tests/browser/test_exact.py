"""Amounts in the browser: exact, whatever their length, and never through a float."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal, getcontext, localcontext
from random import Random
from typing import Any

import pytest
from playwright.async_api import Page

from tests.browser.conftest import Desk

pytestmark = pytest.mark.browser

MODULE = "/console/page/exact.js"
SEED, PAIRS = 20_261_130, 400
DIGITS = 200


@pytest.fixture
async def page(desk: Desk, admin: str) -> AsyncIterator[Page]:
    """A page of the console, whose modules are asked."""
    async with desk.open(admin) as (opened, _):
        yield opened


async def asked(page: Page, name: str, *values: Any) -> Any:
    """What a function of the module makes of these."""
    return await page.evaluate(
        "async ([path, name, values]) => (await import(path))[name](...values)", [MODULE, name, list(values)]
    )


def amounts() -> list[tuple[str, str]]:
    """Pairs of amounts of every length and sign, and with exponents."""
    random = Random(SEED)

    def one() -> str:
        whole, fraction = (
            random.randrange(10 ** random.randrange(1, 24)),
            random.randrange(10 ** random.randrange(1, 24)),
        )
        exponent = random.choice(["", "", f"e-{random.randrange(9)}", f"E+{random.randrange(9)}"])
        return f"{random.choice(['', '-'])}{whole}.{fraction}{exponent}"

    return [(one(), one()) for _ in range(PAIRS)]


async def test_sums_and_differences_are_those_of_decimal_arithmetic(page: Page) -> None:
    pairs = amounts()
    found = await page.evaluate(
        "async ([path, pairs]) => { const m = await import(path);"
        " return pairs.map(([a, b]) => [m.add(a, b), m.subtract(a, b), m.compare(a, b)]); }",
        [MODULE, pairs],
    )
    with localcontext() as context:
        context.prec = DIGITS
        for (first, second), (total, difference, order) in zip(pairs, found, strict=True):
            a, b = Decimal(first), Decimal(second)
            assert (Decimal(total), Decimal(difference), order) == (a + b, a - b, (a > b) - (a < b)), (first, second)


async def test_a_quotient_is_cut_and_never_rounded_up(page: Page) -> None:
    assert await asked(page, "divide", "2", "3", 2) == "0.66"
    assert await asked(page, "divide", "-2", "3", 2) == "-0.66"
    assert await asked(page, "divide", "1e2", "8", 3) == "12.5"


async def test_what_no_float_holds_is_read_and_shown_digit_by_digit(page: Page) -> None:
    text = '{"a": 0.1, "b": 12345678901234567890.123456789, "c": 1706745600000, "d": -0.150, "e": "7", "f": 1e-7}'
    read = await asked(page, "parse", text)
    assert read == {
        "a": "0.1",
        "b": "12345678901234567890.123456789",
        "c": 1706745600000,
        "d": "-0.150",
        "e": "7",
        "f": "1e-7",
    }
    assert await asked(page, "sum", ["0.1", "0.2"]) == "0.3"
    assert await asked(page, "grouped", read["b"]) == "12,345,678,901,234,567,890.123456789"
    assert await asked(page, "signed", read["d"]) == "\N{MINUS SIGN}0.15"
    assert await asked(page, "signed", "0.00") == "0"
    assert json.loads(text)["b"] != read["b"]
    assert getcontext().prec < DIGITS


async def test_amounts_of_unlike_currencies_are_never_added(page: Page) -> None:
    rows = [["USDT", "1.5"], ["BTC", "0.1"], ["USDT", "-0.5"]]
    sums = await page.evaluate("async ([path, rows]) => [...(await import(path)).sumsByCurrency(rows)]", [MODULE, rows])
    assert sums == [["BTC", "0.1"], ["USDT", "1"]]


@pytest.mark.parametrize("nothing", [None, "", "none", "NaN", "1,5", "0x10"])
async def test_what_is_no_amount_is_not_taken_for_one(page: Page, nothing: str | None) -> None:
    assert await asked(page, "isAmount", nothing) is False


async def test_events_come_whole_in_whatever_pieces_they_arrive(page: Page) -> None:
    text = ': ping\n\nid: 7\nevent: result\ndata: {"a": 1}\n\nid: 8\r\nevent: positions\r\ndata: x\r\ndata: y\r\n\r\n'
    told = await page.evaluate(
        "async text => { const { Lines } = await import('/console/page/events.js'); const whole = [];"
        " for (let size = 1; size < text.length; size += 3) { const found = [];"
        " const lines = new Lines(event => found.push(event));"
        " for (let at = 0; at < text.length; at += size) lines.feed(text.slice(at, at + size)); whole.push(found); }"
        " return whole; }",
        text,
    )
    events = [{"id": "7", "event": "result", "data": '{"a": 1}'}, {"id": "8", "event": "positions", "data": "x\ny"}]
    assert all(found == events for found in told)


async def test_a_spreadsheet_runs_nothing_of_what_it_is_given(page: Page) -> None:
    row = {"timestamp": 0, "symbol": "=cmd()", "amount": "-0.10", "code": "USDT", "id": '-1+1,"x"'}
    text = await page.evaluate("async row => (await import('/console/page/history.js')).csv('a', [row])", row)
    assert text.splitlines()[1] == '1970-01-01T00:00:00.000Z,a,\'=cmd(),-0.10,USDT,"\'-1+1,""x"""'
