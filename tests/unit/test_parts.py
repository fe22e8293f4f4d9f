"""One part of an account that can't be read hides no other, and is told of once."""

from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from schemas.replies import Position
from tests.support.memory_venue import MemoryVenue
from worker.handlers.coverage import LONGEST, read_of, unread_of
from worker.venues.port.adapter import Part
from worker.venues.port.errors import AccessDenied, Ambiguous, LimitReached, NotSent, VenueError
from worker.venues.reading.parts import PartReader, RowsRead, understood

POSITION = MemoryVenue()._position()
Reading = Callable[[], Awaitable[RowsRead[Position]]]


def reading(*answers: RowsRead[Position] | VenueError) -> Reading:
    """A part that answers so, one after the other, and the last for ever."""
    coming = list(answers)

    async def read() -> RowsRead[Position]:
        answer = coming.pop(0) if len(coming) > 1 else coming[0]
        if isinstance(answer, VenueError):
            raise answer
        return answer

    return read


GOOD = RowsRead((POSITION,))


def reader() -> PartReader:
    return PartReader("binance", "binance-perp-001")


async def test_a_refused_part_is_named_and_the_rest_is_told() -> None:
    found = await reader().positions({"linear": reading(GOOD), "inverse": reading(AccessDenied("no COIN-M for you"))})
    assert found.positions == (POSITION,)
    assert found.coverage == ("linear",)
    assert found.parts == (Part("linear"), Part("inverse", "no COIN-M for you"))


async def test_where_no_part_could_be_read_the_error_itself_is_raised() -> None:
    with pytest.raises(AccessDenied, match="first"):
        await reader().positions({"a": reading(AccessDenied("first")), "b": reading(AccessDenied("second"))})


@pytest.mark.parametrize("error", [Ambiguous("502"), NotSent("no connection")])
async def test_a_part_whose_answer_was_missing_is_asked_once_more(error: VenueError) -> None:
    found = await reader().positions({"linear": reading(GOOD), "inverse": reading(error, RowsRead(()))})
    assert found.coverage == ("linear", "inverse")


async def test_our_own_limit_says_nothing_of_a_part_and_is_raised() -> None:
    with pytest.raises(LimitReached):
        await reader().positions({"linear": reading(GOOD), "inverse": reading(LimitReached("full", retry_after=9))})


async def test_a_row_that_cant_be_understood_makes_its_part_unread_and_no_other_row() -> None:
    def read(row: str) -> str | None:
        if row == "odd":
            raise Ambiguous("the field szi of the venue's answer is missing")
        return None if row == "flat" else row

    rows = understood(["one", "odd", "flat", "two", "odd"], read)
    assert rows.found == ("one", "two")
    assert rows.problem
    assert rows.problem.message == "the field szi of the venue's answer is missing"


async def test_a_part_is_told_of_when_it_becomes_unread_or_for_another_reason_and_not_each_time() -> None:
    asked = reader()
    inverse = reading(*(AccessDenied(reason) for reason in ("no", "no", "never")), RowsRead(()), AccessDenied("no"))
    with capture_logs() as logs:
        for _ in range(5):
            await asked.positions({"linear": reading(GOOD), "inverse": inverse})
    assert [(line["event"], line["part"], line["error"]) for line in logs] == [
        ("part_unread", "inverse", "no"),
        ("part_unread", "inverse", "never"),
        ("part_unread", "inverse", "no"),
    ]


def test_headers_say_which_parts_are_told_and_which_are_not_and_why() -> None:
    parts = [Part("linear"), Part("inverse", "POST /fapi/v1/leverage: 龙虾\r\nX: y"), Part("main")]
    assert read_of(parts) == {"Coverage": "linear, main"}
    assert unread_of(parts) == {
        "Coverage-Unread": "inverse: POST /fapi/v1/leverage: %E9%BE%99%E8%99%BE%0D%0AX: y",
    }
    assert unread_of([Part("linear")]) == {}


def test_a_header_stays_short_however_many_parts_there_are() -> None:
    (told,) = read_of([Part(f"dex{number}") for number in range(2_000)]).values()
    assert len(told) <= LONGEST
    assert told.endswith(" ...")
