"""Funding payments and realized profits of Hyperliquid.

Sources: info endpoint "Pagination", userFunding and userFillsByTime; read 2026-11-29. An answer begins with the oldest
row of its span; the next one is asked for from the time of the last row on, both ends included. It holds "500 elements
or distinct blocks" (2,000 of fills), so that one which is not full need not be the last. That both questions tell of
the builder-deployed dexes too, for which they have no parameter, is what users see; no document says so.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from types import MappingProxyType

from schemas.base import Milliseconds, utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.instruments import Universe
from worker.venues.hyperliquid.limits import INFO
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.port.errors import VenueError
from worker.venues.reading.history import Records, walked
from worker.venues.reading.instants import InstantPages
from worker.venues.reading.parts import PartReader
from worker.venues.reading.records import Notion, RecordType, RecordTypes

LAUNCH: Milliseconds = 1_672_531_200_000
"""2023-01-01. Hyperliquid had no perpetuals before, so no window needs to begin earlier."""

WHOLE: Milliseconds = 100 * 365 * 86_400_000
"""Longer than any span: the venue limits rows and not time, so one window is enough."""

PAYMENTS_PAGE, FILLS_PAGE = 500, 2_000
"""The most rows of one answer."""

REQUESTS = 10
"""How many full pages a question may cost: those of fills weigh 120, and an address has 1,200 a minute."""

KEPT = 10_000
"""The newest fills that the venue gives; older ones are not to be had."""

NO_MARKETS = ("@", "#", "+")
"""How coins begin that are no perpetuals: spot pairs by their index, and outcomes ("Perpetuals vs Spot", "Asset IDs").

Other spot pairs have a slash in their name.
"""


def _all(notion: Notion, names: str) -> dict[str, RecordType]:
    return {name.replace("_", " "): RecordType(notion) for name in names.split()}


DIRECTIONS = RecordTypes(
    "hyperliquid",
    MappingProxyType(
        _all(
            Notion.REALIZED_PNL,
            "Open_Long Open_Short Close_Long Close_Short Long_>_Short Short_>_Long Liquidated_Cross_Long "
            "Liquidated_Cross_Short Liquidated_Isolated_Long Liquidated_Isolated_Short Auto-Deleveraging Settlement "
            "Net_Child_Vaults",
        )
        | _all(
            Notion.NEITHER,
            "Buy Sell Spot_Dust_Conversion Partial_Borrow_Liquidation Backstop_Borrow_Liquidation Split_Outcome "
            "Merge_Outcome Merge_Question Negate_Outcome",
        )
    ),
    "the `dir` of fills, which no document lists: three SDKs' enumerations, 2026-11-29",
    {Notion.REALIZED_PNL: "closedPnl"},
    own=[Notion.REALIZED_PNL],
)
"""What a fill is about by its `dir`. What spot pairs and outcomes realize is nothing of perpetuals."""

DELTAS = RecordTypes(
    "hyperliquid",
    MappingProxyType(
        _all(Notion.FUNDING, "funding")
        | _all(
            Notion.TRANSFER,
            "accountClassTransfer activateDexAbstraction cStakingTransfer deposit internalTransfer send spotTransfer "
            "perpDexClassTransfer subAccountTransfer vaultCreate vaultDeposit vaultDistribution vaultWithdraw withdraw",
        )
        | _all(Notion.FEE, "accountActivationGas deployGasAuction gossipPriorityGasAuction")
        | _all(Notion.NEITHER, "borrowLend liquidation rewardsClaim spotGenesis vaultLeaderCommission")
    ),
    "the deltas of userFunding and userNonFundingLedgerUpdates: @nktkas/hyperliquid 0.33.3",
    {Notion.FUNDING: "usdc"},
    own=[Notion.FUNDING],
)
"""What a change of an account's ledger is about. A liquidation names what was liquidated; what it cost, fills tell."""


def time_of(row: Row) -> Milliseconds:
    """When a row was made."""
    return shape.milliseconds(row, "time")


@dataclass(frozen=True, slots=True)
class Pages:
    """One kind of rows of one account; `size` is the most rows an answer holds.

    Rows count as they come: no field of theirs is unique by itself.
    """

    transport: Calls
    type: str
    owner: str
    size: int

    def records(self, entry: Callable[[Row], LedgerEntry | None]) -> Records:
        """These rows, as a walk reads them."""
        pages = InstantPages("Hyperliquid", self.page, time_of, self.size)
        return Records(self.type, pages.fetch, time_of, entry, span=WHOLE, launch=LAUNCH, requests=REQUESTS)

    async def page(self, start: Milliseconds, end: Milliseconds) -> Sequence[Row]:
        """The first rows of a span: all there are, unless they are as many as fill an answer."""
        rows = await self.answer(start, end)
        while rows and len(rows) < self.size:
            border = time_of(rows[-1])
            more = (await self.answer(border, end))[sum(time_of(row) == border for row in rows) :]
            if not more:
                break
            rows += more
        return rows

    async def answer(self, start: Milliseconds, end: Milliseconds) -> list[Row]:
        """The first rows of a span, as many as one answer holds."""
        asked = {"type": self.type, "user": self.owner, "startTime": start, "endTime": end}
        return sorted(shape.rows(await self.transport.call(INFO, asked), self.type), key=time_of)


@dataclass(frozen=True, slots=True)
class Funding:
    """The funding payments of one account; a negative `usdc` was paid, a positive received.

    The venue gives payments no id of their own, and their hash is mostly nothing but zeros. A market pays an account
    once an hour at most, so that instant and coin make an id that is unique and the same at every reading; where there
    is a real hash, it is added.
    """

    transport: Calls
    owner: str
    universe: Universe

    async def history(self, query: HistoryQuery, reader: PartReader | None = None) -> History:
        """The first `limit` payments from `since` on, or without it the newest. Raises VenueError."""
        coin = query.market.id if query.market else None

        def entry(row: Row) -> LedgerEntry | None:
            # the venue can't be asked for one coin
            return self._entry_of(row) if coin in (None, _delta_of(row).get("coin")) else None

        pages = Pages(self.transport, "userFunding", self.owner, PAYMENTS_PAGE)
        return await walked([pages.records(entry)], query, self.transport.now(), reader, "get_funding_history")

    def _entry_of(self, row: Row) -> LedgerEntry | None:
        delta = _delta_of(row)
        amount = _amount(DELTAS, Notion.FUNDING, _kind_of(delta, "type"), delta)
        if amount is None:
            return None
        return _entry(self.universe, shape.text(delta, "coin"), _payment_id(row), amount, row)


@dataclass(slots=True)
class _Reach:
    """How many fills of all kinds were seen, all of a stretch up to now, and the time of the oldest."""

    count: int = 0
    oldest: Milliseconds = 2**63

    def note(self, *rows: Row) -> None:
        self.count += len(rows)
        self.oldest = min([self.oldest, *map(time_of, rows)])

    def complete_from(self, begin: Milliseconds) -> Milliseconds:
        """The first instant from `begin` on of which nothing can be forgotten.

        Where there are fewer than the venue keeps, that is all there was; else of the oldest instant some may be gone.
        """
        return max(begin, self.oldest + 1) if self.count >= KEPT else begin


@dataclass(frozen=True, slots=True)
class RealizedPnl:
    """The realized profits and losses of one account, fill by fill; `closedPnl` is gross of fees.

    Only the 10,000 newest fills of an account can be had; that older ones were forgotten shows only in their number.
    """

    transport: Calls
    owner: str
    universe: Universe

    async def history(self, query: HistoryQuery, reader: PartReader | None = None) -> History:
        """The first `limit` profits from `since` on, or without it the newest. Raises VenueError."""
        coin, reach = query.market.id if query.market else None, _Reach()

        def entry(row: Row) -> LedgerEntry | None:
            reach.note(row)
            return self._entry_of(row) if coin in (None, row.get("coin")) else None

        pages = Pages(self.transport, "userFillsByTime", self.owner, FILLS_PAGE)
        found = await walked([pages.records(entry)], query, self.transport.now(), reader, "get_realized_pnl")
        if query.cursor is None and found.next_cursor is None:
            return replace(found, complete_from=reach.complete_from(found.complete_from))
        return replace(found, complete_from=await self._complete_from(pages, found))

    def _entry_of(self, row: Row) -> LedgerEntry | None:
        coin = shape.text(row, "coin")
        if coin.startswith(NO_MARKETS) or "/" in coin:
            return None
        amount = _amount(DIRECTIONS, Notion.REALIZED_PNL, _kind_of(row, "dir"), row)
        return _entry(self.universe, coin, _fill_id(row), amount, row) if amount else None

    async def _complete_from(self, pages: Pages, found: History) -> Milliseconds:
        """The first instant of which nothing can be forgotten.

        A fill from before shows that the venue has all since. Where that can't be read, only what was told shows it.
        """
        begin = found.complete_from
        try:
            if begin > LAUNCH and any(time_of(row) < begin for row in await pages.answer(LAUNCH, begin - 1)):
                return begin
            return await self._kept_from(pages, begin)
        except VenueError:
            told = found.entries[0].timestamp if found.entries else found.complete_to
            return max(begin, told + 1)

    async def _kept_from(self, pages: Pages, begin: Milliseconds) -> Milliseconds:
        """The same where nothing is kept from before: what there is must be counted."""
        records = pages.records(lambda row: None)
        reach, place = _Reach(), None
        while reach.count < KEPT:
            page = await records.fetch(begin, self.transport.now(), place)
            reach.note(*page.rows)
            if (place := page.following) is None:
                break
        return reach.complete_from(begin)


def _entry(universe: Universe, coin: str, name: str, amount: Decimal, row: Row) -> LedgerEntry:
    timestamp = time_of(row)
    instrument = universe.of_coin(coin)
    return LedgerEntry.model_construct(
        id=name,
        symbol=instrument.market.symbol if instrument else coin,
        amount=amount,
        code=universe.collateral_of(coin),
        timestamp=timestamp,
        datetime=utc_text(timestamp),
        info=row,
    )


def _amount(types: RecordTypes, notion: Notion, kind: str, row: Row) -> Decimal | None:
    """What a record carries of a notion, if it is about it; of an unknown type, if it carries anything."""
    field = types.amount_field(kind, notion)
    if field is None or (kind not in types.table and row.get(field) in (None, "")):
        return None
    return shape.decimal(row, field)


def _kind_of(row: Mapping[str, object], name: str) -> str:
    """The type of a record. One without any is of a type that no table has."""
    kind = row.get(name)
    return kind if isinstance(kind, str) else f"no {name}"


def _delta_of(row: Row) -> Row:
    return shape.mapping(row.get("delta"), "a row of userFunding")


def _payment_id(row: Row) -> str:
    name = f"{time_of(row)}-{_delta_of(row)['coin']}"
    digest = str(row.get("hash") or "").removeprefix("0x")
    return f"{name}-{digest}" if digest.strip("0") else name


def _fill_id(row: Row) -> str:
    """What tells fills apart: a trade is unique only with instant and coin, and the fills of the venue itself have 0.

    Sources: Websocket, "WsTrade", and the notes of two SDKs; read 2026-11-29.
    """
    facts = (time_of(row), shape.text(row, "coin"), shape.identifier(row, "tid"), row.get("oid"))
    return "-".join(str(fact) for fact in facts if fact is not None)
