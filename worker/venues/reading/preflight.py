"""What the preflights of all venues have in common: what can't be read, the key, its expiry, the clock, position modes.

A preflight only reads. Nothing that a venue answers is raised; what can be named is a finding.
"""

from collections.abc import Awaitable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import TypeVar

from schemas.base import Milliseconds
from schemas.requests import PositionMode
from worker.venues.client.transport import Skew
from worker.venues.port.check_results import (
    ACCOUNT_CHECKS,
    Check,
    CheckResult,
    Verdict,
    not_checked,
    ok,
    problem,
    warning,
)
from worker.venues.port.errors import AccessDenied, Ambiguous, ClockSkewed, NotSent, Throttled, VenueError
from worker.venues.reading.history import DAY

T = TypeVar("T")

EXPIRES_SOON: Milliseconds = 14 * DAY
"""How long before its expiry a key is warned about."""

LAST_INSTANT: Milliseconds = 253_402_300_799_000
"""The end of the last year that has a date; a venue may write a later one for never."""

NOTICEABLE: Milliseconds = 1_000
"""A skew that is warned about though the venue may still tolerate it."""

SET_THE_CLOCK = "synchronise this machine's clock (NTP)"

SEE_KEY = f"see {Check.KEY}"

REMEDIES: Mapping[type[VenueError], str] = MappingProxyType(
    {
        AccessDenied: "compare key and secret with the venue's, and see whether our address is on the key's list",
        ClockSkewed: SET_THE_CLOCK,
        Throttled: "wait, then check again",
        NotSent: "check the network, DNS and firewall between here and the venue",
        Ambiguous: "check again; if it stays so, see the venue's status page",
    }
)
"""What to do about a reading that failed."""


@dataclass(frozen=True, slots=True)
class TimestampWindow:
    """How far a request's timestamp may lie behind the venue's clock, and how far ahead of it, in ms."""

    behind: Milliseconds
    ahead: Milliseconds


async def attempted(read: Awaitable[T]) -> T | VenueError:
    """What a reading answers, or why it failed."""
    try:
        return await read
    except VenueError as error:
        return error


def failed(check: Check, error: VenueError) -> CheckResult:
    """A check that can't be made because its reading failed: whoever relies on the account must know."""
    return problem(check, error.message, remedy_of(error))


def remedy_of(error: VenueError) -> str:
    """What to do about a reading that failed."""
    return next((told for kind, told in REMEDIES.items() if isinstance(error, kind)), "see the venue's message")


def unread(check: Check, error: VenueError, key: CheckResult) -> CheckResult:
    """A check whose reading failed. Where the key is at fault that is told once, and not here again."""
    return not_checked(check, SEE_KEY) if key.verdict is Verdict.PROBLEM else failed(check, error)


def untold(check: Check, error: VenueError, key: CheckResult, remedy: str | None = None) -> CheckResult:
    """A check of what the venue need not tell: nothing is known to be wrong."""
    if key.verdict is Verdict.PROBLEM:
        return not_checked(check, SEE_KEY)
    return not_checked(check, f"it is not told here: {error.message}", remedy)


def no_account(check: Check, error: VenueError) -> tuple[CheckResult, ...]:
    """All checks of an account that nothing can be asked about, for the reason that one check tells."""
    others = (not_checked(other, f"see {check}") for other in ACCOUNT_CHECKS if other is not check)
    return (failed(check, error), *others)


def key_finding(answers: Iterable[object]) -> CheckResult:
    """Whether the venue lets the key in: one signed request that it carried out proves it."""
    answers = list(answers)
    errors = [answer for answer in answers if isinstance(answer, VenueError)]
    if len(errors) < len(answers):
        return ok(Check.KEY, "accepted")
    return failed(Check.KEY, next((error for error in errors if isinstance(error, AccessDenied)), errors[0]))


def key_until(until: Milliseconds, now: Milliseconds, remedy: str) -> CheckResult:
    """A key that the venue accepts up to an instant."""
    day = datetime.fromtimestamp(min(until, LAST_INSTANT) / 1000, UTC).date().isoformat()
    if until <= now:
        return problem(Check.KEY, f"expired on {day}", remedy)
    if until - now < EXPIRES_SOON:
        return warning(Check.KEY, f"accepted, but it expires on {day}", remedy)
    return ok(Check.KEY, f"accepted until {day}")


def clock_finding(skew: Skew | VenueError, window: TimestampWindow) -> CheckResult:
    """Our clock against the venue's. Only that part of a skew counts which the way to the venue can't explain.

    The worker sets itself right after a refusal, which costs each account a request; so a skew stays a problem.
    """
    if isinstance(skew, VenueError):
        return failed(Check.CLOCK, skew)
    side = "ahead of" if skew.ahead > 0 else "behind"
    tolerated = window.ahead if skew.ahead > 0 else window.behind
    says = f"our clock is {abs(skew.ahead):,} ms {side} the venue's (± {skew.uncertainty:,} ms)"
    certain = abs(skew.ahead) - skew.uncertainty
    if certain >= tolerated:
        return problem(Check.CLOCK, f"{says}, and the venue tolerates {tolerated:,} ms", SET_THE_CLOCK)
    if certain > NOTICEABLE:
        return warning(Check.CLOCK, f"{says}; it tolerates {tolerated:,} ms", SET_THE_CLOCK)
    return ok(Check.CLOCK, says)


def position_mode_finding(modes: Mapping[str, PositionMode], expected: PositionMode | None) -> CheckResult:
    """The position mode of each part of an account against the registered one; without one it is just told."""
    told = described(modes)
    if expected is None:
        return ok(Check.POSITION_MODE, told)
    if set(modes.values()) <= {expected}:
        return ok(Check.POSITION_MODE, f"{told}, as registered")
    return problem(
        Check.POSITION_MODE,
        f"{told}, but {expected} is registered",
        "correct position_mode in the registry, or switch it (perps-dma position-mode) while nothing is open there",
    )


def described(modes: Mapping[str, PositionMode]) -> str:
    """Position modes in words, with the parts only where they differ.

    >>> described({"usdt": PositionMode.HEDGE, "btc": PositionMode.HEDGE})
    'hedge'
    >>> described({"usdt": PositionMode.HEDGE, "btc": PositionMode.ONE_WAY})
    'hedge (usdt), one_way (btc)'
    """
    by_mode: dict[PositionMode, list[str]] = {}
    for part, mode in modes.items():
        by_mode.setdefault(mode, []).append(part)
    if len(by_mode) == 1:
        return next(iter(by_mode)).value
    return ", ".join(f"{mode} ({', '.join(parts)})" for mode, parts in by_mode.items())


def withdrawal_warning(right: str) -> CheckResult:
    """A key that can move money away, which this service never needs."""
    return warning(
        Check.PERMISSIONS,
        f"the key can take money away ({right}), which nothing here needs",
        "take that right from the key",
    )
