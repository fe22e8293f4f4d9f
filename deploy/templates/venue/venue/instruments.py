"""What Newvenue lists: its instruments as markets, and the highest leverage of each.

Read: the page of the list of instruments, field by field. Find out: what says that a contract is a perpetual (a field
of its own, never a date or a name), in what unit its size is, which statuses there are (positions are held in what is
no longer traded, too), and whether the list comes in pages. An instrument that can't be read is left out alone.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import NamedTuple

from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Markets, Raw, Unlisted, symbol_of
from worker.venues.port.adapter import Market
from worker.venues.port.errors import ValueRefused
from worker.venues.reading.past_markets import PastSymbol

INSTRUMENTS = "GET /v1/instruments"


class NewvenueListing(NamedTuple):
    """Markets, and the highest leverage of each by its id."""

    markets: Markets
    maxima: Mapping[str, Decimal]


def listing_of(rows: list[Row], unlisted: Unlisted) -> NewvenueListing:
    """What the rows of the list say. Raises Ambiguous where none of them can be read."""
    markets = Markets.read(map(_as_listed, rows), _market, unlisted, venue="newvenue")
    readable = [row for row in rows if markets.by_id(str(row.get("id")), inverse=False)]
    maxima = {shape.text(row, "id"): shape.decimal(row, "max_leverage") for row in readable}
    return NewvenueListing(markets, maxima)


def rows_of(body: object) -> list[Row]:
    """The rows of an answer. Raises Ambiguous for any other shape."""
    return shape.rows(shape.mapping(body, INSTRUMENTS).get("instruments"), INSTRUMENTS)


async def check_leverage(transport: Calls, maxima: Mapping[str, Decimal], market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for what is out of range. The list may be an hour old: it is read anew before that."""
    if _fits(leverage, maxima.get(market.id)):
        return
    (row,) = rows_of(await transport.call("publicGetInstruments", {"instrument": market.id}))
    maximum = shape.decimal(row, "max_leverage")
    if not _fits(leverage, maximum):
        raise ValueRefused(
            f"{market.symbol} takes 1x to {maximum.normalize():f}x in whole steps, not {leverage.normalize():f}x",
            details={"symbol": market.symbol, "minimum": 1, "maximum": maximum},
        )


def id_of(past: PastSymbol) -> str | None:
    """The id of a contract that is listed no longer, for its records; None where there never was one of the kind."""
    return f"{past.base}-{past.quote}" if past.expiry is None and not past.inverse else None


def _fits(leverage: Decimal, maximum: Decimal | None) -> bool:
    return maximum is not None and 1 <= leverage <= maximum and leverage == leverage.to_integral_value()


def _as_listed(row: Row) -> Raw:
    """A row with what is looked at where it can't be read, or shares its symbol with another."""
    return {**row, "active": row.get("state") == "live"}


def _market(raw: Raw) -> Market:
    row = dict(raw)
    base, quote, settle = (shape.text(row, name) for name in ("base", "quote", "settle"))
    shape.decimal(row, "max_leverage")
    return Market(
        symbol=symbol_of(base, quote, settle, None),
        id=shape.text(row, "id"),
        type=MarketType.SWAP,
        inverse=False,
        base=base,
        quote=quote,
        settle=settle,
        contract_size=shape.decimal(row, "contract_size"),
    )
