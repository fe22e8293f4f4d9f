"""What a caller is told about a request that is not of the documented form."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas import OPERATIONS
from schemas.problems import invalid_request, problems_of

REQUEST = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}


def told(body: str | bytes) -> list[tuple[str, str]]:
    with pytest.raises(ValidationError) as caught:
        OPERATIONS["set_leverage"].request.model_validate_json(body, strict=True)
    return [(row["field"], row["problem"]) for row in problems_of(caught.value)]


@pytest.mark.parametrize(
    ("change", "field", "problem"),
    [
        ({"leverage": "10"}, "leverage", "must be a number, not a string"),
        ({"leverage": None}, "leverage", "must be a number, not null"),
        ({"leverage": 0}, "leverage", "must be greater than 0"),
        ({"market_type": "spot"}, "market_type", "must be 'swap' or 'future'"),
        ({"symbol": ""}, "symbol", "must have at least 1 character"),
        ({"symbol": 5}, "symbol", "must be a valid string"),
        ({"side": "long"}, "side", "is not a known field"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_wrong(change: dict[str, Any], field: str, problem: str) -> None:
    assert told(json.dumps({**REQUEST, **change})) == [(field, problem)]


def test_every_missing_field_is_named() -> None:
    assert told(b"{}") == [(name, "is required") for name in ("exchange_account_id", "symbol", "leverage")]


@pytest.mark.parametrize("body", ["[]", "7", "null", '"text"'])
def test_json_that_is_no_object_is_said_to_be_none(body: str) -> None:
    assert told(body) == [("body", "must be a JSON object")]


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"{'a': 1}", b'{"a": 1} more'])
def test_what_is_no_json_is_said_to_be_none(body: bytes) -> None:
    [(field, problem)] = told(body)
    assert field == "body"
    assert problem.startswith("is not valid JSON: ")


def test_the_envelope_names_all_problems_in_words_and_as_data() -> None:
    envelope = invalid_request([{"field": "a", "problem": "is required"}, {"field": "b", "problem": "must be 1"}])
    assert envelope.message == "Error - a is required; b must be 1"
    assert (envelope.statusCode, envelope.error.code, envelope.error.retryable) == (400, "invalid_request", False)
    assert [row["field"] for row in envelope.error.details["fields"]] == ["a", "b"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_leverage_of_any_other_json_type_is_refused_and_nothing_breaks(value: Any) -> None:
    assert [field for field, _ in told(json.dumps({**REQUEST, "leverage": value}))] == ["leverage"]
