"""Every row of the tables of codes, and which part of an answer counts where two of them could."""

from typing import Any

import orjson
import pytest

from worker.venues.okx.errors import CODES, PARAMETERS, STATUSES, judge
from worker.venues.port.errors import (
    AccessDenied,
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

CHANGE, READ = "/api/v5/account/set-leverage", "/api/v5/account/positions"


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None, path: str = CHANGE) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    parsed = None if isinstance(body, str) else body
    return VenueResponse(path, status, headers or {}, text, parsed)


def refused(code: str, message: str = "What the venue says.") -> dict[str, Any]:
    return {"code": code, "data": [], "msg": message}


def judged(given: VenueResponse) -> VenueError:
    verdict = judge(given)
    assert verdict is not None
    return verdict


def test_every_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for code, meaning in CODES.items():
        with subtests.test(code=code):
            body = refused(code)
            verdict = judged(answer(body))
            assert type(verdict) is meaning.error
            assert (verdict.venue_code, verdict.raw) == (code, body)
            assert verdict.message == f"OKX says 'What the venue says.' ({code}): {meaning.advice}"


def test_the_code_of_an_item_means_the_same(subtests: pytest.Subtests) -> None:
    for code in CODES:
        with subtests.test(code=code):
            body = {
                "code": "1",
                "data": [{"sCode": "0"}, {"sCode": code, "sMsg": "Because."}],
                "msg": "Operation failed.",
            }
            verdict = judged(answer(body))
            assert type(verdict) is CODES[code].error
            assert verdict.message.startswith(f"OKX says 'Because.' ({code})")


def test_every_status_without_a_code_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for status, meaning in STATUSES.items():
        with subtests.test(status=status):
            verdict = judged(answer("<html>", status))
            assert type(verdict) is meaning.error
            assert meaning.advice in verdict.message


MATTER_MOST: list[tuple[str, type[VenueError]]] = [
    ("50001", Ambiguous),
    ("50004", Ambiguous),
    ("50013", Ambiguous),
    ("50026", Ambiguous),
    ("63999", Ambiguous),
    ("2", Ambiguous),
    ("50011", Throttled),
    ("50040", Throttled),
    ("50061", Throttled),
    ("50102", ClockSkewed),
    ("50105", AccessDenied),
    ("50111", AccessDenied),
    ("50113", AccessDenied),
    ("50119", AccessDenied),
    ("50120", AccessDenied),
    ("51001", UnknownSymbol),
    ("51039", NotSupported),
    ("59000", PreconditionFailed),
    ("59101", PreconditionFailed),
    ("59102", ValueRefused),
    ("59107", PreconditionFailed),
    ("59108", PreconditionFailed),
]


def test_the_codes_that_matter_most(subtests: pytest.Subtests) -> None:
    for code, error in MATTER_MOST:
        with subtests.test(code=code):
            assert type(judged(answer(refused(code)))) is error


def test_a_server_error_tells_nothing_whatever_comes_with_it(subtests: pytest.Subtests) -> None:
    for status in [500, 502, 503, 504, 599]:
        for body in [refused("51000"), refused("99999"), "<html>"]:
            with subtests.test(status=status, body=body):
                assert type(judged(answer(body, status))) is Ambiguous


def test_an_item_that_is_refused_in_a_success_is_a_refusal() -> None:
    body = {"code": "0", "data": [{"instId": "BTC-USDT-SWAP", "sCode": "59102", "sMsg": "Too high."}], "msg": ""}
    verdict = judged(answer(body))
    assert (type(verdict), verdict.venue_code) == (ValueRefused, "59102")


@pytest.mark.parametrize("code", ["51999", "59999", "70000", "-1", "5100", "A17"])
@pytest.mark.parametrize("status", [200, 400, 418, 502])
def test_a_code_nobody_knows_leaves_it_in_doubt_and_is_told(code: str, status: int) -> None:
    verdict = judged(answer(refused(code), status))
    assert (type(verdict), verdict.venue_code) == (Ambiguous if status >= 500 else Unlisted, code)


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_a_code_nobody_knows_leaves_the_meaning_to_a_status_that_has_one(status: int) -> None:
    verdict = judged(answer(refused("59999"), status))
    assert (type(verdict), verdict.venue_code) == (STATUSES[status].error, "59999")


def test_a_sub_code_means_what_its_code_means_and_is_told_whole() -> None:
    verdict = judged(answer(refused("51008_1001")))
    assert (type(verdict), verdict.venue_code) == (PreconditionFailed, "51008_1001")


@pytest.mark.parametrize("body", [{"code": 0, "data": [{"sCode": 0}]}, {"code": "0", "data": [{"sCode": ""}]}], ids=str)
def test_a_success_written_as_a_number_is_one(body: Any) -> None:
    assert judge(answer(body)) is None


@pytest.mark.parametrize("code", ["50119", "50101", "50108", "50109", "59506", "50067"])
def test_a_key_that_belongs_to_another_house_of_okx_is_told_so(code: str) -> None:
    verdict = judged(answer(refused(code), 401))
    assert type(verdict) is AccessDenied
    assert "another environment" in verdict.message or "region" in verdict.message


@pytest.mark.parametrize("code", sorted(PARAMETERS))
@pytest.mark.parametrize(
    ("path", "message", "error"),
    [
        (CHANGE, "Parameter lever error", ValueRefused),
        (CHANGE, "Parameter lever can not be empty.", ValueRefused),
        (CHANGE, "Parameter posSide error", Refused),
        (CHANGE, "Parameter mgnMode error", Refused),
        (CHANGE, "Parameter instId error", UnknownSymbol),
        (CHANGE, "JSON syntax error", Refused),
        (READ, "Parameter begin error", Ambiguous),
        (READ, "Parameter lever error", Ambiguous),
    ],
)
def test_a_parameter_that_we_chose_is_never_the_callers_fault(
    code: str, path: str, message: str, error: type[VenueError]
) -> None:
    verdict = judged(answer(refused(code, message), 400, path=path))
    assert (type(verdict), verdict.venue_code) == (error, code)
    assert ("this program chose" in verdict.message) is (error in {Refused, Ambiguous})


def test_451_is_about_access() -> None:
    assert type(judged(answer("<html>", 451))) is AccessDenied


@pytest.mark.parametrize(
    "body", [{"code": "0", "data": [], "msg": ""}, {"code": "0", "data": [{"sCode": "0"}]}, [], {}]
)
def test_a_success_is_no_error(body: Any) -> None:
    assert judge(answer(body)) is None


@pytest.mark.parametrize(("headers", "wait"), [({}, 2_000), ({"Retry-After": "7"}, 7_000)])
@pytest.mark.parametrize("body", [refused("50011"), "Too Many Requests"], ids=str)
def test_a_throttling_says_when_the_window_ends(body: Any, headers: dict[str, str], wait: int) -> None:
    verdict = judged(answer(body, 429, headers))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == wait
