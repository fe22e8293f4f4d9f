"""Every row of the table of codes, and what an answer means by it."""

import time
from typing import Any

import orjson
import pytest

from worker.venues.bybit.errors import CODES, STATUSES, judge
from worker.venues.bybit.limits import penalty
from worker.venues.limits.tables import Penalty
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    NotSupported,
    PreconditionFailed,
    Refused,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

CHANGE, QUESTION = "/v5/position/set-leverage", "/v5/position/list"


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None, path: str = CHANGE) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return VenueResponse(path, status, headers or {}, text, None if isinstance(body, str) else body)


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
    ((10003, 10004, 10005, 10007, 10009, 10010, 10024, 33004, -2015), AccessDenied),
    ((10006, 10018, 429, 10429), Throttled),
    ((10000, 10014, 10016, 10019, 3400214), Ambiguous),
    ((110043, 110026, 110025, 34036), AlreadySo),
    ((110013, 110086, 110107), ValueRefused),
    ((3400054, 110073, 110101), PreconditionFailed),
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


@pytest.mark.parametrize("code", [987_654, 110_091, -7, 34_040])
@pytest.mark.parametrize(("path", "status"), [(CHANGE, 200), (QUESTION, 200), (CHANGE, 403)])
def test_a_code_nobody_knows_refuses_nothing_for_certain_and_is_kept(code: int, path: str, status: int) -> None:
    verdict = judged(answer(refusal(code), status, path=path))
    assert (type(verdict), verdict.venue_code) == (Unlisted, str(code))


@pytest.mark.parametrize("status", [402, 405, 415, 418, 422, 499])
def test_a_status_nobody_knows_refuses_nothing_for_certain(status: int) -> None:
    assert type(judged(answer("<html>", status))) is Unlisted


PARAMETERS_REFUSED: list[tuple[str, str, type[VenueError]]] = [
    (CHANGE, "buyLeverage invalid", ValueRefused),
    (CHANGE, "params error: symbol invalid", UnknownSymbol),
    (CHANGE, "params error: category", Refused),
    ("/v5/account/set-margin-mode", "Illegal category", Refused),
    (QUESTION, "params error: settleCoin", Ambiguous),
    ("/v5/position/closed-pnl", "The time range between startTime and endTime cannot exceed 7 days", Ambiguous),
    ("/v5/execution/list", "symbol invalid", Ambiguous),
]


@pytest.mark.parametrize("code", [7001, 10001])
@pytest.mark.parametrize(("path", "says", "error"), PARAMETERS_REFUSED)
def test_a_parameter_that_we_chose_is_never_the_callers_fault(
    code: int, path: str, says: str, error: type[VenueError]
) -> None:
    verdict = judged(answer(refusal(code, retMsg=says), path=path))
    assert (type(verdict), verdict.venue_code) == (error, str(code))


BLOCKED = "The Amazon CloudFront distribution is configured to block access from your country."


@pytest.mark.parametrize("text", [BLOCKED, "Service is not available in your region"])
def test_who_is_in_the_wrong_country_has_no_access_and_is_not_throttled(text: str) -> None:
    blocked = answer(text, 403)
    assert type(judged(blocked)) is AccessDenied
    assert "region" in judged(blocked).message
    assert penalty(blocked) is None


def test_a_key_that_is_not_known_may_be_one_of_another_house() -> None:
    assert "bybit.eu" in judged(answer(refusal(10003))).message
    assert "`region`" in judged(answer(refusal(10003))).message


@pytest.mark.parametrize("code", [10003, 10005, 10024])
def test_a_refusal_of_a_key_bans_no_address(code: int) -> None:
    assert penalty(answer(refusal(code), 403)) is None


@pytest.mark.parametrize("text", ["access too frequent", "<html>403 Forbidden</html>"])
def test_an_address_that_is_turned_away_keeps_quiet(text: str) -> None:
    assert penalty(answer(text, 403)) == Penalty(600_000, ban=True)


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
