"""Newvenue: linear perpetual swaps in USDT.

Say here which API this is, by its version, and which sorts of contracts and of accounts are served. `VENUE`, `LIMITS`
and `HOSTS` are all that the rest of the worker takes from this package; it finds them by the package's name.
"""

from worker.venues.newvenue.hosts import HOSTS
from worker.venues.newvenue.limits import LIMITS
from worker.venues.newvenue.venue import NewvenueVenue

VENUE = NewvenueVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "NewvenueVenue"]
