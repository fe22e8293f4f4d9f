"""Bills of an OKX account: funding payments and realized profits (Get bills details, last 3 months; 2026-07-04).

Pages come newest first; `after` asks for what is older than a bill, `begin` and `end` narrow by time. Realized profits
are asked for without a type, for they come in many, and OKX adds more. What is older than three months OKX gives as
files that it makes on demand (bills-history-archive); those are not asked for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.okx.answers import BILLS, instant, items, optional, reading
from worker.venues.okx.instruments import INSTRUMENT_TYPES
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import HistoryQuery
from worker.venues.port.errors import Ambiguous
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records
from worker.venues.reading.records import Notion, RecordType, RecordTypes

PAGE = 100
"""The most bills one answer holds."""

KEPT: Milliseconds = 92 * DAY
"""The longest that three months can be: further back nothing is asked for."""

KEPT_FOR_CERTAIN: Milliseconds = 89 * DAY
"""The shortest that three months can be: further back nothing is said to be whole."""

_REALIZED, _FUNDING = RecordType(Notion.REALIZED_PNL), RecordType(Notion.FUNDING)
_TRANSFER, _NEITHER = RecordType(Notion.TRANSFER), RecordType(Notion.NEITHER)

BILL_TYPES = RecordTypes(
    "okx",
    MappingProxyType(
        {
            "1": _TRANSFER,
            "2": _REALIZED,  # trade
            "3": _REALIZED,  # delivery of futures and of delisted swaps, exercise
            "4": _NEITHER,  # forced repayment
            "5": _REALIZED,  # liquidation
            "6": _TRANSFER,  # of margin
            "7": _NEITHER,  # interest
            "8": _FUNDING,
            "9": _REALIZED,  # auto-deleveraging
            "10": _REALIZED,  # clawback
            "11": _NEITHER,  # conversion of a token by the system
            "12": _TRANSFER,  # to and from a strategy
            "13": _REALIZED,  # delta dynamic hedging
            "14": _REALIZED,  # block trade
            "15": _NEITHER,  # quick margin
            "16": _NEITHER,  # borrowing
            "18": _NEITHER,  # profit sharing, as it was
            "22": _NEITHER,  # repayment
            "24": _REALIZED,  # spread trading
            "26": _NEITHER,  # structured products
            "27": _NEITHER,  # convert
            "28": _NEITHER,  # easy convert
            "29": _NEITHER,  # one-click repay
            "30": _NEITHER,  # simple trade, which is spot
            "32": _REALIZED,  # position moved to another account, at a price
            "33": _NEITHER,  # loans
            "34": _REALIZED,  # settlement of cross expiry futures, after which the entry price is the settlement price
            "250": _NEITHER,  # profit shared with a lead trader
            "251": _NEITHER,
        }
    ),
    "Get bill types",
    fields={Notion.REALIZED_PNL: "pnl", Notion.FUNDING: "pnl"},
    own=(Notion.REALIZED_PNL,),
)
"""What each type of bill is about.

Sources: the list of types that "Get bills details" had until it pointed to "Get bill types" (`GET /account/subtypes`,
2026-07), and the enumerations of OKX.Net and OKX.Api, which a contract test compares with this table. `pnl` is a profit
without its fees, and of a funding fee the fee itself ("Funding Fee expense: you may refer to pnl"); no other type is
documented to have one, so that a bill of a type that is not listed here realizes what its `pnl` says.
"""

NARROWED = {Notion.FUNDING: BILL_TYPES.of(Notion.FUNDING)}
"""The notions that may be asked for by their types: no other type has a field that says how much of it was funding."""


@dataclass(slots=True)
class Borders:
    """How many ms more are asked for at each end of a window: one, until a bill shows that an end is in it.

    No document says whether `begin` and `end` are themselves included.
    """

    begin: Milliseconds = 1
    end: Milliseconds = 1

    def learn(self, rows: Iterable[Row], begin: Milliseconds, end: Milliseconds) -> None:
        """See what came for these ends."""
        times = {time_of(row) for row in rows}
        self.begin = 0 if begin in times else self.begin
        self.end = 0 if end in times else self.end


@dataclass(frozen=True, slots=True)
class Bills:
    """The bills of one notion that a query asks for. `symbol` names a market by its id."""

    transport: Calls
    notion: Notion
    symbol: Callable[[str], str]
    query: HistoryQuery
    borders: Borders = field(default_factory=Borders)

    def records(self) -> Records:
        """These bills, as a walk reads them."""
        return Records(
            name=f"{INSTRUMENT_TYPES[self.query.market_type]} bills",
            fetch=self._page,
            time=time_of,
            entry=self._entry,
            span=KEPT,
            launch=0,
            kept=KEPT,
            newest_first=True,
            identity=id_of,
        )

    async def _page(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        """A page of a window, and pages behind it until it is full: that a short one is the last, no document says.

        What is older than the window is the end of it, for bills come with the most recent first.
        """
        begin, end = first - self.borders.begin, last + self.borders.end
        params = self._params() | {"begin": str(begin), "end": str(end)}
        rows: list[Row] = []
        while page := await self._asked(params if place is None else params | {"after": str(place)}):
            if id_of(page[-1]) == place:
                raise Ambiguous(f"OKX gives the same page of bills again ({BILLS})", raw=page)
            self.borders.learn(page, begin, end)
            rows, place = rows + page, id_of(page[-1])
            if time_of(page[-1]) < first:
                break
            if len(rows) >= PAGE:
                return HistoryPage(rows, place)
        return HistoryPage(rows)

    async def _asked(self, params: dict[str, str]) -> list[Row]:
        return items(await self.transport.call("privateGetAccountBillsArchive", params), BILLS)

    def _params(self) -> dict[str, str]:
        params = {"instType": INSTRUMENT_TYPES[self.query.market_type], "limit": str(PAGE)}
        if types := NARROWED.get(self.notion):
            (params["type"],) = types
        return params | ({"instId": self.query.market.id} if self.query.market else {})

    def _entry(self, row: Row) -> LedgerEntry | None:
        """A bill as an entry; None for one of another kind of market, of another market, or about something else.

        Whatever the venue filters by, a row must be of the right kind.
        """
        is_of_market = self.query.market is None or row.get("instId") == self.query.market.id
        if row.get("instType") != INSTRUMENT_TYPES[self.query.market_type] or not is_of_market:
            return None
        with reading(BILLS, row):
            amount = amount_of(row, self.notion)
            return self._told(row, amount) if amount else None

    def _told(self, row: Row, amount: Decimal) -> LedgerEntry:
        timestamp = time_of(row)
        return LedgerEntry.model_construct(
            id=id_of(row),
            symbol=self.symbol(shape.text(row, "instId")),
            amount=amount,
            code=shape.text(row, "ccy"),
            timestamp=timestamp,
            datetime=utc_text(timestamp),
            info=row,
        )


def amount_of(row: Row, notion: Notion) -> Decimal | None:
    """How much of a notion a bill is about, received positive; None where it is about something else."""
    name = BILL_TYPES.amount_field(shape.identifier(row, "type"), notion)
    if name is None:
        return None
    amount = optional(row, name)
    return amount or (_balance_change(row) if notion is Notion.FUNDING else None)


def _balance_change(row: Row) -> Decimal | None:
    """What a bill without a figure of its own did to the account's balance or, if isolated, to the position's."""
    return optional(row, "balChg") or optional(row, "posBalChg")


def time_of(row: Row) -> Milliseconds:
    """When a bill was made."""
    return instant(row, "ts")


def id_of(row: Row) -> str:
    """A bill's id, by which its pages go on."""
    return shape.identifier(row, "billId")
