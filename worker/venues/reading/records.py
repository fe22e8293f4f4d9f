"""What the records of a venue are about, by their types. A type that no table has is never dropped in silence.

A table is made from the venue's own list of types, and a contract test compares it with the official SDK's enumeration:
a type that the SDK knows and we have not decided on fails it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import structlog

from worker.telemetry.metrics import UNKNOWN_RECORDS

log = structlog.get_logger(__name__)

MOST_TYPES = 64
"""Unknown types of a venue that are counted by their names. More than that is no list of types."""

OTHERS = "others"


class Notion(StrEnum):
    """What a record can be about, as far as anybody asks."""

    REALIZED_PNL = "realized pnl"
    FUNDING = "funding"
    FEE = "fee"
    TRANSFER = "transfer"
    NEITHER = "neither"
    """Decided on: it is none of these."""


class RecordType(NamedTuple):
    """What a type of record is about, and the field that has the amount; the notion's own one where it is None."""

    notion: Notion
    amount: str | None = None


class RecordTypes:
    """The types of one kind of records of a venue, with the document that lists them.

    `fields` names, for each notion that can be asked for, the field that carries its amount. Only a field that carries
    nothing else (`pnl`) lets a record of an unknown type be told: `own` lists the notions that have one.
    """

    def __init__(
        self,
        venue: str,
        table: Mapping[str, RecordType],
        source: str,
        fields: Mapping[Notion, str],
        own: Iterable[Notion] = (),
    ) -> None:
        self.venue = venue
        self.table = table
        self.source = source
        self._fields = fields
        self._own = frozenset(own)
        self._unknown: set[str] = set()

    def of(self, *notions: Notion) -> tuple[str, ...]:
        """The types that are about one of these notions, for a question that may be narrowed to them.

        Only what can be narrowed without leaving out an unknown type should be.
        """
        return tuple(name for name, row in self.table.items() if row.notion in notions)

    def amount_field(self, kind: str, wanted: Notion) -> str | None:
        """The field of a record of this type that has the amount wanted; None where it is about something else.

        A type in no table is counted and logged, and told by the field that is the notion's own, if there is one: a
        blank there, or nothing, is for the caller to leave out.
        """
        row = self.table.get(kind)
        if row is None:
            self._note(kind)
            return self._fields[wanted] if wanted in self._own else None
        return (row.amount or self._fields[wanted]) if row.notion is wanted else None

    def undecided(self, enumeration: Iterable[Any]) -> set[str]:
        """Those of the official types that the table does not have."""
        return {str(kind) for kind in enumeration} - self.table.keys()

    def _note(self, kind: str) -> None:
        if kind not in self._unknown and len(self._unknown) < MOST_TYPES:
            self._unknown.add(kind)
            log.warning("unknown_record_type", venue=self.venue, type=kind, source=self.source)
        UNKNOWN_RECORDS.labels(self.venue, kind if kind in self._unknown else OTHERS).inc()
