"""Markets that are listed no longer, by their unified symbols: their records are still there to be asked for."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from schemas.requests import MarketType
from worker.venues.port.adapter import Market

_SYMBOL = re.compile(r"([^/:]+)/([^/:]+):([^/:-]+)(?:-(\d{6}))?")


@dataclass(frozen=True, slots=True)
class PastSymbol:
    """What a unified symbol says of a contract; only a future has a date."""

    base: str
    quote: str
    settle: str
    expiry: date | None

    @property
    def inverse(self) -> bool:
        """Whether it settles in its base currency."""
        return self.settle == self.base


IdOf = Callable[[PastSymbol], str | None]
"""The id that a venue gave such a contract; None where it never had any of the kind."""


def past_market(symbol: str, market_type: MarketType, id_of: IdOf) -> Market | None:
    """A market that is listed no longer, as far as its records need it; None for what is no symbol of this type.

    Its contract size is not known any more, and is nothing.

    >>> found = past_market("LUNA/USDT:USDT", MarketType.SWAP, lambda past: past.base + past.quote)
    >>> found.id, found.inverse, past_market("LUNAUSDT", MarketType.SWAP, lambda past: "")
    ('LUNAUSDT', False, None)
    """
    found = _SYMBOL.fullmatch(symbol)
    if found is None or (found[4] is None) is (market_type is MarketType.FUTURE):
        return None
    expiry = _date(found[4]) if found[4] else None
    past = PastSymbol(found[1], found[2], found[3], expiry)
    if (found[4] and expiry is None) or not (market_id := id_of(past)):
        return None
    return Market(
        symbol=symbol,
        id=market_id,
        type=market_type,
        inverse=past.inverse,
        base=past.base,
        quote=past.quote,
        settle=past.settle,
        contract_size=Decimal(0),
    )


def _date(text: str) -> date | None:
    try:
        return datetime.strptime(text, "%y%m%d").replace(tzinfo=UTC).date()
    except ValueError:
        return None
