"""Every row of the table of codes, and what an answer means by it."""

import time
from typing import Any

import orjson
import pytest

from worker.venues.bybit.codes import CODES, STATUSES
from worker.venues.bybit.judge import judge
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Throttled,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return VenueResponse(
        "/v5/position/set-leverage", status, headers or {}, text, None if isinstance(body, str) else body
    )


def refusal(code: int, **more: Any) -> dict[str, Any]:
    return {"retCode": code, "retMsg": "What the venue says.", "result": {}, "retExtInfo": {}, "time": 1, **more}


def judged(given: VenueResponse) -> VenueError:
    verdict = judge(given)
    assert verdict is not None
    return verdict


def test_every_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for code, meaning in CODES.items():
        with subtests.test(code=code):
            verdict = judged(answer(refusal(code)))
            assert type(verdict) is meaning.error
            assert verdict.venue_code == str(code)
            assert verdict.raw == refusal(code)
            assert verdict.message == f"Bybit says 'What the venue says.' ({code}): {meaning.advice}"


MATTER_MOST: list[tuple[tuple[int, ...], type[VenueError]]] = [
    ((10002,), ClockSkewed),
    ((10003, 10004, 10005, 10007, 10009, 10010, 33004), AccessDenied),
    ((10006, 10018, 429, 10429), Throttled),
    ((10000, 10016, 10019), Ambiguous),
    ((110043, 110026, 110025, 34036), AlreadySo),
    ((10001, 110013), ValueRefused),
    ((110004, 110006, 110007, 110012, 110044, 110045, 110036, 110038, 3400045), PreconditionFailed),
    ((100028, 10017), NotSupported),
]


def test_the_codes_that_matter_most(subtests: pytest.Subtests) -> None:
    for codes, error in MATTER_MOST:
        with subtests.test(codes=codes):
            assert {type(judged(answer(refusal(code)))) for code in codes} == {error}


def test_every_status_without_a_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for status, meaning in STATUSES.items():
        with subtests.test(status=status):
            verdict = judged(answer("<html>", status))
            assert type(verdict) is meaning.error
            assert meaning.advice in verdict.message


def test_a_server_error_tells_nothing_whatever_it_says(subtests: pytest.Subtests) -> None:
    for status in [500, 502, 503, 504, 599]:
        for body in ["<html>", {}, refusal(110013)]:
            with subtests.test(status=status, body=body):
                assert type(judged(answer(body, status))) is Ambiguous


def test_a_code_nobody_knows_refuses_nothing_for_certain_and_is_named() -> None:
    verdict = judged(answer(refusal(987_654)))
    assert (type(verdict), verdict.venue_code) == (Unlisted, "987654")


@pytest.mark.parametrize("body", [{}, {"retMsg": "OK"}, {"retCode": "0"}, {"retCode": None}, {"retCode": True}, []])
def test_an_answer_that_does_not_say_it_is_a_success_is_none(body: Any) -> None:
    assert type(judged(answer(body))) is Ambiguous


def test_a_success_is_no_error() -> None:
    assert judge(answer(refusal(0))) is None


def test_a_code_counts_more_than_a_refusing_status() -> None:
    assert type(judged(answer(refusal(10006), 403))) is Throttled
    assert type(judged(answer(refusal(10003), 401))) is AccessDenied


def test_the_reset_of_a_limit_is_measured_by_the_clock_of_the_answer() -> None:
    verdict = judged(answer(refusal(10006, time=5_000), headers={"X-Bapi-Limit-Reset-Timestamp": "5250"}))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == 250


def test_an_answer_without_its_time_is_measured_by_our_clock() -> None:
    soon = time.time_ns() // 1_000_000 + 60_000
    verdict = judged(answer("<html>", 429, {"x-bapi-limit-reset-timestamp": str(soon)}))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is not None
    assert 50_000 < verdict.retry_after <= 60_000


def test_a_banned_address_has_to_wait_for_ten_minutes() -> None:
    verdict = judged(answer("access too frequent", 403))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == 600_000


def test_a_throttling_that_names_no_time_has_none() -> None:
    verdict = judged(answer(refusal(10018)))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is None


def test_the_reasons_of_a_refused_switch_are_told() -> None:
    reasons = [{"reasonCode": "3400000", "reasonMsg": "Equity is too low."}, {"reasonCode": "1", "reasonMsg": "More."}]
    verdict = judged(answer(refusal(3400045, result={"reasons": reasons})))
    assert verdict.message.endswith(": Equity is too low.; More.")
    assert verdict.details == {"reasons": reasons}


@pytest.mark.parametrize("result", [None, {}, {"reasons": None}, {"reasons": ["text"]}])
def test_a_refused_switch_without_readable_reasons_is_still_refused(result: Any) -> None:
    verdict = judged(answer(refusal(3400045, result=result)))
    assert (type(verdict), verdict.details) == (PreconditionFailed, {"reasons": []})
