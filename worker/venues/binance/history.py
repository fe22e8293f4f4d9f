"""Income entries of Binance: funding payments and realized profits, over windows and pages.

Sources: Get Income History (fapi, dapi), Get UM and CM Income History (papi), read 2026-11-29 in the official clients
18.1, 14.1 and 16.1; General Info: "Data is returned in ascending order". Both ends of a window are included, `tranId`
is unique within one type of income of a user, and where there is more than `limit` the first so many are given (Link
and Trade, Get Income History), so that a page with fewer is the last. `page` is gone since 2026-10-16: a page begins
where the one before ended, at the same instant, and an instant that alone fills a page can't be passed.

A window is asked for whole first, without a type: then nothing is left out, and a type that no table has shows. Only
where that fills a page, as with thousands of commissions, is it asked for the wanted types, one by one.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from operator import itemgetter
from types import MappingProxyType
from typing import NamedTuple

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.binance.endpoints import BinanceEndpoints, spoken
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import HistoryPage, Records
from worker.venues.reading.parts import understood
from worker.venues.reading.records import Notion, RecordType, RecordTypes

PAGE = 1_000
"""The most entries one answer holds."""

LAUNCH: Milliseconds = 1_567_296_000_000
"""2019-09-01. Binance had no futures before, so no window needs to begin earlier."""

COIN_TYPES: Mapping[str, Notion] = MappingProxyType(
    {
        "FUNDING_FEE": Notion.FUNDING,
        "REALIZED_PNL": Notion.REALIZED_PNL,
        "DELIVERED_SETTELMENT": Notion.REALIZED_PNL,
        "COMMISSION": Notion.FEE,
        "INSURANCE_CLEAR": Notion.FEE,
        "TRANSFER": Notion.TRANSFER,
        "WELCOME_BONUS": Notion.NEITHER,
    }
)
"""What COIN-M and the CM side of Portfolio Margin can be asked for.

That a delivery settles a realized profit, its name alone says, which Binance misspells.
"""

PORTFOLIO_UM_TYPES: Mapping[str, Notion] = MappingProxyType(
    {
        **COIN_TYPES,
        "REFERRAL_KICKBACK": Notion.FEE,
        "COMMISSION_REBATE": Notion.FEE,
        "API_REBATE": Notion.FEE,
        "POSITION_LIMIT_INCREASE_FEE": Notion.FEE,
        "CROSS_COLLATERAL_TRANSFER": Notion.TRANSFER,
        "INTERNAL_TRANSFER": Notion.TRANSFER,
        "COIN_SWAP_DEPOSIT": Notion.TRANSFER,
        "COIN_SWAP_WITHDRAW": Notion.TRANSFER,
        "CONTEST_REWARD": Notion.NEITHER,
        "OPTIONS_PREMIUM_FEE": Notion.NEITHER,
        "OPTIONS_SETTLE_PROFIT": Notion.NEITHER,
    }
)
"""What the UM side of Portfolio Margin can be asked for."""

USDS_TYPES: Mapping[str, Notion] = MappingProxyType(
    {
        **PORTFOLIO_UM_TYPES,
        "SPECIAL_FUNDING_FEE": Notion.FUNDING,
        "FEE_RETURN": Notion.FEE,
        "STRATEGY_UMFUTURES_TRANSFER": Notion.TRANSFER,
        "AUTO_EXCHANGE": Notion.TRANSFER,
        "BFUSD_REWARD": Notion.NEITHER,
    }
)
"""What USDⓈ-M can be asked for: every type there is."""

ASKED_FOR: Mapping[str, Mapping[str, Notion]] = MappingProxyType(
    {
        "fapiPrivateGetIncome": USDS_TYPES,
        "dapiPrivateGetIncome": COIN_TYPES,
        "papiGetUmIncome": PORTFOLIO_UM_TYPES,
        "papiGetCmIncome": COIN_TYPES,
    }
)
"""The types that each endpoint documents, by ccxt's name for it."""

AMOUNT = "income"

TYPES = RecordTypes(
    "binance",
    {name: RecordType(notion) for name, notion in USDS_TYPES.items()},
    source="Get Income History, official clients 18.1, 14.1 and 16.1",
    fields={Notion.FUNDING: AMOUNT, Notion.REALIZED_PNL: AMOUNT},
)
"""All types. The amount of each stands in the same field, which says nothing of what it is."""

ID_ALONE = frozenset({"FUNDING_FEE", "REALIZED_PNL"})
"""The types whose entries are told by their `tranId`; others have their type before it, for it is unique within one."""


class Answered(NamedTuple):
    """The rows of an answer in order, whether they fill a page, and what is wrong with one that has no place in it."""

    rows: Sequence[Row]
    is_full: bool
    odd: str | None = None


Ask = Callable[[str | None, Milliseconds, Milliseconds], Awaitable[Answered]]
"""One request: entries of a type, or of all types, between two instants, both included: the first that fill a page."""


@dataclass(frozen=True, slots=True)
class IncomePages:
    """The pages of some types of income, for one question; `where` stands in the words about what can't be had.

    The rows of a rare type, which one answer told whole, are not asked for again. What a page is, its window and place
    alone say: a cursor may ask for it again.
    """

    ask: Ask
    types: tuple[str, ...]
    where: str
    _whole: dict[tuple[str, Milliseconds], Answered] = field(default_factory=dict)

    async def fetch(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        """A page of a window: all that is in it, or the wanted types from an instant on."""
        if isinstance(place, tuple):
            at, *given = place
            return await self._by_type(at, given, last)
        everything = await self.ask(None, first, last)
        missing = self._missing([everything])
        if not everything.is_full:
            return HistoryPage(everything.rows, missing=missing)
        page = await self._by_type(first, [0] * len(self.types), last)
        return page._replace(missing=missing or page.missing)

    async def _by_type(self, at: Milliseconds, given: Sequence[int], last: Milliseconds) -> HistoryPage:
        """From an instant on, without so many rows of it of each type; as far as every type is told."""
        answers = await asyncio.gather(*(self._of_type(kind, at, last) for kind in self.types))
        border = min((time_of(answer.rows[-1]) for answer in answers if answer.is_full and answer.rows), default=None)
        told = [[row for row in answer.rows if border is None or time_of(row) <= border] for answer in answers]
        fresh = chain.from_iterable(rows[count:] for rows, count in zip(told, given, strict=True))
        page, missing = sorted(fresh, key=time_of), self._missing(answers)
        if border is None:
            return HistoryPage(page, missing=missing)
        if border > at:
            counts = (sum(time_of(row) == border for row in rows) for rows in told)
            return HistoryPage(page, (border, *counts), missing)
        lost = f"{self.where} gives no more than the first {PAGE} entries of one instant ({at})"
        following = (at + 1, *(0 for _ in self.types)) if at < last else None
        return HistoryPage(page, following, lost)

    async def _of_type(self, kind: str, at: Milliseconds, last: Milliseconds) -> Answered:
        """Entries of a type from an instant on: asked for, or taken from an answer that had all of the window."""
        if (whole := self._whole.get((kind, last))) is None:
            answer = await self.ask(kind, at, last)
            if not answer.is_full:
                self._whole[kind, last] = answer
            return answer
        return whole._replace(rows=[row for row in whole.rows if time_of(row) >= at])

    def _missing(self, answers: Sequence[Answered]) -> str | None:
        """What stands in these answers and can't be told."""
        if odd := next((answer.odd for answer in answers if answer.odd), None):
            return odd
        kinds = {str(row.get("incomeType")) for answer in answers for row in answer.rows}
        if unknown := sorted(kinds - TYPES.table.keys()):
            return f"{self.where} has entries of types that no table has, and they are not told: {', '.join(unknown)}"
        return None


@dataclass(frozen=True, slots=True)
class Income:
    """The entries about a notion from one endpoint, of a market or of all.

    `entry` reads a row and the field with its amount, or gives None for a row that nobody asked for.
    """

    transport: Calls
    endpoints: BinanceEndpoints
    notion: Notion
    market_id: str | None
    entry: Callable[[Row], LedgerEntry | None]

    def records(self) -> Records:
        """These entries, as a walk reads them."""
        asked = ASKED_FOR[self.endpoints.income]
        types = tuple(kind for kind, notion in asked.items() if notion is self.notion)
        return Records(
            name=self.endpoints.coverage,
            fetch=IncomePages(self._page, types, spoken(self.endpoints.income)).fetch,
            time=time_of,
            entry=self._read,
            span=self.endpoints.income_span,
            launch=LAUNCH,
            kept=self.endpoints.income_kept,
            identity=_identity,
            size=PAGE,
        )

    def _read(self, row: Row) -> LedgerEntry | None:
        with shape.ReadFrom(spoken(self.endpoints.income)):
            is_wanted = TYPES.amount_field(shape.text(row, "incomeType"), self.notion) is not None
            return self.entry(row) if is_wanted else None

    async def _page(self, kind: str | None, start: Milliseconds, end: Milliseconds) -> Answered:
        params: Row = {"startTime": start, "endTime": end, "limit": PAGE}
        if kind:
            params["incomeType"] = kind
        if self.market_id:
            params["symbol"] = self.market_id
        where = spoken(self.endpoints.income)
        rows = shape.rows(await self.transport.call(self.endpoints.income, params), where)
        timed = understood(rows, lambda row: (time_of(row), row))
        within = sorted((pair for pair in timed.found if start <= pair[0] <= end), key=itemgetter(0))
        odd = None if timed.problem is None else f"{timed.problem.message} ({where})"
        return Answered([row for _, row in within], len(rows) >= PAGE, odd)


def time_of(row: Row) -> Milliseconds:
    """When an entry was made."""
    return shape.milliseconds(row, "time")


def entry_of(row: Row, symbol: str | None) -> LedgerEntry:
    """An income row as a ledger entry; received is positive already."""
    timestamp, kind, number = time_of(row), shape.text(row, "incomeType"), shape.identifier(row, "tranId")
    return LedgerEntry.model_construct(
        id=number if kind in ID_ALONE else f"{kind}-{number}",
        symbol=symbol,
        amount=shape.decimal(row, AMOUNT),
        code=shape.text(row, "asset"),
        timestamp=timestamp,
        datetime=utc_text(timestamp),
        info=row,
    )


def _identity(row: Row) -> tuple[object, ...]:
    return tuple(row.get(name) for name in ("incomeType", "tranId", "symbol", "asset"))
