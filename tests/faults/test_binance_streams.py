"""What only Binance's private streams do: keys that expire, with a word or without, and servers that go."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.stage import until
from tests.support.followed import FollowedVenue, followed, hasty
from worker.venues.port.streams import FeedRules

RENEWED_S = 0.2


@pytest.fixture
async def venue(amqp_url: str, tmp_path: Path) -> AsyncIterator[FollowedVenue]:
    async with followed("binance", amqp_url, tmp_path) as venue:
        yield venue


def often_renewed(rules: FeedRules) -> FeedRules:
    """A key that is prolonged every moment, over a connection that may be silent for long."""
    return replace(hasty(rules), renew_s=RENEWED_S, silent_s=3_600, ping_s=3_600)


async def test_what_the_venue_says_is_the_end_is_told_and_opened_anew(venue: FollowedVenue) -> None:
    async with venue.worker():
        await venue.watched.live()
        assert venue.fault("order", name="expire_key", content={"product": "um"}) == 1
        blind = await venue.watched.blind()
        assert "the listen key has expired" in blind.data["reason"]
        await venue.watched.live()
        venue.change(size="3")
        assert (await venue.shown("3")).data["trigger"] == "stream"


def often_opened(rules: FeedRules) -> FeedRules:
    """A connection that is opened anew every moment."""
    return replace(hasty(rules), longest_s=0.5)


async def test_a_server_that_shuts_down_or_a_day_that_is_over_leaves_no_gap(venue: FollowedVenue) -> None:
    links = venue.sandbox.desks["binance"].streams.links
    async with venue.worker(hasten=often_opened):
        await venue.watched.live()
        first = tuple(links)
        assert venue.fault("order", name="shutdown", content={"product": "um"}) == 1
        for size in ("3", "4", "5"):
            await asyncio.sleep(0.3)
            venue.change(size=size)
            assert (await venue.shown(size)).data["stream"]["state"] == "live"
        await until(lambda: not any(link in links for link in first), 10)
        assert [told["state"] for told in venue.watched.all("stream")] == ["blind", "live"]


async def test_a_key_that_expired_without_a_word_is_found_when_it_is_renewed(venue: FollowedVenue) -> None:
    async with venue.worker(hasten=often_renewed):
        await venue.watched.live()
        assert venue.fault("order", name="expire_key", content={"product": "um", "silently": True}) == 1
        venue.change(size="3")
        blind = await venue.watched.blind()
        assert "it can't be prolonged" in blind.data["reason"]
        assert "(-1125)" in blind.data["reason"]
        await venue.shown("3")


async def test_no_key_is_ever_given_back(venue: FollowedVenue) -> None:
    async with venue.worker(hasten=often_renewed):
        await venue.watched.live()
        venue.change(size="3")
        await venue.shown("3")
    asked = {entry.method for entry in venue.sandbox.desks["binance"].journal.entries if "listenKey" in entry.path}
    assert asked <= {"POST", "PUT"}
    assert "POST" in asked
