"""Ids of OKX instruments that are listed no longer."""

from worker.venues.reading.past_markets import PastSymbol


def id_of(past: PastSymbol) -> str | None:
    """BTC-USDT-SWAP, BTC-USD-SWAP, BTC-USDT-261225 (Get instruments, `instId`)."""
    return f"{past.base}-{past.quote}-{f'{past.expiry:%y%m%d}' if past.expiry else 'SWAP'}"
