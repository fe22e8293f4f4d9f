"""Any history of any venue is told whole and once, page by page and cursor by cursor, and nothing else is claimed."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.base import Milliseconds
from schemas.replies import LedgerEntry
from schemas.requests import MarketType
from worker.runtime.clock import now as clock_now
from worker.venues.limits import within
from worker.venues.port.adapter import History, HistoryQuery, Market
from worker.venues.port.errors import AccessDenied, Ambiguous, LimitReached, ValueRefused, VenueError
from worker.venues.reading.cursors import Place
from worker.venues.reading.history import DAY, HistoryPage, Records, walked
from worker.venues.reading.instants import InstantPages
from worker.venues.reading.parts import PartReader

NOW: Milliseconds = 1_795_000_000_000
LAUNCH: Milliseconds = NOW - 90 * DAY
READER = PartReader("venue", "account")

Rows = list[dict[str, Any]]


def time_of(row: dict[str, Any]) -> Milliseconds:
    time = row["time"]
    if not isinstance(time, int):
        raise Ambiguous("the field time of the venue's answer is unreadable")
    return time


def entry_of(row: dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        id=row["id"], symbol=None, amount=Decimal(1), code="USDT", timestamp=row["time"], datetime="", info={}
    )


@dataclass
class Venue:
    """Keeps rows, and gives pages of them: by offset, newest or oldest first, or by nothing but the instant."""

    times: Sequence[Milliseconds]
    page: int = 3
    newest_first: bool = False
    by_instant: bool = False
    span: Milliseconds = 90 * DAY
    kept: Milliseconds | None = None
    requests: int = 1_000
    name: str = "records"
    abreast: int = 1
    unit: Milliseconds = 1
    failures: dict[int, VenueError] = field(default_factory=dict)
    asked: list[tuple[Milliseconds, Milliseconds]] = field(default_factory=list)

    @property
    def rows(self) -> Rows:
        rows = [{"id": f"{self.name}-{number}", "time": time} for number, time in enumerate(sorted(self.times))]
        return rows[::-1] if self.newest_first else rows

    async def _ask(self, first: Milliseconds, last: Milliseconds) -> Rows:
        self.asked.append((first, last))
        if error := self.failures.get(len(self.asked)):
            raise error
        return [row for row in self.rows if first <= row["time"] <= last][: self.page]

    async def _by_offset(self, first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        self.asked.append((first, last))
        if error := self.failures.get(len(self.asked)):
            raise error
        offset = place if isinstance(place, int) else 0
        begin, end = first // self.unit * self.unit, last // self.unit * self.unit + self.unit
        rows = [row for row in self.rows if begin <= row["time"] <= end]
        return HistoryPage(
            rows[offset : offset + self.page], offset + self.page if len(rows) > offset + self.page else None
        )

    def records(self) -> Records:
        pages = InstantPages("Venue", self._ask, time_of, self.page, self.newest_first)
        fetch: Callable[..., Awaitable[HistoryPage]] = pages.fetch if self.by_instant else self._by_offset
        return Records(
            self.name,
            fetch,
            time_of,
            entry_of,
            span=self.span,
            launch=LAUNCH,
            kept=self.kept,
            newest_first=self.newest_first,
            abreast=self.abreast,
            unit=self.unit,
            requests=self.requests,
        )


def asked(since: int | None = None, limit: int | None = None, cursor: str | None = None) -> HistoryQuery:
    return HistoryQuery(None, MarketType.SWAP, since, limit, cursor)


async def ask(venues: Sequence[Venue], query: HistoryQuery, now: Milliseconds = NOW) -> History:
    return await walked([venue.records() for venue in venues], query, now, READER)


async def chain(venues: Sequence[Venue], query: HistoryQuery) -> list[History]:
    """All answers, each asked for with the cursor of the one before."""
    answers = [await ask(venues, query)]
    while (cursor := answers[-1].next_cursor) is not None:
        answers.append(await ask(venues, asked(query.since, query.limit, cursor)))
        assert len(answers) < 2_000, "a cursor that leads nowhere"
    return answers


def check_claims(venues: Sequence[Venue], history: History) -> None:
    """What is claimed to be complete has every row of every venue, and all is in order."""
    times = [entry.timestamp for entry in history.entries]
    assert times == sorted(times)
    everything = sorted(
        (time, row["id"])
        for venue in venues
        for row in venue.rows
        if history.complete_from <= (time := row["time"]) <= history.complete_to
    )
    told = sorted(
        (entry.timestamp, entry.id)
        for entry in history.entries
        if history.complete_from <= entry.timestamp <= history.complete_to
    )
    assert told == everything


instants = st.lists(
    st.one_of(st.integers(0, 80 * DAY), st.integers(0, 6), st.sampled_from([DAY, 7 * DAY, 30 * DAY, 30 * DAY + 1])).map(
        lambda age: NOW - age
    ),
    max_size=40,
)
venues = st.builds(
    Venue,
    times=instants,
    page=st.integers(1, 7),
    newest_first=st.booleans(),
    span=st.sampled_from([DAY, 7 * DAY, 90 * DAY]),
    kept=st.sampled_from([None, 85 * DAY]),
    requests=st.integers(1, 200),
    abreast=st.integers(1, 4),
    unit=st.sampled_from([1, 2, 1_000]),
)


@settings(max_examples=300, deadline=None)
@given(
    parts=st.lists(venues, min_size=1, max_size=3),
    since=st.none() | st.integers(0, 82 * DAY).map(lambda age: NOW - age),
    limit=st.none() | st.integers(1, 12),
)
async def test_from_cursor_to_cursor_every_row_is_told_once_and_every_claim_is_true(
    parts: list[Venue], since: int | None, limit: int | None
) -> None:
    for number, part in enumerate(parts):
        part.name = f"part {number}"
    answers = await chain(parts, asked(since, limit))
    for history in answers:
        check_claims(parts, history)
        assert limit is None or len(history.entries) <= limit
    oldest = since if since is not None else (NOW - 7 * DAY if limit is None else 0)
    told = sorted(entry.id for history in answers for entry in history.entries)
    assert told == sorted(row["id"] for part in parts for row in part.rows if row["time"] >= oldest)
    forward = since is not None or limit is None
    edges = [(history.complete_from, history.complete_to) for history in answers]
    assert edges == sorted(edges, reverse=not forward)


@settings(max_examples=200, deadline=None)
@given(parts=st.lists(venues, min_size=1, max_size=3), limit=st.integers(1, 12))
async def test_the_newest_are_the_end_of_everything(parts: list[Venue], limit: int) -> None:
    for number, part in enumerate(parts):
        part.name, part.requests, part.page = f"part {number}", 1_000, 50
    everything = await ask(parts, asked(LAUNCH))
    newest = await ask(parts, asked(limit=limit))
    kept = [entry for entry in everything.entries if entry.timestamp >= NOW - 85 * DAY]
    assert list(newest.entries) == kept[-limit:]


@settings(max_examples=200, deadline=None)
@given(
    times=instants,
    page=st.integers(7, 9),
    newest_first=st.booleans(),
    limit=st.none() | st.integers(1, 12),
    since=st.none() | st.integers(0, 82 * DAY).map(lambda age: NOW - age),
)
async def test_pages_that_are_told_apart_by_their_instant_alone_lose_and_double_nothing(
    times: list[int], page: int, newest_first: bool, limit: int | None, since: int | None
) -> None:
    few = [time for number, time in enumerate(times) if times[:number].count(time) < page - 1]
    venue = Venue(few, page=page, newest_first=newest_first, by_instant=True)
    answers = await chain([venue], asked(since, limit))
    for history in answers:
        check_claims([venue], history)
        assert all(part.unread is None for part in history.parts)
    oldest = since if since is not None else (NOW - 7 * DAY if limit is None else 0)
    told = sorted(entry.id for history in answers for entry in history.entries)
    assert told == sorted(row["id"] for row in venue.rows if row["time"] >= oldest)


async def test_an_instant_that_fills_pages_is_passed_by_the_cursor() -> None:
    venue = Venue([NOW - DAY] * 1_440 + [NOW - 5], page=100, newest_first=True)
    answers = await chain([venue], asked(NOW - 2 * DAY, limit=10))
    assert sum(len(history.entries) for history in answers) == 1_441
    assert len({entry.id for history in answers for entry in history.entries}) == 1_441
    assert len(venue.asked) < 400


async def test_what_lies_behind_an_instant_that_no_page_can_hold_is_told_and_the_rest_is_said_to_be_missing() -> None:
    venue = Venue([NOW - DAY] * 9 + [NOW - 5], page=4, by_instant=True)
    history = await ask([venue], asked(NOW - 2 * DAY))
    assert [entry.timestamp for entry in history.entries] == [NOW - DAY] * 4 + [NOW - 5]
    assert history.parts[0].unread == f"Venue gives no more than the first 4 rows of one instant ({NOW - DAY})"


async def test_the_first_of_many_rows_cost_few_requests_at_a_venue_that_gives_the_newest_first() -> None:
    venue = Venue([NOW - 14_000_000 * number // 10 for number in range(5_340)], page=100, newest_first=True)
    history = await ask([venue], asked(NOW - 89 * DAY, limit=10))
    assert len(history.entries) == 10
    assert len(venue.asked) <= 5
    check_claims([venue], history)


async def test_a_question_ends_with_its_requests_and_the_next_one_goes_on() -> None:
    venue = Venue([NOW - number * 1_000 for number in range(300)], page=10, requests=7)
    answers = await chain([venue], asked(NOW - DAY))
    assert [len(history.entries) for history in answers[:2]] == [70, 70]
    assert answers[0].complete_to == answers[0].entries[-1].timestamp - 1, "of that instant more may follow"
    assert answers[-1].complete_to == NOW


async def test_a_question_ends_before_its_time_does() -> None:
    venue = Venue([NOW - number * 1_000 for number in range(300)], page=10)
    with within(clock_now()):
        history = await ask([venue], asked(NOW - DAY))
    assert len(venue.asked) == 1
    assert len(history.entries) == 10
    assert history.next_cursor


async def test_a_limit_that_is_used_up_on_the_way_ends_an_answer_and_not_a_history() -> None:
    venue = Venue([NOW - number for number in range(30)], page=10, failures={3: LimitReached("full", retry_after=1)})
    answers = await chain([venue], asked(NOW - DAY))
    assert [len(history.entries) for history in answers] == [20, 10]


async def test_a_page_without_an_answer_is_asked_for_once_more() -> None:
    venue = Venue([NOW - number for number in range(30)], page=10, failures={2: Ambiguous("502")})
    history = await ask([venue], asked(NOW - DAY))
    assert len(history.entries) == 30


async def test_a_first_page_that_fails_fails_the_question() -> None:
    with pytest.raises(AccessDenied):
        await ask([Venue([], failures={1: AccessDenied("no")})], asked(NOW - DAY))


async def test_a_part_that_is_barred_is_named_and_hides_nothing() -> None:
    barred = Venue([NOW - 3], name="barred", failures=dict.fromkeys(range(99), AccessDenied("not for you")))
    history = await ask([Venue([NOW - 2]), barred], asked(NOW - DAY))
    assert [entry.timestamp for entry in history.entries] == [NOW - 2]
    assert [(part.name, part.unread) for part in history.parts] == [("records", None), ("barred", "not for you")]
    assert history.next_cursor is None


async def test_a_row_that_cant_be_understood_is_left_out_alone_and_said_to_be() -> None:
    def odd(row: dict[str, Any]) -> LedgerEntry:
        if row["id"].endswith("-1"):
            raise Ambiguous("the field income of the venue's answer is missing")
        return entry_of(row)

    records = Venue([NOW - 3, NOW - 2, NOW - 1]).records()
    history = await walked(
        [Records(records.name, records.fetch, time_of, odd, DAY, LAUNCH)], asked(NOW - DAY), NOW, READER
    )
    assert [entry.timestamp for entry in history.entries] == [NOW - 3, NOW - 1]
    assert history.parts[0].unread == "the field income of the venue's answer is missing"


async def test_rows_are_counted_as_received_unless_an_identity_is_documented() -> None:
    twins = [{"id": "7", "time": NOW - 1}, {"id": "7", "time": NOW - 1}]

    async def fetch(first: Milliseconds, last: Milliseconds, place: Place | None) -> HistoryPage:
        return HistoryPage(twins)

    every = Records("fills", fetch, time_of, entry_of, DAY, LAUNCH)
    once = Records("fills", fetch, time_of, entry_of, DAY, LAUNCH, identity=lambda row: str(row["id"]))
    assert len((await walked([every], asked(NOW - DAY + 9), NOW, READER)).entries) == 2
    assert len((await walked([once], asked(NOW - DAY + 9), NOW, READER)).entries) == 1


async def test_what_was_cut_off_by_the_limit_over_several_parts_is_not_claimed() -> None:
    parts = [Venue([NOW - 400 + number for number in range(200)], page=50, name=name) for name in ("one", "two")]
    history = await ask(parts, asked(NOW - DAY, limit=20))
    assert len(history.entries) == 20
    check_claims(parts, history)
    assert history.complete_to == NOW - 391


async def test_a_cursor_is_good_for_its_own_question_only() -> None:
    venue = Venue([NOW - 1, NOW - 2])
    cursor = (await ask([venue], asked(limit=1))).next_cursor
    market = Market("BTC/USDT:USDT", "BTCUSDT", MarketType.SWAP, False, "BTC", "USDT", "USDT", Decimal(1))
    with pytest.raises(ValueRefused, match="another question"):
        await ask([venue], HistoryQuery(market, MarketType.SWAP, None, 1, cursor))
    other = PartReader("venue", "another account")
    with pytest.raises(ValueRefused, match="another question"):
        await walked([venue.records()], asked(limit=1, cursor=cursor), NOW, other)


@pytest.mark.parametrize("cursor", ["x", "abcd", "eyJ2IjoxfQ", "-" * 4_000, "bnVsbA"])
async def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(ValueRefused, match="none that an answer of ours gave"):
        await ask([Venue([])], asked(cursor=cursor))


async def test_what_came_since_the_last_answer_is_told_behind_it() -> None:
    venue = Venue([NOW - 5, NOW - 4, NOW - 3], page=2, requests=1)
    first = await ask([venue], asked(NOW - 10))
    venue.times, venue.requests = [*venue.times, NOW + 7], 50
    second = await ask([venue], asked(NOW - 10, cursor=first.next_cursor), NOW + 9)
    assert [entry.timestamp for entry in (*first.entries, *second.entries)] == [NOW - 5, NOW - 4, NOW - 3, NOW + 7]
    assert second.complete_to == NOW + 9


async def test_a_part_whose_answer_is_missing_is_asked_once_more_if_others_were_read() -> None:
    shaky = Venue([NOW - 3], name="shaky", failures={1: Ambiguous("502")})
    history = await ask([Venue([NOW - 2]), shaky], asked(NOW - DAY))
    assert [entry.timestamp for entry in history.entries] == [NOW - 3, NOW - 2]
    assert all(part.unread is None for part in history.parts)
