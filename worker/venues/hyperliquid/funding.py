"""Funding payments of Hyperliquid. Source: info endpoint userFunding; a negative `usdc` was paid, a positive received.

The venue gives payments no id of their own, and their hash is mostly nothing but zeros. A market pays an account once
an hour at most, so that instant and coin make an id that is unique and the same at every reading; where there is a
real hash, it is added.
"""

from dataclasses import dataclass

from schemas.base import utc_text
from schemas.replies import LedgerEntry
from worker.venues.client.transport import Calls
from worker.venues.hyperliquid.paging import Pages
from worker.venues.hyperliquid.universe import Universe
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import History, HistoryQuery
from worker.venues.reading.history import walked
from worker.venues.reading.parts import PartReader

PAGE = 500
"""The most rows of one answer."""

USDC = "USDC"


@dataclass(frozen=True, slots=True)
class Funding:
    """The funding payments of one account."""

    transport: Calls
    owner: str
    universe: Universe

    async def history(self, query: HistoryQuery, reader: PartReader | None = None) -> History:
        """The first `limit` payments from `since` on, or without it the newest. Raises VenueError."""
        coin = query.market.id if query.market else None

        def entry(row: Row) -> LedgerEntry | None:
            # the venue can't be asked for one coin
            return self._entry_of(row) if coin in (None, _coin_of(row)) else None

        records = Pages(self.transport, "userFunding", self.owner, PAGE).records(entry, _id_of)
        return await walked([records], query, self.transport.now(), reader, "get_funding_history")

    def _entry_of(self, row: Row) -> LedgerEntry:
        coin, timestamp = _coin_of(row), shape.milliseconds(row, "time")
        instrument = self.universe.of_coin(coin)
        return LedgerEntry.model_construct(
            id=_id_of(row),
            symbol=instrument.market.symbol if instrument else coin,
            amount=shape.decimal(_delta_of(row), "usdc"),
            code=instrument.market.settle if instrument else USDC,
            timestamp=timestamp,
            datetime=utc_text(timestamp),
            info=row,
        )


def _delta_of(row: Row) -> Row:
    return shape.mapping(row.get("delta"), "a row of userFunding")


def _coin_of(row: Row) -> str:
    return shape.text(_delta_of(row), "coin")


def _id_of(row: Row) -> str:
    name = f"{shape.milliseconds(row, 'time')}-{_coin_of(row)}"
    digest = str(row.get("hash") or "").removeprefix("0x")
    return f"{name}-{digest}" if digest.strip("0") else name
