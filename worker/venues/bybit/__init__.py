"""Bybit, V5: linear contracts in USDT and USDC and inverse ones, of unified and of classic accounts."""

from worker.venues.bybit.hosts import HOSTS
from worker.venues.bybit.limits import LIMITS
from worker.venues.bybit.venue import BybitVenue

VENUE = BybitVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "BybitVenue"]
