"""Leverage tiers as venues give them, kept for an hour: what was asked once need not be asked for every account.

question ─▶ answered within the hour? ─▶ the answer, and when it was given
         └▶ asked anew, or too old    ─▶ asked once, however many wait for it
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache

from schemas.base import Milliseconds
from schemas.replies import LeverageTier, MarketTiers
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Market, Part, TiersRead
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.reading.parts import understood

FRESH_S = 3_600.0
"""For so long tiers are taken for those of now. Venues announce changes days before."""

MOST_KEPT = 1_024
"""Answers that are kept at most. OKX, which has most, gives some 300 of perpetuals and as many of futures."""

AT_A_TIME = 50
"""Markets whose tiers are read in one turn of the loop: some 3 ms."""

CurrencyOf = Callable[[Market], str]
"""In which currency a venue bounds the tiers of a market."""


@dataclass(frozen=True, slots=True)
class KeptTiers:
    """Tiers by the venue's id of the market, of one answer or of several, the oldest of them of `as_of`.

    `problem` is what is wrong with the first market whose tiers can't be read; it is not among them then.
    """

    as_of: Milliseconds
    by_id: Mapping[str, tuple[LeverageTier, ...]]
    problem: str | None = None


@dataclass(slots=True)
class _Answer:
    read_at: float = float("-inf")
    kept: KeptTiers | None = None
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class TierCache:
    """The newest answers by their questions. Of too many, those that nobody asked for longest are forgotten."""

    def __init__(self, most: int = MOST_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._answers: OrderedDict[str, _Answer] = OrderedDict()

    async def of(self, question: str, ask: Callable[[], Awaitable[KeptTiers]], *, anew: bool = False) -> KeptTiers:
        """An answer of this hour, or one that was asked for after this call began. Raises VenueError."""
        began, answer = self._clock(), self._answers.setdefault(question, _Answer())
        since = began if anew else began - FRESH_S
        self._answers.move_to_end(question)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)
        async with answer.reading:
            if answer.kept is None or answer.read_at <= since:
                asked = self._clock()
                answer.kept = await ask()
                answer.read_at = asked
            return answer.kept

    def known(self, *questions: str) -> KeptTiers | None:
        """An answer of this hour to the first of some questions that has one already."""
        since = self._clock() - FRESH_S
        for question in questions:
            if (answer := self._answers.get(question)) is not None and answer.read_at > since:
                self._answers.move_to_end(question)
                return answer.kept
        return None

    def __len__(self) -> int:
        return len(self._answers)


@lru_cache(maxsize=16_384)
def tier(floor: Decimal, cap: Decimal | None, leverage: Decimal, rate: Decimal) -> LeverageTier:
    """A tier. Markets and accounts have most of theirs in common, so that each is held once."""
    return LeverageTier(notional_floor=floor, notional_cap=cap, max_leverage=leverage, maintenance_margin_rate=rate)


async def kept_tiers(
    rows: Sequence[Row], read: Callable[[Row], tuple[str, tuple[LeverageTier, ...]]], as_of: Milliseconds
) -> KeptTiers:
    """What rows say, each of one market. One that can't be read is left out alone, and told.

    Hundreds take tens of milliseconds to read: others have the loop in between.
    """
    found: dict[str, tuple[LeverageTier, ...]] = {}
    problem: VenueError | None = None
    for begin in range(0, len(rows), AT_A_TIME):
        part, amiss = understood(rows[begin : begin + AT_A_TIME], read)
        found.update(part)
        problem = problem or amiss
        await asyncio.sleep(0)
    return KeptTiers(as_of, found, problem.message if problem else None)


def of_market(venue: str, kept: KeptTiers, market: Market, currency_of: CurrencyOf) -> TiersRead:
    """The tiers of one market. Raises Ambiguous where the venue names none of it."""
    if (tiers := kept.by_id.get(market.id)) is None:
        why = f": {kept.problem}" if kept.problem else ""
        raise Ambiguous(f"{venue} tells no tiers of {market.symbol} that can be read{why}")
    return TiersRead((MarketTiers(symbol=market.symbol, currency=currency_of(market), tiers=tiers),), kept.as_of)


def of_all(
    read: Mapping[str, KeptTiers | VenueError], markets: Mapping[str, Iterable[Market]], currency_of: CurrencyOf
) -> TiersRead:
    """The tiers of all markets of some parts, by their names, as far as the venue tells any and they can be read."""
    known = {name: answer for name, answer in read.items() if isinstance(answer, KeptTiers)}
    found = [
        MarketTiers(symbol=market.symbol, currency=currency_of(market), tiers=tiers)
        for name, answer in known.items()
        for market in markets[name]
        if (tiers := answer.by_id.get(market.id)) is not None
    ]
    parts = tuple(Part(name, _problem(answer)) for name, answer in read.items())
    return TiersRead(
        tuple(sorted(found, key=lambda row: row.symbol)), min(answer.as_of for answer in known.values()), parts
    )


def _problem(answer: KeptTiers | VenueError) -> str | None:
    return answer.problem if isinstance(answer, KeptTiers) else answer.message
