"""Numbers reach the wire digit by digit."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.wire import encode

NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=None)


@given(NUMBERS)
def test_a_number_is_the_same_after_the_wire(number: Decimal) -> None:
    text = encode(number).decode()
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == number
    assert "E" not in text.upper()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("98000.00", "98000.00"),
        ("4925.25000000", "4925.25"),
        ("0.050", "0.05"),
        ("10", "10"),
        ("100", "100"),
        ("0.00000000", "0"),
        ("1E-7", "0.0000001"),
        ("12345678901.12345678", "12345678901.12345678"),
        ("-0.15", "-0.15"),
    ],
)
def test_all_digits_that_count_are_written_and_no_idle_zeros(number: str, text: str) -> None:
    assert encode(Decimal(number)).decode() == text


def test_what_has_no_json_form_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(TypeError):
        encode(object())
