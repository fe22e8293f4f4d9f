"""Hyperliquid: the main perpetuals and those of every builder-deployed dex (HIP-3)."""

from worker.venues.hyperliquid.hosts import HOSTS
from worker.venues.hyperliquid.limits import LIMITS
from worker.venues.hyperliquid.venue import HyperliquidVenue

VENUE = HyperliquidVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "HyperliquidVenue"]
