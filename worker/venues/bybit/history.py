"""Funding payments and realized profits of Bybit accounts, over windows and cursors.

Sources: Get Transaction Log (unified accounts; `funding` is positive when received), Get Trade History (`execFee` of
`execType` Funding is positive when paid), Get Closed PnL (in the order of `createdTime`, which is why entries bear it).
Each answers for at most seven days and keeps two years.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.bybit.account import AccountInfo
from worker.venues.bybit.instruments import Instruments
from worker.venues.bybit.listing import Listing, blank
from worker.venues.bybit.terms import category_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import HistoryQuery, Market
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records

SPAN: Milliseconds = 7 * DAY
KEPT: Milliseconds = 730 * DAY - 60_000
"""Two years, less what the requests for the oldest window may be under way: Bybit refuses an instant beyond."""

ABREAST = 4
"""Windows read at once: two years have more than a hundred, and the log allows thirty requests in a second."""

REQUESTS = 160
"""Two years have more than a hundred windows, most of which are empty."""

LAUNCH: Milliseconds = 1_519_862_400_000
"""2018-03-01. Bybit had no contracts before."""

TRANSACTION_LOG = Listing("privateGetV5AccountTransactionLog", 50)
EXECUTIONS = Listing("privateGetV5ExecutionList", 100)
CLOSED_PNL = Listing("privateGetV5PositionClosedPnl", 100)

CATEGORIES: Mapping[str, bool] = MappingProxyType({"linear": False, "inverse": True})
"""Bybit's categories of futures, and whether they are inverse."""


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a row make an entry; `sign` is -1 where the venue counts what is paid as positive."""

    amount: str
    time: str
    id: tuple[str, ...]
    currency: str | None = None
    sign: int = 1


LOGGED = Fields(amount="funding", time="transactionTime", id=("id",), currency="currency")
EXECUTED = Fields(amount="execFee", time="execTime", id=("execId",), sign=-1)
CLOSED = Fields(amount="closedPnl", time="createdTime", id=("orderId", "createdTime"))


@dataclass(frozen=True, slots=True)
class Source:
    """One listing of records: what to ask it, how to read it, and the rows of which category (None: each its own)."""

    listing: Listing
    fields: Fields
    params: Row
    category: str | None

    @property
    def name(self) -> str:
        """What coverage calls it: the category, or the log that has all."""
        return self.category or str(self.params.get("category", "transaction log"))


@dataclass(frozen=True, slots=True)
class SourceHistory:
    """The records of one source that a query asks for."""

    transport: Calls
    instruments: Instruments
    source: Source
    query: HistoryQuery

    def records(self) -> Records:
        """These records, as a walk reads them."""
        return Records(
            name=self.source.name,
            fetch=self._page,
            time=self._time_of,
            entry=self._entry,
            span=SPAN,
            launch=LAUNCH,
            kept=KEPT,
            newest_first=True,
            identity=self._identity,
            abreast=ABREAST,
            requests=REQUESTS,
        )

    async def _page(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        params = self.source.params | {"startTime": start, "endTime": end}
        return HistoryPage(
            *await self.source.listing.one_page(self.transport, params, None if place is None else str(place))
        )

    def _time_of(self, row: Row) -> Milliseconds:
        return int(shape.decimal(row, self.source.fields.time))

    def _identity(self, row: Row) -> str:
        return "-".join(shape.identifier(row, name) for name in self.source.fields.id)

    def _entry(self, row: Row) -> LedgerEntry | None:
        """A row as an entry, or None for one nobody asked for or that moved no money."""
        category = self.source.category or shape.text(row, "category")
        fields = self.source.fields
        if category not in CATEGORIES or blank(row, fields.amount):
            return None
        market = self.instruments.listed(shape.text(row, "symbol"), inverse=CATEGORIES[category])
        only = self.query.market
        amount = shape.decimal(row, fields.amount) * fields.sign
        if not amount or market.type is not self.query.market_type or (only and market.symbol != only.symbol):
            return None
        timestamp = self._time_of(row)
        return LedgerEntry.model_construct(
            id=self._identity(row),
            symbol=market.symbol,
            amount=amount,
            code=shape.text(row, fields.currency) if fields.currency else market.settle,
            timestamp=timestamp,
            datetime=utc_text(timestamp),
            info=row,
        )


Sources = Callable[[AccountInfo, Market | None], tuple[Source, ...]]


def funding_sources(account: AccountInfo, market: Market | None) -> tuple[Source, ...]:
    """Where the funding payments of an account stand: in its log as far as it is unified, else among executions."""
    unified = {name: account.is_unified(inverse=CATEGORIES[name]) for name in _categories(market)}
    executed = tuple(
        Source(EXECUTIONS, EXECUTED, {"category": name, "execType": "Funding"} | _symbol(market), name)
        for name, is_logged in unified.items()
        if not is_logged
    )
    logged = [name for name, is_logged in unified.items() if is_logged]
    if len(logged) == len(CATEGORIES):
        # one walk through the log for both: without a category it has the rows of all
        return (_logged({}),)
    return (*(_logged({"category": name} | _base(market)) for name in logged), *executed)


def profit_sources(_: AccountInfo, market: Market | None) -> tuple[Source, ...]:
    """Closed profits, which every type of account keeps by category."""
    return tuple(Source(CLOSED_PNL, CLOSED, {"category": name} | _symbol(market), name) for name in _categories(market))


def _logged(narrowed: dict[str, str]) -> Source:
    return Source(TRANSACTION_LOG, LOGGED, {"accountType": "UNIFIED", "type": "SETTLEMENT"} | narrowed, None)


def _categories(market: Market | None) -> tuple[str, ...]:
    return (category_of(market),) if market else tuple(CATEGORIES)


def _base(market: Market | None) -> dict[str, str]:
    """The log has no parameter for a symbol; the base coin comes nearest."""
    return {"baseCoin": market.base} if market else {}


def _symbol(market: Market | None) -> dict[str, str]:
    return {"symbol": market.id} if market else {}
