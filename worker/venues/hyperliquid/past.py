"""Coins of Hyperliquid that are listed no longer."""

from worker.venues.reading.past_markets import PastSymbol


def id_of(past: PastSymbol) -> str | None:
    """BTC, or xyz:GOLD where the dex stands before the coin in its symbol, XYZ-GOLD; there are no futures."""
    dex, dash, coin = past.base.partition("-")
    if past.expiry:
        return None
    return f"{dex.lower()}:{coin}" if dash else past.base
