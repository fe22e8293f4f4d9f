"""Binance: USDⓈ-M and COIN-M futures, and Portfolio Margin accounts."""

from worker.venues.binance.limits import LIMITS
from worker.venues.binance.venue import BinanceVenue

__all__ = ["LIMITS", "BinanceVenue"]
