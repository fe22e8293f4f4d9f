"""`perps-dma history` walks through all there is, however many answers that takes."""

import csv
import io
import json

import pytest

from tests.acceptance.conftest import RunningUp, Venue

PERP, DAY = "okx-perp-001", 86_400_000


async def rows(running_up: RunningUp, *arguments: str) -> list[dict[str, str]]:
    ended = await running_up.cli("history", *arguments, "--csv")
    assert ended.code in {0, 1}, ended.err
    return list(csv.DictReader(io.StringIO(ended.out)))


async def test_it_writes_every_record_once_and_in_order(running_up: RunningUp, venue: Venue) -> None:
    found = await rows(running_up, "funding", PERP)
    times = [int(row["timestamp"]) for row in found]
    assert times == sorted(times)
    assert len({row["id"] for row in found}) == len(found) == 89 * 3
    assert set(found[0]) == {"id", "symbol", "amount", "code", "timestamp", "datetime"}


async def test_a_span_ends_where_it_was_told_to(running_up: RunningUp, venue: Venue) -> None:
    everything = await rows(running_up, "funding", PERP)
    since, until = everything[30]["timestamp"], everything[-30]["timestamp"]
    span = await rows(running_up, "funding", PERP, "--since", since, "--until", until)
    assert span == [row for row in everything if since <= row["timestamp"] <= until]


async def test_what_the_venue_no_longer_keeps_is_said_and_the_exit_code_tells_it(
    running_up: RunningUp, venue: Venue
) -> None:
    ended = await running_up.cli("history", "funding", PERP, "--since", "2020-01-01", "--json")
    assert "the venue keeps no records from before" in ended.err
    assert ended.code == 1
    assert len(json.loads(ended.out)) == 89 * 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("fees", PERP), "KIND must be funding or pnl"),
        (("pnl", PERP, "--since", "yesterday"), "'yesterday' is no time"),
        (("pnl", "nobody"), "no account 'nobody' is registered"),
    ],
)
async def test_what_makes_no_sense_is_refused(
    running_up: RunningUp, venue: Venue, arguments: tuple[str, ...], problem: str
) -> None:
    ended = await running_up.cli("history", *arguments)
    assert ended.code
    assert problem in ended.err
