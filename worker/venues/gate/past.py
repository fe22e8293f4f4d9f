"""Names of Gate contracts that are listed no longer."""

from worker.venues.reading.past_markets import PastSymbol


def id_of(past: PastSymbol) -> str | None:
    """BTC_USDT, BTC_USD, BTC_USDT_20261225 (Contract and delivery contract, `name`)."""
    pair = f"{past.base}_{past.quote}"
    return f"{pair}_{past.expiry:%Y%m%d}" if past.expiry else pair
