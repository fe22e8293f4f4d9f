"""The contracts that Gate lists: one list for each part of an account, each read by its own fields.

Source: gate-api 7.2.161, `Contract` and `DeliveryContract`, checked 2026-11-29. `name` is base and quote, in a delivery
with its day behind; `type` is inverse or direct; `quanto_multiplier` is the size of a contract in coins, 0 for an
inverse one, which is worth 1 USD. A contract is a perpetual or a delivery by the list that has it.

Asked for is `contracts_all`, "all contract information (including delisted)": `contracts` leaves out what was delisted,
and positions and history may be left in it. Lists come in pages of at most 1,000, and a shorter page is the last one
("Pagination"); the list of deliveries documents no pages.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property, partial
from itertools import chain
from typing import Any, NamedTuple

import structlog

from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.venues.client.transport import Calls
from worker.venues.gate.client import GateTransport
from worker.venues.gate.endpoints import GatePart, part_of
from worker.venues.gate.positions import figure_of
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.parsing.markets import UnreadableMarket, tell_unreadable
from worker.venues.port.adapter import Market
from worker.venues.port.errors import Ambiguous, Refused, ValueRefused, VenueError
from worker.venues.reading.past_markets import PastSymbol

log = structlog.get_logger(__name__)

PAGE = 1_000
"""The most contracts one answer holds."""

ONE_DOLLAR = Decimal(1)
_DAY = re.compile(r"20\d{6}")
_DATED = re.compile(r"(?P<base>[^/:]+)/(?P<quote>[^/:]+):(?P<settle>[^/:-]+)-(?P<day>\d{6})")
INVERSE = {"inverse": True, "direct": False}


class GateLeverageRange(NamedTuple):
    """What a contract allows at all; a large position allows less, which only Gate knows. None where it is not told."""

    lowest: Decimal | None
    highest: Decimal | None

    def allows(self, leverage: Decimal) -> bool:
        """Whether nothing that is told speaks against a leverage."""
        return (self.lowest or leverage) <= leverage <= (self.highest or leverage)


NOTHING_TOLD = GateLeverageRange(None, None)


@dataclass(frozen=True)
class Contracts:
    """The contracts of one list: those that could be read, and why others could not, by the names that Gate gives."""

    markets: tuple[Market, ...]
    ranges: Mapping[str, GateLeverageRange]
    unreadable: tuple[UnreadableMarket, ...]

    @cached_property
    def by_name(self) -> Mapping[str, Market]:
        """The markets by the names that Gate gives them."""
        return {market.id: market for market in self.markets}


Ranges = Mapping[str, GateLeverageRange]
"""Ranges by unified symbol."""


@dataclass(frozen=True, slots=True)
class Lists:
    """What is known of the contracts of each part. Of those `unread` nothing is, for the reason told."""

    read: Mapping[GatePart, Contracts]
    unread: Mapping[GatePart, str]

    @property
    def markets(self) -> tuple[Market, ...]:
        """All contracts that could be read."""
        return tuple(chain.from_iterable(contracts.markets for contracts in self.read.values()))

    @property
    def ranges(self) -> Ranges:
        """Their leverages."""
        return {symbol: row for contracts in self.read.values() for symbol, row in contracts.ranges.items()}

    @property
    def unreadable(self) -> tuple[UnreadableMarket, ...]:
        """Those that could not be read."""
        return tuple(chain.from_iterable(contracts.unreadable for contracts in self.read.values()))

    def market(self, part: GatePart, name: str) -> Market | None:
        """The market that a part calls so."""
        return contracts.by_name.get(name) if (contracts := self.read.get(part)) else None

    def symbol(self, part: GatePart, name: str) -> str:
        """The symbol of a contract, listed or not any more; its name where that is not written as usual."""
        if market := self.market(part, name):
            return market.symbol
        if part.type is MarketType.FUTURE:
            pair, _, day = name.rpartition("_")
            base, _, quote = pair.rpartition("_")
            return f"{base}/{quote}:{part.settle.upper()}-{day[2:]}" if base and _DAY.fullmatch(day) else name
        base, _, quote = name.rpartition("_")
        return f"{base}/{quote}:{part.settle.upper()}" if base else name

    def former(self, symbol: str, now: Milliseconds) -> Market | None:
        """A delivery that was delivered by now, and so is in no list: its history can be asked for all the same.

        None for a symbol that is none, and for one of a pair that has no perpetual to tell the size of a contract.
        """
        if not (found := _DATED.fullmatch(symbol)) or not _is_past(found["day"], now):
            return None
        name, settle = f"{found['base']}_{found['quote']}", found["settle"].lower()
        swaps = (part for part in self.read if (part.type, part.settle) == (MarketType.SWAP, settle))
        same = next((market for part in swaps if (market := self.market(part, name))), None)
        dated = any((part.type, part.settle) == (MarketType.FUTURE, settle) for part in self.read)
        if same is None or not dated:
            return None
        return replace(same, symbol=symbol, id=f"{name}_20{found['day']}", type=MarketType.FUTURE)

    def reason_for(self, symbol: str) -> str | None:
        """Why nothing is known of the contracts that settle as a symbol says; None where they are known."""
        settle = symbol.rpartition(":")[2].partition("-")[0].lower()
        return next((reason for part, reason in self.unread.items() if part.settle == settle), None)


NOTHING_KNOWN = Lists({}, {})


def _is_past(day: str, now: Milliseconds) -> bool:
    try:
        return datetime.strptime(f"20{day}+0000", "%Y%m%d%z").timestamp() * 1_000 < now
    except ValueError:
        return False


async def load(transport: GateTransport, parts: tuple[GatePart, ...], timeout_ms: Milliseconds, known: Lists) -> Lists:
    """The lists of all parts. One that can't be read stays as it was known. Raises VenueError where none can be."""
    read = await asyncio.gather(*(_attempted(transport, part, timeout_ms) for part in parts))
    loaded = {part: answer for part, answer in zip(parts, read, strict=True) if isinstance(answer, Contracts)}
    failed = {part: answer for part, answer in zip(parts, read, strict=True) if isinstance(answer, VenueError)}
    if not loaded:
        raise next(iter(failed.values()))
    for part, error in failed.items():
        log.warning("market_list_unread", venue="gate", part=part.coverage, error=error.message)
    unread = {part: f"GET {part.path}/contracts: {error.message}" for part, error in failed.items()}
    kept = {part: contracts for part, contracts in known.read.items() if part in failed}
    return Lists(loaded | kept, {part: reason for part, reason in unread.items() if part not in kept})


async def _attempted(transport: GateTransport, part: GatePart, timeout_ms: Milliseconds) -> Contracts | VenueError:
    try:
        return contracts_of(await _rows(transport, part, timeout_ms), part)
    except VenueError as error:
        return error


async def _rows(transport: GateTransport, part: GatePart, timeout_ms: Milliseconds) -> list[Row]:
    endpoints, read = part.endpoints, partial(transport.listing, timeout_ms=timeout_ms)
    if endpoints.traded is None:
        return shape.rows(await read(endpoints.contracts, {"settle": part.settle}), f"GET {part.path}/contracts")
    try:
        return await _pages(read, endpoints.contracts, part)
    except Refused:
        return await _pages(read, endpoints.traded, part)


async def _pages(read: Callable[..., Awaitable[Any]], name: str, part: GatePart) -> list[Row]:
    rows: list[Row] = []
    while True:
        params = {"settle": part.settle, "limit": PAGE, "offset": len(rows)}
        page = shape.rows(await read(name, params), f"GET {part.path}/contracts")
        rows += page
        if len(page) < PAGE:
            return rows


def contracts_of(rows: list[Row], part: GatePart) -> Contracts:
    """What a list holds. A contract that can't be read is left out alone."""
    markets: dict[str, Market] = {}
    ranges: dict[str, GateLeverageRange] = {}
    unreadable: list[UnreadableMarket] = []
    for row in rows:
        try:
            market = market_of(row, part)
        except Ambiguous as problem:
            unreadable.append(_unreadable(row, part, problem))
        else:
            markets[market.id] = market
            ranges[market.symbol] = range_of(row)
    tell_unreadable("gate", unreadable)
    return Contracts(tuple(markets.values()), ranges, tuple(unreadable))


def _unreadable(row: Row, part: GatePart, problem: Ambiguous) -> UnreadableMarket:
    name = str(row.get("name"))
    symbol = f"{'/'.join(name.split('_')[:2])}:{part.settle.upper()}"
    return UnreadableMarket(name, symbol, f"{problem.message} (GET {part.path}/contracts, {name})")


def market_of(row: Row, part: GatePart) -> Market:
    """A contract as a market. Raises Ambiguous, naming the field that can't be read."""
    name, inverse = shape.text(row, "name"), _is_inverse(row)
    pair = name.rpartition("_")[0] if part.type is MarketType.FUTURE else name
    base, _, quote = pair.rpartition("_")
    if not base or not quote:
        raise Ambiguous("the field name of the venue's answer is unreadable", raw=row)
    settle = part.settle.upper()
    return Market(
        symbol=f"{base}/{quote}:{settle}{_day(row) if part.type is MarketType.FUTURE else ''}",
        id=name,
        type=part.type,
        inverse=inverse,
        base=base,
        quote=quote,
        settle=settle,
        contract_size=_size(row, inverse=inverse),
    )


def range_of(row: Row) -> GateLeverageRange:
    """The leverages of a contract; what is empty, null, 0 or no number tells none."""
    return GateLeverageRange(_bound(row, "leverage_min"), _bound(row, "leverage_max"))


def _bound(row: Row, name: str) -> Decimal | None:
    try:
        return figure_of(row, name) or None
    except Ambiguous:
        return None


def _is_inverse(row: Row) -> bool:
    kind = row.get("type")
    if not isinstance(kind, str) or kind not in INVERSE:
        raise Ambiguous(f"the field type of the venue's answer is {kind!r}, neither inverse nor direct", raw=row)
    return INVERSE[kind]


def _size(row: Row, *, inverse: bool) -> Decimal:
    if (size := shape.decimal(row, "quanto_multiplier")) > 0:
        return size
    if inverse and not size:
        return ONE_DOLLAR
    raise Ambiguous("the field quanto_multiplier of the venue's answer is no size", raw=row)


def _day(row: Row) -> str:
    try:
        return f"-{datetime.fromtimestamp(int(shape.decimal(row, 'expire_time')), UTC):%y%m%d}"
    except (ValueError, OverflowError, OSError):
        raise Ambiguous("the field expire_time of the venue's answer is unreadable", raw=row) from None


async def check(transport: Calls, ranges: Ranges, market: Market, leverage: Decimal) -> None:
    """Raise ValueRefused for a leverage outside of the market's range, or a fraction, of which no document speaks.

    The range is read anew before anything is refused for it: Gate may have changed it since the contracts were loaded.
    """
    whole = leverage == leverage.to_integral_value()
    known = ranges.get(market.symbol, NOTHING_TOLD)
    if whole and known.allows(leverage):
        return
    try:
        allowed = await _range_now(transport, market)
    except VenueError:
        allowed = known
        if whole:
            return  # Gate itself will refuse what it does not allow
    if not (whole and allowed.allows(leverage)):
        raise ValueRefused(
            f"{market.symbol} takes {_text(allowed)}{'' if whole else ' in whole steps'}, not {leverage:f}x",
            details={"symbol": market.symbol, "minimum": allowed.lowest, "maximum": allowed.highest},
        )


async def _range_now(transport: Calls, market: Market) -> GateLeverageRange:
    part = part_of(market)
    body = await transport.call(part.endpoints.contract, {"settle": part.settle, "contract": market.id})
    return range_of(shape.mapping(body, f"GET {part.path}/contracts/{market.id}"))


def _text(allowed: GateLeverageRange) -> str:
    lowest, highest = (None if bound is None else f"{bound.normalize():f}x" for bound in allowed)
    if highest is None:
        return f"{lowest or '1x'} or more"
    return f"{lowest or '1x'} to {highest}"


def id_of(past: PastSymbol) -> str | None:
    """BTC_USDT, BTC_USD, BTC_USDT_20261225 (Contract and delivery contract, `name`)."""
    pair = f"{past.base}_{past.quote}"
    return f"{pair}_{past.expiry:%Y%m%d}" if past.expiry else pair
