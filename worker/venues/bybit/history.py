"""Funding payments and realized profits of Bybit accounts, over windows and cursors.

Sources, read on 2026-11-29: Get Transaction Log (unified accounts; `funding` is positive when received), Get Trade
History (`execFee` of `execType` Funding is positive when paid), Get Closed PnL, and the pre-upgrade pages. Each answers
for at most seven days; two years are kept. What was before an account was upgraded to unified is told by the
pre-upgrade endpoints alone, of which that for closed profits wants a symbol.

No identity is documented as unique: an `id` of the log stands on two rows of the document's own example, and one order
may close in parts. So rows count as they come.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.bybit.account import AccountInfo, Upgrade
from worker.venues.bybit.instruments import CATEGORIES, Instruments, Listed
from worker.venues.bybit.listing import Listing, blank, named
from worker.venues.bybit.records import CLOSED, EXECUTIONS, LOG
from worker.venues.bybit.terms.settings import category_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import HistoryQuery, Market
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY
from worker.venues.reading.records import Notion, RecordTypes
from worker.venues.reading.walk import Fetch, HistoryPage, Records

LATE: Milliseconds = 60_000
"""How much later than its last execution a closed profit may be written, with plenty to spare."""

SPAN: Milliseconds = 7 * DAY - LATE
KEPT: Milliseconds = 730 * DAY - 60_000
"""Two years, less what the requests for the oldest window may be under way: Bybit refuses an instant beyond.

That what was before an upgrade is kept as long is a guess.
"""

ABREAST = 4
"""Windows read at once: two years have more than a hundred, and the log allows 25 requests in a second."""

REQUESTS = 250
"""Pages of one kind: two years have more than a hundred windows, some of several pages."""

MOST_PAGES = 20
"""Pages of executions that are looked through for the symbols of a window before an upgrade."""

LAUNCH: Milliseconds = 1_519_862_400_000
"""2018-03-01. Bybit had no contracts before."""

FIRST: Mapping[str, Milliseconds] = MappingProxyType({"DIVIDEND_SETTLEMENT": 1_782_864_000_000})
"""When a type of the log began, where that is later: 2026-07-01, a month before the change log has dividends."""

IN_MS = 10**14
"""An instant beyond this is in µs or ns: an example of a closed profit's createdTime is in ns."""

TRANSACTION_LOG = Listing("/v5/account/transaction-log", 50)
TRADE_HISTORY = Listing("/v5/execution/list", 100)
CLOSED_PNL = Listing("/v5/position/closed-pnl", 100)
TRADE_HISTORY_BEFORE = Listing("/v5/pre-upgrade/execution/list", 100)
CLOSED_PNL_BEFORE = Listing("/v5/pre-upgrade/position/closed-pnl", 100)


@dataclass(frozen=True, slots=True)
class Fields:
    """Which fields of a row make an entry; `sign` is -1 where the venue counts what is paid as positive.

    `times` are those that a list may go by, the likelier first. `type` names the field with the record's type.
    """

    types: RecordTypes
    notion: Notion
    type: str
    times: tuple[str, ...]
    id: tuple[str, ...]
    currency: str | None = None
    sign: int = 1


LOGGED = Fields(LOG, Notion.FUNDING, "type", ("transactionTime",), ("id",), currency="currency")
EXECUTED = Fields(EXECUTIONS, Notion.FUNDING, "execType", ("execTime",), ("execId",), sign=-1)
CREATED = Fields(CLOSED, Notion.REALIZED_PNL, "execType", ("createdTime", "updatedTime"), ("orderId", "updatedTime"))
"""Closed profits of what is unified are in the order of `createdTime`."""
UPDATED = Fields(CLOSED, Notion.REALIZED_PNL, "execType", ("updatedTime", "createdTime"), ("orderId", "updatedTime"))
"""Those of classic accounts, of inverse contracts of unified accounts 1.0 and from before an upgrade: `updatedTime`."""


@dataclass(frozen=True, slots=True)
class Source:
    """One listing of records: what to ask it, how to read it, and the rows of which category (None: each its own).

    `before`: of the time before an upgrade to unified.
    """

    name: str
    listing: Listing
    fields: Fields
    params: Row
    category: str | None
    before: bool = False
    launch: Milliseconds = LAUNCH


@dataclass(frozen=True, slots=True)
class SourceRecords:
    """The records of one source that a query asks for."""

    transport: Calls
    instruments: Instruments
    upgrade: Upgrade
    source: Source
    query: HistoryQuery

    def records(self) -> Records:
        """These records, as a walk reads them."""
        return Records(
            name=self.source.name,
            fetch=self._fetch(),
            time=_time_of,
            entry=self._entry,
            span=SPAN,
            launch=self.source.launch,
            kept=KEPT if self.source.launch < self.transport.now() - KEPT else None,
            newest_first=True,
            abreast=ABREAST,
            requests=REQUESTS,
        )

    def _fetch(self) -> Fetch:
        if not self.source.before:
            return self._page
        if self.source.listing is CLOSED_PNL_BEFORE and self.query.market is None:
            return partial(self._before, self._by_symbol)
        return partial(self._before, self._page)

    async def _page(self, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        params = self.source.params | {"startTime": start, "endTime": end}
        cursor = None if place is None else str(place)
        rows, following = await self.source.listing.one_page(self.transport, params, cursor)
        placed = self._placed(rows, start, end)
        if self.source.fields in (LOGGED, CREATED):
            for row in placed:
                self.upgrade.unified_at(self._category(row["row"]), row["at"])
        return HistoryPage(placed, following)

    async def _before(self, fetch: Fetch, start: Milliseconds, end: Milliseconds, place: Place | None) -> HistoryPage:
        """A page of the time before the upgrade; nobody is asked about a window in which the account was unified."""
        if self.upgrade.was_unified(str(self.source.category), start):
            return HistoryPage(())
        return await fetch(start, end, place)

    async def _by_symbol(self, start: Milliseconds, end: Milliseconds, _: Place | None) -> HistoryPage:
        """Closed profits before an upgrade are told by symbol only; executions tell which symbols there were."""
        window = {"startTime": start, "endTime": end}
        symbols, missing = await self._symbols(max(start - LATE, self.transport.now() - KEPT), end)
        found: list[Row] = []
        for symbol in sorted(symbols):
            found += await self.source.listing.rows(self.transport, self.source.params | window | {"symbol": symbol})
        return HistoryPage(self._placed(found, start, end), missing=missing)

    async def _symbols(self, start: Milliseconds, end: Milliseconds) -> tuple[set[str], str | None]:
        params = {"category": self.source.category, "startTime": start, "endTime": end}
        symbols: set[str] = set()
        cursor: str | None = None
        for _ in range(MOST_PAGES):
            rows, cursor = await TRADE_HISTORY_BEFORE.one_page(self.transport, params, cursor)
            symbols |= {shape.text(row, "symbol") for row in rows if row.get("execType") != "Funding"}
            if cursor is None:
                return symbols, None
        return symbols, (
            f"before the upgrade to unified, {CLOSED_PNL_BEFORE.told} tells of one symbol at a time, and there are too "
            f"many {self.source.category} executions to find all of them: ask by symbol"
        )

    def _placed(self, rows: Iterable[Row], start: Milliseconds, end: Milliseconds) -> Sequence[Row]:
        """Rows of a window, each at the instant by which it belongs there: none that was given for it is lost."""
        return [{"at": _at(row, self.source.fields.times, start, end), "row": row} for row in rows]

    def _category(self, row: Row) -> str:
        return self.source.category or str(row.get("category"))

    def _entry(self, placed: Row) -> LedgerEntry | None:
        """A row as an entry, or None for one nobody asked for or that moved no money. Raises Ambiguous, naming it."""
        with named(placed["row"], self.source.listing.told):
            return self._read(placed["row"], placed["at"])

    def _read(self, row: Row, at: Milliseconds) -> LedgerEntry | None:
        fields = self.source.fields
        amount_in = fields.types.amount_field(str(row.get(fields.type)), fields.notion)
        category = self._category(row)
        if amount_in is None or blank(row, amount_in) or category not in CATEGORIES:
            return None
        amount = shape.decimal(row, amount_in) * fields.sign
        market = self._market(shape.text(row, "symbol"), inverse=CATEGORIES[category])
        if not amount or market is None or market.type is not self.query.market_type:
            return None
        return LedgerEntry.model_construct(
            id="-".join(shape.identifier(row, name) for name in fields.id),
            symbol=market.symbol,
            amount=amount,
            code=shape.text(row, fields.currency) if fields.currency else market.settle,
            timestamp=at,
            datetime=utc_text(at),
            info=row,
        )

    def _market(self, market_id: str, *, inverse: bool) -> Market | Listed | None:
        """The market of a row; None where another was asked for. One that is listed no longer is known by its id."""
        if (only := self.query.market) is None:
            return self.instruments.listed(market_id, inverse=inverse)
        return only if (only.id, only.inverse) == (market_id, inverse) else None


def _time_of(placed: Row) -> Milliseconds:
    at: Milliseconds = placed["at"]
    return at


def _at(row: Row, names: tuple[str, ...], start: Milliseconds, end: Milliseconds) -> Milliseconds:
    """The first of a row's times that lies in the window it was given for.

    By which time of its rows Bybit cuts a window of closed profits is documented nowhere: one that just misses it is
    taken for the border. A row that is far off has a window of its own.
    """
    times = [_instant(row, name) for name in names if not blank(row, name)] or [_instant(row, names[0])]
    inside = next((time for time in times if start <= time <= end), None)
    if inside is not None:
        return inside
    border = max(start, min(times[0], end))
    return border if len(names) > 1 and abs(border - times[0]) <= LATE else times[0]


def _instant(row: Row, name: str) -> Milliseconds:
    time = int(shape.decimal(row, name))
    while time >= IN_MS:
        time //= 1_000
    return time


Sources = Callable[[AccountInfo, Market | None, Milliseconds], tuple[Source, ...]]


def funding_sources(account: AccountInfo, market: Market | None, now: Milliseconds) -> tuple[Source, ...]:
    """Where the funding payments of an account stand: in its log as far as it is unified, else among executions.

    The log is asked by type: a trade is in it too, and there may be thousands for one payment. What a type is about is
    documented, and a test compares the table with the documents and the SDK.
    """
    unified = {name: account.is_unified(inverse=CATEGORIES[name]) for name in _categories(market)}
    before = _executed_before(unified, market) if _has_a_past(account, now) else ()
    return (*_logged(unified, market), *_executed(unified, market), *before)


def _has_a_past(account: AccountInfo, now: Milliseconds) -> bool:
    """Whether an account may have been upgraded so lately that what was before is still kept."""
    return account.changed is None or account.changed > now - KEPT


def _logged(unified: dict[str, bool], market: Market | None) -> Iterator[Source]:
    """The log, by type; one walk for both categories where it has both, for without one it has the rows of all."""
    narrowed: list[tuple[str, Row]]
    if all(unified.values()) and len(unified) == len(CATEGORIES):
        narrowed = [("", {})]
    else:
        base = {"baseCoin": market.base} if market else {}
        narrowed = [(f"{name} ", {"category": name} | base) for name, is_logged in unified.items() if is_logged]
    for prefix, params in narrowed:
        for kind in LOG.of(Notion.FUNDING):
            asked = {"accountType": "UNIFIED", "type": kind} | params
            yield Source(f"{prefix}{kind}", TRANSACTION_LOG, LOGGED, asked, None, launch=FIRST.get(kind, LAUNCH))


def _executed(unified: dict[str, bool], market: Market | None) -> Iterator[Source]:
    for name in (name for name, is_logged in unified.items() if not is_logged):
        params = {"category": name, "execType": "Funding"} | _symbol(market)
        yield Source(name, TRADE_HISTORY, EXECUTED, params, name)


def _executed_before(unified: dict[str, bool], market: Market | None) -> Iterator[Source]:
    for name in (name for name, is_unified in unified.items() if is_unified):
        params = {"category": name, "execType": "Funding"} | _symbol(market)
        yield Source(f"{name} before unified", TRADE_HISTORY_BEFORE, EXECUTED, params, name, before=True)


def profit_sources(account: AccountInfo, market: Market | None, now: Milliseconds) -> tuple[Source, ...]:
    """Closed profits, which every type of account keeps by category."""
    return tuple(source for name in _categories(market) for source in _closed(account, name, market, now))


def _closed(account: AccountInfo, name: str, market: Market | None, now: Milliseconds) -> Iterator[Source]:
    unified = account.is_unified(inverse=CATEGORIES[name])
    params = {"category": name} | _symbol(market)
    yield Source(name, CLOSED_PNL, CREATED if unified else UPDATED, params, name)
    if unified and _has_a_past(account, now):
        yield Source(f"{name} before unified", CLOSED_PNL_BEFORE, UPDATED, params, name, before=True)


def _categories(market: Market | None) -> tuple[str, ...]:
    return (category_of(market),) if market else tuple(CATEGORIES)


def _symbol(market: Market | None) -> dict[str, str]:
    return {"symbol": market.id} if market else {}
