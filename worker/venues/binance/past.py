"""Ids of Binance contracts that are listed no longer."""

from worker.venues.reading.past_markets import PastSymbol


def id_of(past: PastSymbol) -> str | None:
    """BTCUSDT, BTCUSDT_261225, BTCUSD_PERP, BTCUSD_261225 (Symbol naming in the exchange information)."""
    pair = past.base + past.quote
    if past.expiry:
        return f"{pair}_{past.expiry:%y%m%d}"
    return f"{pair}_PERP" if past.inverse else pair
