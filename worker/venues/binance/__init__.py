"""Binance: USDⓈ-M and COIN-M futures, and Portfolio Margin accounts."""

from worker.venues.binance.hosts import HOSTS
from worker.venues.binance.limits import LIMITS
from worker.venues.binance.venue import BinanceVenue

VENUE = BinanceVenue

__all__ = ["HOSTS", "LIMITS", "VENUE", "BinanceVenue"]
