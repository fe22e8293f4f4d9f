"""The limits that venues meter: one limiter for each, shared by all accounts of the process."""

from worker.venues.limits.deadline import DEADLINE, within
from worker.venues.limits.limiters import Limits
from worker.venues.limits.meter import Headroom

__all__ = ["DEADLINE", "Headroom", "Limits", "within"]
