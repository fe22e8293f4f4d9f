"""The limits that venues meter: one limiter for each, shared by all accounts of the process."""

from worker.venues.limits.background import yielding
from worker.venues.limits.deadline import DEADLINE, within
from worker.venues.limits.meter import Headroom
from worker.venues.limits.places import Limits

__all__ = ["DEADLINE", "Headroom", "Limits", "within", "yielding"]
