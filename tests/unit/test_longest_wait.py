"""How long a venue may want us to wait: what makes no sense closes nothing for ever, and nothing raises."""

from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.base import Milliseconds
from worker.runtime.clock import now
from worker.venues.binance.errors import LONGEST_BAN
from worker.venues.binance.errors import judge as binance
from worker.venues.bybit.errors import judge as bybit
from worker.venues.gate.errors import judge as gate
from worker.venues.hyperliquid.errors import judge as hyperliquid
from worker.venues.lifecycle.registry import METERED
from worker.venues.okx.errors import judge as okx
from worker.venues.port.errors import Throttled
from worker.venues.port.response import LONGEST_WAIT, VenueResponse

JUDGES = {"binance": binance, "bybit": bybit, "gate": gate, "hyperliquid": hyperliquid, "okx": okx}
LONGEST = dict.fromkeys(JUDGES, LONGEST_WAIT) | {"binance": LONGEST_BAN}
HEADERS = ("Retry-After", "X-Bapi-Limit-Reset-Timestamp", "X-Gate-RateLimit-Reset-Timestamp")
COUNTED = ("X-Bapi-Limit", "X-Bapi-Limit-Status", "X-Gate-RateLimit-Limit", "X-Mbx-Used-Weight-1m")
REFUSED: Mapping[str, Any] = {
    "binance": {"code": -1003, "msg": "banned until {}"},
    "bybit": {"retCode": 10006, "time": "{}"},
    "gate": {"label": "TOO_MANY_REQUESTS"},
    "hyperliquid": None,
    "okx": {"code": "50011"},
}
HOUR, DAY = 3_600_000, 86_400_000

each_venue = pytest.mark.parametrize("exchange", JUDGES)

garbage = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.text(max_size=40),
    st.integers(-(10**11), 10**11).map(lambda at: formatdate(at, usegmt=True) if abs(at) < 6 * 10**10 else str(at)),
    st.sampled_from(("1e18", "-1", "nan", "inf", "-inf", "9" * 8_000, "", "0", "١٢", "Fri, 31 Dec 9999 23:59:59 GMT")),
)


def waits(exchange: str, answer: VenueResponse) -> list[Milliseconds | None]:
    """What closes the limits, and what is told to whoever asked."""
    penalty, verdict = METERED[exchange].penalty(answer), JUDGES[exchange](answer)
    assert penalty
    assert isinstance(verdict, Throttled)
    return [penalty.wait, verdict.retry_after]


def throttled(exchange: str, headers: Mapping[str, str], told: str = "", status: int = 429) -> VenueResponse:
    body = REFUSED[exchange]
    if exchange == "binance":
        body = body | {"msg": body["msg"].format(told)}
    if exchange == "bybit":
        body = body | {"time": int(told) if told.isdecimal() and len(told) < 20 else told}
    return VenueResponse("/fapi/v1/leverage", status, headers, str(body), body)


@each_venue
@given(told=garbage, date=garbage, status=st.sampled_from((418, 429)))
@example(told="1e18", date="", status=418)
@example(told="9" * 8_000, date="", status=429)
def test_whatever_is_told_is_within_reason(exchange: str, told: str, date: str, status: int) -> None:
    status = status if exchange == "binance" else 429
    headers = dict.fromkeys(HEADERS, told) | {"Date": date}
    for found in waits(exchange, throttled(exchange, headers, told, status)):
        assert found is None or 0 <= found <= LONGEST[exchange]


@each_venue
@given(told=garbage)
@example(told="9" * 8_000)
def test_a_count_that_is_none_is_not_read(exchange: str, told: str) -> None:
    METERED[exchange].reading(VenueResponse("/", 200, dict.fromkeys(COUNTED, told), "", {}))


@pytest.mark.parametrize(
    ("told", "wait"),
    [
        ("30", 30_000),
        ("1.5", 1_500),
        (" 30 ", 30_000),
        ("1e18", LONGEST_WAIT),
        ("inf", LONGEST_WAIT),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after_counts_seconds(told: str, wait: Milliseconds | None) -> None:
    assert VenueResponse("/", 429, {"Retry-After": told}, "", None).retry_after() == wait


@pytest.mark.parametrize("ours_is_ahead_s", [-400 * 86_400, -600, 600, 400 * 86_400])
def test_a_date_is_measured_by_the_clock_of_who_tells_it(ours_is_ahead_s: int) -> None:
    theirs = now() // 1000 - ours_is_ahead_s
    headers = {"Date": formatdate(theirs, usegmt=True), "Retry-After": formatdate(theirs + 30, usegmt=True)}
    answer = VenueResponse("/", 429, headers, "", None)
    assert answer.retry_after() == 30_000
    assert [answer.until(theirs + 7), answer.until((theirs + 7) * 1_000)] == [7_000, 7_000]


def test_a_reset_is_to_the_ms_where_the_clocks_agree() -> None:
    at = now()
    wait = VenueResponse("/", 429, {"Date": formatdate(at // 1000, usegmt=True)}, "", None).until(at + 1_234)
    assert 1_100 < wait <= 1_234


def test_the_longest_ban_that_binance_documents_is_kept() -> None:
    def ban(seconds: int) -> list[Milliseconds | None]:
        return waits("binance", throttled("binance", {"Retry-After": str(seconds)}, status=418))

    assert ban(259_200) == [3 * DAY, 3 * DAY]
    assert ban(10**9) == [3 * DAY, 3 * DAY]
    until = waits("binance", throttled("binance", {}, str(now() + HOUR), 418))
    assert all(found and HOUR - 5_000 < found <= HOUR for found in until)
