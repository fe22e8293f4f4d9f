"""Request weight by address and minute, what a venue does to who spends too much of it, and setting its limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.kit.refusal import SandboxRefusal
from worker.sandbox.server.venue import ControlRefused

IGNORED_WARNINGS = 10
"""Requests that may follow a 429 before the address is banned. Binance publishes no figure; this one is ours."""

BAN = 2 * MINUTE
"""The shortest ban that Binance documents ("2 minutes to 3 days")."""


class OverLimit(SandboxRefusal):
    """A request came over the limit. `retry_after` is in ms; `banned_until` is set once the address is banned."""

    def __init__(self, used: int, limit: int, retry_after: Milliseconds, banned_until: Milliseconds | None) -> None:
        super().__init__(f"{used} of {limit} are used up")
        self.used = used
        self.limit = limit
        self.retry_after = retry_after
        self.banned_until = banned_until


@dataclass(slots=True)
class _Spending:
    minute: int
    used: int = 0
    warnings: int = 0
    banned_until: Milliseconds = 0


@dataclass(slots=True)
class WeightMeter:
    """Counts the weight that each address spends in each minute of the clock, up to `limit`."""

    limit: int
    _spending: dict[str, _Spending] = field(default_factory=dict)

    def charge(self, address: str, weight: int, now: Milliseconds) -> int:
        """Count a request and return the weight used in this minute. Raises OverLimit."""
        spending = self._of(address, now)
        if now < spending.banned_until:
            raise self._refusal(spending, now)
        spending.used += weight
        if spending.used > self.limit:
            spending.warnings += 1
            if spending.warnings > IGNORED_WARNINGS:
                spending.banned_until = now + BAN
            raise self._refusal(spending, now)
        return spending.used

    def _of(self, address: str, now: Milliseconds) -> _Spending:
        minute = now // MINUTE
        spending = self._spending.setdefault(address, _Spending(minute))
        if spending.minute != minute:
            spending.minute, spending.used, spending.warnings = minute, 0, 0
        return spending

    def _refusal(self, spending: _Spending, now: Milliseconds) -> OverLimit:
        if spending.banned_until > now:
            return OverLimit(spending.used, self.limit, spending.banned_until - now, spending.banned_until)
        return OverLimit(spending.used, self.limit, MINUTE - now % MINUTE, None)


class SandboxMeter(Protocol):
    """What counts requests up to a limit."""

    limit: int


def set_limits(meters: Mapping[str, SandboxMeter], limits: Mapping[str, int], kind: str) -> None:
    """Set the limits of a venue's meters by name. Raises ControlRefused for a name there is no meter of that `kind`."""
    for name, limit in limits.items():
        if name not in meters:
            raise ControlRefused(f"there is no {kind} {name}, only {', '.join(meters)}")
        meters[name].limit = limit
