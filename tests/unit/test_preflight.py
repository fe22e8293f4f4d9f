"""How the answers to a preflight are judged, apart from any venue."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.requests import PositionMode
from worker.venues.client.transport import Skew
from worker.venues.port.check_results import ACCOUNT_CHECKS, Check, Verdict
from worker.venues.port.errors import AccessDenied, Ambiguous, ClockSkewed, NotSent, Refused, Throttled, VenueError
from worker.venues.reading.history import DAY
from worker.venues.reading.preflight import (
    TimestampWindow,
    clock_finding,
    key_finding,
    key_until,
    no_account,
    position_mode_finding,
    unread,
    untold,
)

WINDOW = TimestampWindow(behind=10_000, ahead=1_000)
NOW = 1_706_745_600_000
MILLISECONDS = st.integers(min_value=0, max_value=10**9)


@pytest.mark.parametrize(
    ("skew", "verdict"),
    [
        (Skew(0, 5), Verdict.OK),
        (Skew(-1_000, 0), Verdict.OK),
        (Skew(-1_001, 0), Verdict.WARNING),
        (Skew(-9_999, 0), Verdict.WARNING),
        (Skew(-10_000, 0), Verdict.PROBLEM),
        (Skew(999, 0), Verdict.OK),
        (Skew(1_000, 0), Verdict.PROBLEM),
        (Skew(1_500, 600), Verdict.OK),
        (Skew(-11_000, 2_000), Verdict.WARNING),
    ],
)
def test_a_clock_is_judged_by_the_window_on_its_own_side(skew: Skew, verdict: Verdict) -> None:
    finding = clock_finding(skew, WINDOW)
    assert (finding.check, finding.verdict) == (Check.CLOCK, verdict)
    assert ("ahead of" in finding.says) is (skew.ahead > 0)


@given(ahead=st.integers(-(10**9), 10**9), uncertainty=MILLISECONDS, behind=MILLISECONDS, tolerated=MILLISECONDS)
def test_what_the_way_to_the_venue_can_explain_is_no_problem(
    ahead: int, uncertainty: int, behind: int, tolerated: int
) -> None:
    verdict = clock_finding(Skew(ahead, uncertainty), TimestampWindow(behind, tolerated)).verdict
    limit = tolerated if ahead > 0 else behind
    assert (verdict is Verdict.PROBLEM) is (abs(ahead) - uncertainty >= limit)


def test_a_time_that_cannot_be_asked_is_a_problem() -> None:
    assert clock_finding(NotSent("no connection"), WINDOW).verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("error", "remedy"),
    [
        (AccessDenied("refused"), "compare key and secret"),
        (Throttled("too much"), "wait"),
        (ClockSkewed("late"), "NTP"),
        (NotSent("nobody there"), "network"),
        (Ambiguous("what?"), "check again"),
        (Refused("no"), "the venue's message"),
    ],
)
def test_every_kind_of_failure_has_its_remedy(error: VenueError, remedy: str) -> None:
    finding = key_finding([error])
    assert (finding.check, finding.verdict, finding.says) == (Check.KEY, Verdict.PROBLEM, error.message)
    assert remedy in (finding.remedy or "")


def test_one_answer_proves_a_key_and_a_refusal_of_it_comes_before_other_troubles() -> None:
    silent, refused = Ambiguous("no answer"), AccessDenied("no such key")
    assert key_finding([silent, refused, "an answer"]).verdict is Verdict.OK
    assert key_finding([silent, refused]).says == "no such key"


def test_what_fails_for_the_keys_sake_is_told_once() -> None:
    refusal = AccessDenied("no such key")
    refused, accepted = key_finding([refusal]), key_finding(["an answer"])
    assert unread(Check.ACCOUNT, refusal, refused).says == untold(Check.ACCOUNT, refusal, refused).says == "see key"
    assert unread(Check.ACCOUNT, refusal, accepted).verdict is Verdict.PROBLEM
    assert untold(Check.ACCOUNT, refusal, accepted).verdict is Verdict.NOT_CHECKED


@pytest.mark.parametrize("check", [Check.VENUE, Check.KEY])
def test_where_nothing_can_be_asked_all_checks_say_where_to_look(check: Check) -> None:
    found = no_account(check, NotSent("nobody there"))
    assert [finding.check for finding in found if finding.verdict is Verdict.PROBLEM] == [check]
    assert {finding.check for finding in found} == {check, *ACCOUNT_CHECKS}
    assert {finding.says for finding in found} == {"nobody there", f"see {check}"}


@pytest.mark.parametrize(
    ("until", "verdict", "says"),
    [
        (NOW, Verdict.PROBLEM, "expired on 2024-02-01"),
        (NOW + 1, Verdict.WARNING, "expires on 2024-02-01"),
        (NOW + 14 * DAY - 1, Verdict.WARNING, "expires on 2024-02-14"),
        (NOW + 14 * DAY, Verdict.OK, "until 2024-02-15"),
        (2**64 - 1, Verdict.OK, "until 9999-12-31"),
    ],
)
def test_a_key_is_warned_about_two_weeks_before_it_expires(until: int, verdict: Verdict, says: str) -> None:
    assert datetime.fromtimestamp(NOW / 1000, UTC).isoformat() == "2024-02-01T00:00:00+00:00"
    finding = key_until(until, NOW, "make a new one")
    assert finding.verdict is verdict
    assert says in finding.says


ONE_WAY, HEDGE = PositionMode.ONE_WAY, PositionMode.HEDGE


@pytest.mark.parametrize(
    ("modes", "expected", "verdict", "says"),
    [
        ({"": HEDGE}, None, Verdict.OK, "hedge"),
        ({"": HEDGE}, HEDGE, Verdict.OK, "hedge, as registered"),
        ({"": HEDGE}, ONE_WAY, Verdict.PROBLEM, "hedge, but one_way is registered"),
        ({"a": ONE_WAY, "b": HEDGE}, None, Verdict.OK, "one_way (a), hedge (b)"),
        ({"a": ONE_WAY, "b": HEDGE}, ONE_WAY, Verdict.PROBLEM, "one_way (a), hedge (b), but one_way"),
    ],
)
def test_a_position_mode_is_told_and_compared_where_one_is_registered(
    modes: dict[str, PositionMode], expected: PositionMode | None, verdict: Verdict, says: str
) -> None:
    finding = position_mode_finding(modes, expected)
    assert finding.verdict is verdict
    assert finding.says.startswith(says)


def test_a_finding_never_changes() -> None:
    finding: Any = key_finding(["an answer"])
    with pytest.raises(AttributeError):
        finding.says = "something else"
