"""Numbers reach the wire digit by digit."""

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import CommandResult, Outcome, ResultEvent, Success
from schemas.events import ConfirmedBy, Timings
from schemas.outcomes import Scope
from schemas.replies import LeverageEcho, LeverageSet
from worker.messages.wire import encode, outgoing, outgoing_result, reply_of

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


def test_the_event_has_the_envelope_as_its_caller_got_it() -> None:
    echo = LeverageEcho(leverage=Decimal("10.50"), symbol="BTCUSDT")
    account = {"exchange": "binance", "exchange_account_id": "desk"}
    data = LeverageSet(**account, symbol="BTC/USDT:USDT", leverage=Decimal("10.5"), result=echo)
    envelope = Success(message="Leverage ist 10,5x: höher", data=data)
    result = CommandResult(
        command_id="1",
        operation="set_leverage",
        **account,
        actor=None,
        outcome=Outcome.APPLIED,
        requested={"leverage": Decimal("10.5")},
        applied={"leverage": Decimal("10.5")},
        confirmed_by=ConfirmedBy.ECHO,
        scope=Scope.SYMBOL,
        venue_code=None,
        venue_response={"leverage": 10},
        attempts=1,
        timings=Timings(received=1, sent=2, finished=3, deadline=4, venue=0.5),
        envelope=envelope,
    )
    event = ResultEvent(id="1", subject="desk", time="2026-01-01T00:00:00Z", epoch=1, data=result)
    reply = reply_of(envelope, {})
    told = outgoing_result(event, reply)
    assert told == outgoing(event)
    assert f'"envelope":{reply.body.decode()}' in told.body
