"""Records of a Newvenue account: funding payments and realized profits.

Read: the page of the account's records, its list of types, and how its pages go on. Find out: the sign (received is
positive here), whether a profit is told before or after fees, how long records are kept, the widest window of one
question, whether its ends are included, which end of a window comes first, and what is documented to be unique. A
type that the table does not have is logged and counted, and told where it has a field of the notion's own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import HistoryQuery
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records
from worker.venues.reading.records import Notion, RecordType, RecordTypes

RECORDS = "GET /v1/records"

PAGE = 100
"""The most records of one answer."""

SPAN: Milliseconds = 365 * DAY
"""The widest window of one question."""

LAUNCH: Milliseconds = 1_735_689_600_000
"""There was nothing before: the first day of 2025."""

TYPES = RecordTypes(
    "newvenue",
    MappingProxyType(
        {
            "funding": RecordType(Notion.FUNDING),
            "close": RecordType(Notion.REALIZED_PNL),
            "liquidation": RecordType(Notion.REALIZED_PNL),
            "fee": RecordType(Notion.FEE),
            "transfer": RecordType(Notion.TRANSFER),
        }
    ),
    "the template",
    fields={Notion.FUNDING: "amount", Notion.REALIZED_PNL: "amount"},
)


@dataclass(frozen=True, slots=True)
class NewvenueRecords:
    """The records of one notion that a query asks for. `symbol` names a market by its id."""

    transport: Calls
    notion: Notion
    symbol: Callable[[str], str]
    query: HistoryQuery

    def records(self) -> Records:
        """These records, as a walk reads them."""
        return Records(
            name="records",
            fetch=self._page,
            time=lambda row: shape.milliseconds(row, "time"),
            entry=self._entry,
            span=SPAN,
            launch=LAUNCH,
            identity=lambda row: shape.text(row, "id"),
            size=PAGE,
        )

    async def _page(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        params: dict[str, str | int] = {"from": first, "to": last, "limit": PAGE}
        params |= {"after": str(place)} if place is not None else {}
        params |= {"instrument": self.query.market.id} if self.query.market else {}
        body = shape.mapping(await self.transport.call("privateGetRecords", params), RECORDS)
        return HistoryPage(shape.rows(body.get("records"), RECORDS), body.get("next"))

    def _entry(self, row: Row) -> LedgerEntry | None:
        """A record as an entry; None for one that is about something else."""
        with shape.ReadFrom(RECORDS, row.get("id")):
            name = TYPES.amount_field(shape.text(row, "type"), self.notion)
            if name is None:
                return None
            time = shape.milliseconds(row, "time")
            return LedgerEntry(
                id=shape.text(row, "id"),
                symbol=self.symbol(shape.text(row, "instrument")),
                amount=shape.decimal(row, name),
                code=shape.text(row, "currency"),
                timestamp=time,
                datetime=utc_text(time),
                info=row,
            )
