"""Every row of Gate's tables of labels, and which table counts where two of them could."""

import json
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from worker.venues.gate.errors import CODES, LONGEST_WAIT, STATUSES, judge
from worker.venues.gate.hosts import HOSTS, WITHOUT_DERIVATIVES
from worker.venues.port.errors import (
    AccessDenied,
    AlreadySo,
    Ambiguous,
    ClockSkewed,
    PreconditionFailed,
    Refused,
    Throttled,
    UnknownSymbol,
    Unlisted,
    ValueRefused,
    VenueError,
)
from worker.venues.port.response import VenueResponse

DOCUMENTED = Path(__file__).parents[1] / "contract" / "documented" / "gate.json"
RESET = "X-Gate-RateLimit-Reset-Timestamp"


SHORT = "/futures/usdt/positions/BTC_USDT/leverage"
CHANGE, QUESTION = "/api/v4/futures/usdt/positions/BTC_USDT/leverage", "/api/v4/futures/usdt/account_book"


def answer(body: Any, status: int = 400, headers: dict[str, str] | None = None, path: str = CHANGE) -> VenueResponse:
    text = body if isinstance(body, str) else orjson.dumps(body).decode()
    return VenueResponse(path, status, headers or {}, text, None if isinstance(body, str) else body)


def judged(given: VenueResponse) -> VenueError:
    verdict = judge(given)
    assert verdict is not None
    return verdict


def test_every_label_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for label, meaning in CODES.items():
        for field in ["message", "detail"]:
            with subtests.test(label=label, field=field):
                body = {"label": label, field: "What the venue says."}
                verdict = judged(answer(body))
                assert type(verdict) is meaning.error
                assert (verdict.venue_code, verdict.raw) == (label, body)
                assert verdict.message == f"Gate says 'What the venue says.' ({label}) to {SHORT}: {meaning.advice}"


def test_every_status_without_a_label_is_judged_by_its_row(subtests: pytest.Subtests) -> None:
    for status, meaning in STATUSES.items():
        with subtests.test(status=status):
            verdict = judged(answer("<html>", status))
            assert type(verdict) is meaning.error
            assert verdict.message == f"Gate answered {SHORT} with HTTP {status}: {meaning.advice}"
            assert verdict.venue_code is None


MATTER_MOST: list[tuple[str, type[VenueError]]] = [
    ("INVALID_KEY", AccessDenied),
    ("INVALID_SIGNATURE", AccessDenied),
    ("IP_FORBIDDEN", AccessDenied),
    ("REQUEST_EXPIRED", ClockSkewed),
    ("TOO_MANY_REQUESTS", Throttled),
    ("TOO_FAST", Throttled),
    ("INTERNAL", Ambiguous),
    ("SERVER_ERROR", Ambiguous),
    ("TOO_BUSY", Ambiguous),
    ("CONTRACT_NOT_FOUND", UnknownSymbol),
    ("LEVERAGE_TOO_HIGH", ValueRefused),
    ("LEVERAGE_TOO_LOW", ValueRefused),
    ("INSUFFICIENT_AVAILABLE", PreconditionFailed),
    ("POSITION_HOLDING", PreconditionFailed),
    ("ORDER_PENDING", PreconditionFailed),
    ("NO_CHANGE", AlreadySo),
]


def test_the_labels_that_matter_most(subtests: pytest.Subtests) -> None:
    for label, error in MATTER_MOST:
        with subtests.test(label=label):
            assert type(judged(answer({"label": label, "message": "."}))) is error


def test_a_key_that_nobody_knows_may_be_of_another_house() -> None:
    told = judged(answer({"label": "INVALID_KEY", "message": "Invalid key provided"}, 401)).message
    assert "api.gateeu.com and api.gate.us" in told
    assert set(HOSTS) - set(WITHOUT_DERIVATIVES) == {"global"}


def test_accepted_is_not_done() -> None:
    assert type(judged(answer({"contract": "BTC_USDT", "lever": "10"}, 202))) is Ambiguous


REFUSING = ("NEVER_SEEN", "NO_CHANGE", "READ_ONLY", "LEVERAGE_TOO_HIGH")


def test_a_server_error_tells_nothing(subtests: pytest.Subtests) -> None:
    for status in [500, 502, 503, 504, 599]:
        for body in ["<html>", {"message": "Oops."}, *({"label": label} for label in REFUSING)]:
            with subtests.test(status=status, body=body):
                assert type(judged(answer(body, status))) is Ambiguous


def test_a_value_is_the_callers_only_where_something_is_changed() -> None:
    body = {"label": "INVALID_PARAM_VALUE", "message": "Invalid parameter `limit` with value: 1001"}
    assert type(judged(answer(body))) is ValueRefused
    asked = judged(answer(body, path=QUESTION))
    assert (type(asked), asked.venue_code) == (Refused, "INVALID_PARAM_VALUE")
    assert "as this service makes it" in asked.message


def test_every_documented_label_has_a_row_or_a_reason_to_have_none() -> None:
    documented = json.loads(DOCUMENTED.read_text())["labels"]
    labels = {label for labels in documented["by_topic"].values() for label in labels}
    assert labels - CODES.keys() == set(documented["without_a_row"]["labels"])
    assert set(CODES) - labels == {"AUTHENTICATION_FAILED", "RISK_LIMIT_TOO_LOW"}, "ccxt knows them, no document does"


def test_a_label_counts_more_than_the_status() -> None:
    assert type(judged(answer({"label": "REQUEST_EXPIRED", "message": "gap"}, 403))) is ClockSkewed
    assert type(judged(answer({"label": "NO_CHANGE"}, 200))) is AlreadySo


def test_a_label_nobody_knows_refuses_nothing_for_certain_and_is_named() -> None:
    verdict = judged(answer({"label": "NEVER_SEEN", "message": "New."}))
    assert (type(verdict), verdict.venue_code) == (Unlisted, "NEVER_SEEN")


@pytest.mark.parametrize("body", [{"lever": "10"}, [{"lever": "10"}], [], {"label": None}, {"label": 5}])
def test_a_success_is_no_error(body: Any) -> None:
    assert judge(answer(body, 200)) is None


def test_a_refusal_without_a_label_is_left_to_the_fallback() -> None:
    assert judge(answer({"message": "?"}, 400)) is None


def test_retry_after_is_what_is_left_until_the_reset() -> None:
    reset = time.time_ns() // 1_000_000_000 + 7
    verdict = judged(answer({"label": "TOO_MANY_REQUESTS"}, 429, {RESET: str(reset)}))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is not None
    assert 5_000 < verdict.retry_after <= 7_000


@pytest.mark.parametrize("unit", [1, 1_000, 1_000_000])
def test_a_reset_closes_nothing_for_longer_than_a_minute_in_whatever_unit(unit: int) -> None:
    told = str((time.time_ns() // 1_000_000_000 + 7) * unit)
    for reset in (told, "9" * 18):
        verdict = judged(answer({"label": "TOO_MANY_REQUESTS"}, 429, {RESET: reset}))
        assert isinstance(verdict, Throttled)
        assert verdict.retry_after is not None
        assert verdict.retry_after <= LONGEST_WAIT
        if reset == told:
            assert 5_000 < verdict.retry_after <= 7_000


def test_a_reset_that_has_passed_means_now() -> None:
    verdict = judged(answer({"label": "TOO_MANY_REQUESTS"}, 429, {RESET: "1"}))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after == 0


@pytest.mark.parametrize("headers", [{}, {RESET: "soon"}])
def test_a_throttling_that_names_no_time_has_none(headers: dict[str, str]) -> None:
    verdict = judged(answer("<html>", 429, headers))
    assert isinstance(verdict, Throttled)
    assert verdict.retry_after is None
