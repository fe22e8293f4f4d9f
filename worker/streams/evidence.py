"""Pushes that state terms, and wait to be looked at."""

import asyncio

from schemas.base import Milliseconds
from worker.venues.port.streams import Evidence, Nudge

Place = tuple[str, str | None, bool, bool]
"""What a push is about: symbol, side, and whether it says something of the leverage and of the margin mode."""


class EvidenceQueue:
    """One that is about the same as one that waits takes its place: never more wait than a venue has markets.

    Of a flat market no reading of positions tells, so that none is left out.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[Place, ...], tuple[Nudge, Milliseconds]] = {}
        self._filled = asyncio.Event()

    def put(self, nudge: Nudge, heard: Milliseconds) -> None:
        """It was heard then."""
        self._waiting[tuple(map(_place, nudge.evidence))] = nudge, heard
        self._filled.set()

    async def get(self) -> tuple[Nudge, Milliseconds]:
        """The one that has waited longest, and when it was heard."""
        while not self._waiting:
            self._filled.clear()
            await self._filled.wait()
        return self._waiting.pop(next(iter(self._waiting)))


def _place(row: Evidence) -> Place:
    return row.symbol, row.side, row.leverage is not None, row.margin_mode is not None
