"""What a preflight finds out about an account, check by check, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class Check(StrEnum):
    """What is looked at. `VENUE` is told only where it can't be asked at all, `REGION` only where somebody asks."""

    VENUE = "venue"
    KEY = "key"
    ACCOUNT = "account"
    PERMISSIONS = "permissions"
    POSITION_MODE = "position mode"
    CLOCK = "clock"
    REGION = "region"


ACCOUNT_CHECKS = tuple(check for check in Check if check not in (Check.VENUE, Check.REGION))
"""The checks that every adapter tells something about."""


class Verdict(StrEnum):
    """How a check went. A problem will make commands fail; a warning may do so one day; the rest is information.

    `OK` is what the venue's own answer says. What no field of it says, by the venue's document, is `NOT_TOLD`.
    """

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"
    NOT_TOLD = "not told"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One thing that a check found out. A check has at least one finding, and one for each of its problems."""

    check: Check
    verdict: Verdict
    says: str
    remedy: str | None = None


def ok(check: Check, says: str) -> CheckResult:
    """Nothing stands in the way."""
    return CheckResult(check, Verdict.OK, says)


def warning(check: Check, says: str, remedy: str) -> CheckResult:
    """Commands work, but something should be known or changed."""
    return CheckResult(check, Verdict.WARNING, says, remedy)


def problem(check: Check, says: str, remedy: str) -> CheckResult:
    """Commands will fail."""
    return CheckResult(check, Verdict.PROBLEM, says, remedy)


def not_told(check: Check, says: str, remedy: str | None = None) -> CheckResult:
    """The venue was asked, and its answer does not tell."""
    return CheckResult(check, Verdict.NOT_TOLD, says, remedy)


def not_checked(check: Check, because: str, remedy: str | None = None) -> CheckResult:
    """The check could not be made."""
    return CheckResult(check, Verdict.NOT_CHECKED, because, remedy)
