"""Hyperliquid: the main perpetuals and those of every builder-deployed dex (HIP-3)."""

from worker.venues.hyperliquid.limits import LIMITS
from worker.venues.hyperliquid.venue import HyperliquidVenue

__all__ = ["LIMITS", "HyperliquidVenue"]
