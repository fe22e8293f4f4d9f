"""OKX: linear and inverse perpetual swaps and expiry futures (API v5)."""

from worker.venues.okx.hosts import HOSTS
from worker.venues.okx.limits import LIMITS
from worker.venues.okx.venue import OkxVenue

VENUE = OkxVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "OkxVenue"]
