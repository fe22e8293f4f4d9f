"""Symbols of Bybit contracts that are listed no longer."""

from worker.venues.reading.past_markets import PastSymbol

MONTHS = "FGHJKMNQUVXZ"
"""The letters of futures' months, January first: BTCUSDZ26 is delivered in December 2026."""


def id_of(past: PastSymbol) -> str | None:
    """BTCUSDT, BTCPERP, BTCUSD; BTCUSDT-25DEC26, BTC-25DEC26, BTCUSDZ26 (Get Instruments Info, `symbol`)."""
    if past.inverse:
        code = f"{MONTHS[past.expiry.month - 1]}{past.expiry:%y}" if past.expiry else ""
        return f"{past.base}{past.quote}{code}"
    if past.settle == "USDC":
        return past.base + (_day(past) if past.expiry else "PERP")
    return past.base + past.quote + _day(past)


def _day(past: PastSymbol) -> str:
    return f"-{past.expiry.day}{past.expiry:%b%y}".upper() if past.expiry else ""
