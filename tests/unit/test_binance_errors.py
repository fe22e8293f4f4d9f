"""Every row of the tables of codes, and which table counts where two of them could."""

import time
from typing import Any

import orjson
import pytest

from worker.venues.binance.errors import BY_FAMILY, STATUSES, UNAVAILABLE, judge
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    Misunderstood,
    PreconditionFailed,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse


def answer(body: Any, status: int = 400, family: str = "fapi", headers: dict[str, str] | None = None) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return VenueResponse(f"/{family}/v1/leverage", status, headers or {}, text, None if isinstance(body, str) else body)


def judged(given: VenueResponse) -> VenueError:
    verdict = judge(given)
    assert verdict is not None
    return verdict


def test_every_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    rows = ((family, code, rule) for family, rules in BY_FAMILY.items() for code, rule in rules.items())
    for family, code, meaning in rows:
        with subtests.test(family=family, code=code):
            body = {"code": code, "msg": "What the venue says."}
            verdict = judged(answer(body, family=family))
            assert type(verdict) is meaning.error
            assert verdict.venue_code == str(code)
            assert verdict.raw == body
            assert verdict.message == f"Binance says 'What the venue says.' ({code}): {meaning.advice}"


def test_every_status_without_a_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for status, meaning in STATUSES.items():
        with subtests.test(status=status):
            verdict = judged(answer("<html>", status))
            assert type(verdict) is meaning.error
            assert meaning.advice in verdict.message


def test_a_503_means_what_its_message_says(subtests: pytest.Subtests) -> None:
    for text, meaning in UNAVAILABLE.items():
        for as_json in [True, False]:
            with subtests.test(text=text, as_json=as_json):
                body: Any = {"code": -1000, "msg": text} if as_json else text
                assert type(judged(answer(body, 503))) is meaning.error


@pytest.mark.parametrize(
    "body", ["<h1>503 Service Unavailable</h1>", {"msg": "Down."}, "Service Unavailable. Soon back."]
)
def test_any_other_503_tells_nothing(body: Any) -> None:
    assert type(judged(answer(body, 503))) is Ambiguous


@pytest.mark.parametrize("status", [500, 502, 504, 599])
def test_a_server_error_tells_nothing(status: int) -> None:
    assert type(judged(answer({"code": -9_999, "msg": "Oops."}, status))) is Ambiguous


MATTER_MOST: list[tuple[str, int, type[VenueError]]] = [
    ("fapi", -4028, ValueRefused),
    ("fapi", -4046, AlreadySo),
    ("dapi", -4046, AlreadySo),
    ("fapi", -4047, PreconditionFailed),
    ("dapi", -4048, PreconditionFailed),
    ("fapi", -4161, PreconditionFailed),
    ("papi", -1021, ClockSkewed),
    ("papi", -1022, AccessDenied),
    ("papi", -1015, Throttled),
    ("papi", -1007, Ambiguous),
    ("papi", -2019, PreconditionFailed),
    ("papi", -21001, PreconditionFailed),
    ("fapi", -2015, AccessDenied),
    ("fapi", -1121, UnknownSymbol),
    ("fapi", -1000, Ambiguous),
]


def test_the_codes_that_matter_most_mean_the_same_in_each_family(subtests: pytest.Subtests) -> None:
    for family, code, error in MATTER_MOST:
        with subtests.test(family=family, code=code):
            assert type(judged(answer({"code": code, "msg": "."}, family=family))) is error


def test_a_code_counts_more_than_the_status() -> None:
    assert type(judged(answer({"code": -1008, "msg": "Busy."}, 503))) is Throttled
    assert type(judged(answer({"code": -1007, "msg": "Timeout."}, 408))) is Ambiguous


def test_a_negative_code_is_an_error_even_with_200() -> None:
    assert type(judged(answer({"code": -4028, "msg": "Leverage 200 is not valid"}, 200))) is ValueRefused


@pytest.mark.parametrize("body", [{"code": 200, "msg": "success"}, {"msg": "success"}, {"leverage": 10}, []])
def test_a_success_is_no_error(body: Any) -> None:
    assert judge(answer(body, 200)) is None


@pytest.mark.parametrize("code", [-99_999, -4_299, 4_028, 7])
@pytest.mark.parametrize("family", ["fapi", "dapi", "papi", "sapi"])
def test_a_code_that_no_table_has_refuses_nothing_and_keeps_its_number(family: str, code: int) -> None:
    verdict = judged(answer({"code": code, "msg": "New."}, family=family))
    assert type(verdict) is Unlisted
    assert verdict.venue_code == str(code)


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, Unlisted), (404, Unlisted), (403, Throttled), (418, Throttled), (429, Throttled), (500, Ambiguous)],
)
def test_beside_an_unknown_code_only_a_documented_status_says_enough(status: int, error: type[VenueError]) -> None:
    verdict = judged(answer({"code": -99_999, "msg": "New."}, status))
    assert type(verdict) is error
    assert verdict.venue_code == "-99999"


ONE_NUMBER_TWO_MEANINGS: list[tuple[int, type[VenueError], type[VenueError]]] = [
    (-4087, PreconditionFailed, UnknownSymbol),
    (-4088, PreconditionFailed, Misunderstood),
    (-4089, Unlisted, PreconditionFailed),
    (-4150, Unlisted, PreconditionFailed),
    (-4161, PreconditionFailed, Unlisted),
    (-4194, Unlisted, PreconditionFailed),
    (-4206, PreconditionFailed, Unlisted),
]


def test_a_number_means_what_the_page_of_its_family_says(subtests: pytest.Subtests) -> None:
    for code, usds, coin in ONE_NUMBER_TWO_MEANINGS:
        with subtests.test(code=code):
            assert type(judged(answer({"code": code, "msg": "."}, family="fapi"))) is usds
            assert type(judged(answer({"code": code, "msg": "."}, family="dapi"))) is coin


def test_the_same_number_can_have_two_remedies() -> None:
    usds, coin = (judged(answer({"code": -4202, "msg": "."}, family=family)).message for family in ("fapi", "dapi"))
    assert "identity" in usds
    assert "position limit" in coin


@pytest.mark.parametrize("code", [-4028, -1121, -2015, -4046])
def test_a_server_error_is_no_refusal_whatever_its_code(code: int) -> None:
    verdict = judged(answer({"code": code, "msg": "."}, 500))
    assert type(verdict) is Ambiguous
    assert verdict.venue_code == str(code)


@pytest.mark.parametrize(
    ("code", "message", "error"),
    [
        (-1102, "Mandatory parameter 'timestamp' was not sent, was empty/null, or malformed.", Misunderstood),
        (-1102, "Mandatory parameter 'leverage' was not sent, was empty/null, or malformed.", ValueRefused),
        (-1130, "Data sent for parameter 'asset' is not valid.", ValueRefused),
        (-1130, "Data sent for parameter 'limit' is not valid.", Misunderstood),
        (-1104, "Not all sent parameters were read; read '8' parameter(s) but was sent '9'.", Misunderstood),
        (-1106, "Parameter 'symbol' sent when not required.", ValueRefused),
        (-1131, "recvWindow must be less than 60000", Misunderstood),
    ],
)
def test_what_this_service_chose_is_not_the_callers_fault(code: int, message: str, error: type[VenueError]) -> None:
    assert type(judged(answer({"code": code, "msg": message}))) is error


def test_a_leverage_that_exists_already_is_no_wrong_value() -> None:
    refused = judged(answer({"code": -4028, "msg": "Leverage 200 is not valid"}))
    exists = judged(answer({"code": -4028, "msg": "Leverage 20 already exist with 20"}))
    assert (type(refused), type(exists)) == (ValueRefused, PreconditionFailed)


@pytest.mark.parametrize("family", ["fapi", "papi"])
def test_an_unsigned_agreement_names_its_remedy(family: str) -> None:
    verdict = judged(answer({"code": -4411, "msg": "Please sign TradFi-Perps agreement contract fapi."}, family=family))
    assert type(verdict) is PreconditionFailed
    assert "POST /fapi/v1/stock/contract" in verdict.message


@pytest.mark.parametrize(("family", "known"), [("papi", True), ("sapi", True), ("fapi", False), ("dapi", False)])
def test_a_portfolio_margin_code_means_nothing_elsewhere(family: str, known: bool) -> None:
    assert (type(judged(answer({"code": -21001, "msg": "."}, 400, family))) is PreconditionFailed) is known


def test_retry_after_is_read_in_milliseconds() -> None:
    verdict = judged(answer({"code": -1003, "msg": "Too many."}, 429, headers={"Retry-After": "7"}))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == 7_000


def test_a_ban_without_the_header_ends_when_its_message_says() -> None:
    until = time.time_ns() // 1_000_000 + 60_000
    verdict = judged(answer({"code": -1003, "msg": f"Way too many requests; IP banned until {until}."}, 418))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is not None
    assert 50_000 < verdict.retry_after <= 60_000


def test_a_throttling_that_names_no_time_has_none() -> None:
    verdict = judged(answer("<html>", 403))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is None
