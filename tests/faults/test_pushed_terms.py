"""Terms that a venue pushes of a market in which nothing is open: told at once, and then the venue is asked."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.stage import until
from tests.support.followed import FollowedVenue, followed


class Flat(NamedTuple):
    """A market of the first account in which nothing is open, by the venue's name and ours, and how it is asked for."""

    named: str
    symbol: str
    asked: str


FLAT = {
    "binance": Flat("ADAUSDT", "ADA/USDT:USDT", "symbolConfig"),
    "hyperliquid": Flat("ETH", "ETH/USDC:USDC", "activeAssetData"),
}
"""Of the venues that push the terms of such a market. Of Hyperliquid's the account has filled orders in it."""


@pytest.fixture(params=FLAT)
async def venue(request: pytest.FixtureRequest, amqp_url: str, tmp_path: Path) -> AsyncIterator[FollowedVenue]:
    async with followed(request.param, amqp_url, tmp_path) as venue:
        yield venue


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the venue shows is settled in a moment."""
    monkeypatch.setattr("worker.snapshots.confirmations.LOOKS_S", (0.1, 0.2, 0.4))


def asked(venue: FollowedVenue, flat: Flat) -> int:
    """How often the venue was asked for the terms of the market."""
    about = (json.dumps(entry.params) + entry.path for entry in venue.requests())
    return sum(flat.asked in text and flat.named in text for text in about)


async def is_watched(venue: FollowedVenue) -> None:
    """Wait until the venue pushes the terms of the market. Hyperliquid has to be asked to; Binance tells of all."""
    if venue.exchange != "hyperliquid":
        return
    links = venue.sandbox.desks["hyperliquid"].streams.links
    await until(lambda: any("ETH" in key for link in links for key in link.session.subscriptions), 10)  # type: ignore[union-attr]


async def test_a_change_is_told_as_it_is_pushed_and_the_venue_asked_whether_it_is_so(venue: FollowedVenue) -> None:
    flat = FLAT[venue.exchange]
    async with venue.worker():
        await venue.watched.live()
        await is_watched(venue)
        before = asked(venue, flat)
        venue.change(leverage=7, market=flat.named)
        drift = await venue.watched.next("drift")
        await until(lambda: asked(venue, flat) > before, 10)
        venue.change(leverage=9, market=flat.named)
        second = await venue.watched.next("drift")
    rows = [told.data["positions"][0] for told in (drift, second)]
    assert [(row["symbol"], row["side"], row["leverage"]) for row in rows] == [
        (flat.symbol, "flat", 7),
        (flat.symbol, "flat", 9),
    ]
    assert rows[1]["leverage_before"] == 7
    assert {told.data["known_by"] for told in (drift, second)} == {"push"}
    assert len(venue.watched.all("drift")) == 2


async def test_one_that_rest_shows_a_moment_later_is_told_once(
    venue: FollowedVenue, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The first look comes before REST shows it, also on a busy machine, and the second behind.
    monkeypatch.setattr("worker.snapshots.confirmations.LOOKS_S", (1.5, 1.5, 1.5))
    flat = FLAT[venue.exchange]
    async with venue.worker():
        await venue.watched.live()
        await is_watched(venue)
        before = asked(venue, flat)
        venue.fault("early", for_ms=1_000)
        venue.change(leverage=7, market=flat.named)
        drift = await venue.watched.next("drift")
        await until(lambda: asked(venue, flat) >= before + 2, 30)
        venue.change(size="5")
        await venue.shown("5")
    assert drift.data["known_by"] == "push"
    assert len(venue.watched.all("drift")) == 1


async def test_one_that_the_venue_does_not_show_is_told_to_be_as_it_is_read(
    amqp_url: str, tmp_path: Path, soon: None
) -> None:
    flat = FLAT["hyperliquid"]
    async with followed("hyperliquid", amqp_url, tmp_path) as venue, venue.worker():
        await venue.watched.live()
        await is_watched(venue)
        told = {"user": venue.account.account_address, "coin": "ETH", "leverage": {"type": "cross", "value": 3}}
        venue.fault("malformed", text=json.dumps({"channel": "activeAssetData", "data": told}))
        pushed, read = await venue.watched.next("drift"), await venue.watched.next("drift")
    assert (pushed.data["known_by"], pushed.data["positions"][0]["leverage"]) == ("push", 3)
    [row] = read.data["positions"]
    assert (read.data["known_by"], row["symbol"], row["leverage_before"]) == ("read", flat.symbol, 3)
    assert row["leverage"] == pushed.data["positions"][0]["leverage_before"]
