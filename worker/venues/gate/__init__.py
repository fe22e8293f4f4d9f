"""Gate.io (APIv4): perpetuals settled in USDT and in BTC, and delivery futures settled in USDT."""

from worker.venues.gate.limits import LIMITS
from worker.venues.gate.venue import GateVenue

__all__ = ["LIMITS", "GateVenue"]
