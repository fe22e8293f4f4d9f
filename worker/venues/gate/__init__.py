"""Gate.io (APIv4): perpetuals settled in USDT and in BTC, and delivery futures settled in USDT."""

from worker.venues.gate.hosts import HOSTS
from worker.venues.gate.limits import LIMITS
from worker.venues.gate.venue import GateVenue

VENUE = GateVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "GateVenue"]
