"""OKX's instruments as it tells them: which kind of contract each is, its symbol, its size and its highest leverage.

Source: "Get instruments" (2026-07-18). The listing has no filter by `state`: what is suspended, rebased or taken for
post-only orders alone is listed with all its fields, and of what is only announced (`preopen`) there may be an id and
nothing else. A contract that was delivered or delisted is in it no more.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType

from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import INSTRUMENTS, instant, items, optional, reading
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import Raw
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.reading.past_markets import PastSymbol

KINDS: Mapping[str, MarketType] = MappingProxyType({"SWAP": MarketType.SWAP, "FUTURES": MarketType.FUTURE})
"""What `instType` says of a contract. X-Perps are futures that pay funding (`ruleType` xperp), and futures they stay:
they expire, and OKX lists them and their positions as `FUTURES`. SPOT, MARGIN, OPTION and EVENTS are not traded here.
"""

INSTRUMENT_TYPES: Mapping[MarketType, str] = MappingProxyType({kind: name for name, kind in KINDS.items()})

CONTRACT_TYPES: Mapping[str, bool] = MappingProxyType({"linear": False, "inverse": True})
"""Whether a contract is inverse, by `ctType`."""

_DATE = re.compile(r"-(\d{6})$")
_PAIR = re.compile(r"([^-/:]+)-([^-/:]+)")


def kind_of(row: Row) -> MarketType | None:
    """The kind of contract that an instrument is; None for one of another sort."""
    return KINDS.get(str(row.get("instType")))


def as_listed(row: Row) -> Raw:
    """An instrument as lists of markets have it. Its symbol is its id where none can be made."""
    try:
        symbol = _symbol(row)
    except (VenueError, ArithmeticError, ValueError):
        symbol = str(row.get("instId"))
    return {"id": str(row.get("instId")), "symbol": symbol, "active": row.get("state") == "live", "info": row}


def listed_market(raw: Raw) -> Market | None:
    """A listed instrument as a market; None for one of another sort, and for a name that is only announced.

    Raises Ambiguous, naming endpoint, instrument and field, where it can't be read.
    """
    row: Row = raw["info"]
    if kind_of(row) is None or _is_only_announced(row):
        return None
    with reading(INSTRUMENTS, row):
        return market_of(row)


def _is_only_announced(row: Row) -> bool:
    return row.get("state") == "preopen" and not row.get("settleCcy")


def market_of(row: Row) -> Market:
    """A swap or a future as a market. Raises Ambiguous, naming the field, where it can't be one."""
    base, quote = _pair(row)
    return Market(
        symbol=_symbol(row),
        id=shape.text(row, "instId"),
        type=KINDS[shape.text(row, "instType")],
        inverse=_is_inverse(row),
        base=base,
        quote=quote,
        settle=shape.text(row, "settleCcy"),
        contract_size=_contract_size(row),
    )


def _symbol(row: Row) -> str:
    """Made of the currencies of its index (`uly`), of the currency that it settles in, and of the date in its id.

    That stays what it is when OKX takes a contract off its list earlier (`expTime`).
    """
    date = f"-{_date(row)}" if kind_of(row) is MarketType.FUTURE else ""
    return f"{'/'.join(_pair(row))}:{shape.text(row, 'settleCcy')}{date}"


def _pair(row: Row) -> tuple[str, str]:
    if pair := _PAIR.fullmatch(shape.text(row, "uly")):
        return pair[1], pair[2]
    raise Ambiguous("the field uly of the venue's answer is unreadable", raw=row)


def _date(row: Row) -> str:
    if date := _DATE.search(shape.text(row, "instId")):
        return date[1]
    return f"{datetime.fromtimestamp(instant(row, 'expTime') / 1000, UTC):%y%m%d}"


def _is_inverse(row: Row) -> bool:
    try:
        return CONTRACT_TYPES[shape.text(row, "ctType")]
    except KeyError:
        raise Ambiguous("the field ctType of the venue's answer is unreadable", raw=row) from None


def _contract_size(row: Row) -> Decimal:
    """What one contract is worth, in base currency or, if inverse, in quote currency: value by multiplier."""
    multiplier = optional(row, "ctMult")
    size = shape.decimal(row, "ctVal") * (1 if multiplier is None else multiplier)
    if size <= 0:
        raise Ambiguous("the fields ctVal and ctMult of the venue's answer give a contract without a size", raw=row)
    return size.normalize() if size != size.to_integral_value() else size.to_integral_value()


def maximum_of(row: Row) -> Decimal | None:
    """The highest leverage of an instrument; None where OKX tells none that can be read: then it is the venue that
    refuses what is too high.
    """
    try:
        return optional(row, "lever") or None
    except Ambiguous:
        return None


async def maximum_now(transport: Calls, market: Market) -> Decimal | None:
    """The highest leverage of a market, asked for anew; None where OKX does not tell it."""
    params = {"instType": INSTRUMENT_TYPES[market.type], "instId": market.id}
    try:
        rows = items(await transport.call("publicGetPublicInstruments", params), INSTRUMENTS)
        return next((maximum_of(row) for row in rows if shape.text(row, "instId") == market.id), None)
    except VenueError:
        return None


def id_of(past: PastSymbol) -> str | None:
    """BTC-USDT-SWAP, BTC-USD-SWAP, BTC-USDT-261225 (Get instruments, `instId`)."""
    return f"{past.base}-{past.quote}-{f'{past.expiry:%y%m%d}' if past.expiry else 'SWAP'}"
