"""What a subscriber hears of an account that is followed: right, or told that it is blind, and never silently old.

For every fault and venue: the changes that were made at the venue, those that snapshots show, and for how long at most
the subscriber had an older one without being told that the account is blind.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from tests.faults.stage import until
from tests.support.followed import HELD, SILENT_S, FollowedVenue, followed
from worker.accounts.account import Accounts

ROOM_S = 3.0
"""How long the reading may wait for room that a venue's limits leave (OKX: ten reads in two seconds), when changes
follow one another at once."""

SIZES = ("3", "4", "5", "6")


SELDOM = frozenset({"bybit", "gate", "okx", "hyperliquid"})
"""Venues whose turn is with the long tests: what is tried here is ours, and what is theirs their contract tests try."""


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.long] * (name in SELDOM)) for name in HELD])
async def venue(request: pytest.FixtureRequest, amqp_url: str, tmp_path: Path) -> AsyncIterator[FollowedVenue]:
    async with followed(request.param, amqp_url, tmp_path) as venue:
        yield venue


@dataclass
class Tally:
    """Changes that were made, and what was heard of them."""

    venue: FollowedVenue
    made: list[tuple[str, float]] = field(default_factory=list)

    def change(self, size: str) -> None:
        self.made.append((size, self.venue.change(size=size)))

    async def settled(self) -> None:
        """Wait until the newest change is shown."""
        await self.venue.shown(self.made[-1][0])

    @property
    def longest_wrong_s(self) -> float:
        """For how long at most the newest snapshot was not right, and the account not told to be blind."""
        return max((self._wrong_s(size, at, until) for (size, at), until in zip(self.made, self._ends(), strict=True)))

    def _ends(self) -> list[float]:
        return [at for _, at in self.made[1:]] + [float("inf")]

    def _wrong_s(self, size: str, at: float, until: float) -> float:
        """From a change until it is shown, or is the truth no more, or until the account is told to be blind."""
        heard = self.venue.watched.heard
        blind = False
        for told in heard:
            if told.at <= at and told.kind == "stream":
                blind = told.data["state"] != "live"
        if blind:
            return 0.0
        for told in heard:
            if told.at <= at:
                continue
            is_shown = told.kind == "positions" and self.venue.size_of(told.data) == float(size)
            is_blind = told.kind == "stream" and told.data["state"] == "blind"
            if is_shown or is_blind:
                return min(told.at, until) - at
        return min(monotonic(), until) - at

    @property
    def shown(self) -> list[str]:
        sizes = {self.venue.size_of(data) for data in self.venue.watched.all("positions")}
        return [size for size, _ in self.made if float(size) in sizes]


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[Tally], None]:
    """Print what was counted."""

    def told(tally: Tally) -> None:
        line = (
            f"{request.node.name}: {len(tally.made)} changes, {len(tally.shown)} shown, "
            f"at most {tally.longest_wrong_s * 1000:.0f} ms wrong without being told"
        )
        request.node.user_properties.append(("counted", line))

    return told


def assert_no_gaps(venue: FollowedVenue) -> None:
    seqs = [data["seq"] for data in venue.watched.all("positions")]
    assert seqs == sorted(seqs)
    assert sorted(set(seqs)) == list(range(1, len(set(seqs)) + 1))


class TestChanges:
    async def test_each_is_told_as_it_is_pushed(self, venue: FollowedVenue, tell: Callable[[Tally], None]) -> None:
        tally = Tally(venue)
        async with venue.worker():
            live = await venue.watched.live()
            for size in SIZES:
                tally.change(size)
                told = await venue.shown(size)
                assert (told.data["trigger"], told.data["stream"]["state"]) == ("stream", "live")
        tell(tally)
        assert live.data["gap"]["begin"] <= live.data["gap"]["end"] == live.data["since"]
        assert tally.shown == list(SIZES)
        assert tally.longest_wrong_s < ROOM_S
        assert_no_gaps(venue)

    async def test_of_leverage_is_drift_told_once(self, venue: FollowedVenue) -> None:
        async with venue.worker():
            await venue.watched.live()
            venue.change(size="3", leverage=17)
            drift = await venue.watched.next("drift")
            shown = await venue.watched.next("positions", lambda data: _leverage(venue, data) == 17)
            venue.change(size="4", leverage=17)
            await venue.shown("4")
        [row] = drift.data["positions"]
        assert (row["symbol"], row["leverage"]) == (venue.symbol, 17)
        assert drift.data["known_by"] in ("read", "push")
        assert len(venue.watched.all("drift")) == 1
        assert shown.data["trigger"] == "stream"


def _leverage(venue: FollowedVenue, data: dict[str, Any]) -> float | None:
    return next((row["leverage"] for row in data["positions"] if row["symbol"] == venue.symbol), None)


ENDS: dict[str, dict[str, Any]] = {"silent": {}, "drop": {}, "close": {"code": 1001}}
"""Faults after which a connection tells nothing any more."""


class TestConnections:
    @pytest.mark.parametrize("fault", ENDS)
    async def test_one_that_tells_nothing_any_more_is_told_and_opened_again(
        self, venue: FollowedVenue, fault: str, tell: Callable[[Tally], None]
    ) -> None:
        tally = Tally(venue)
        async with venue.worker():
            await venue.watched.live()
            assert venue.fault(fault, **ENDS[fault]) >= 1
            tally.change("3")
            blind = await venue.watched.blind()
            live = await venue.watched.live()
            assert live.data["gap"]["begin"] == blind.data["since"]
            tally.change("4")
            await tally.settled()
        tell(tally)
        assert tally.shown == ["3", "4"]
        assert tally.longest_wrong_s < 2 * SILENT_S
        assert_no_gaps(venue)

    async def test_handshakes_that_are_refused_are_tried_again(
        self, venue: FollowedVenue, tell: Callable[[Tally], None]
    ) -> None:
        tally = Tally(venue)
        async with venue.worker(snapshot_interval_ms=200):
            await venue.watched.live()
            venue.fault("refuse", account=None, times=3)
            venue.fault("drop")
            blind = await venue.watched.blind()
            tally.change("3")
            polled = await venue.shown("3")
            live = await venue.watched.live()
        tell(tally)
        assert polled.data["stream"]["state"] in ("blind", "live")
        assert live.data["gap"]["begin"] == blind.data["since"]

    @pytest.mark.long
    async def test_an_acknowledgement_that_never_comes_is_not_waited_for(
        self, venue: FollowedVenue, tell: Callable[[Tally], None]
    ) -> None:
        tally = Tally(venue)
        venue.fault("no_ack")
        async with venue.worker(snapshot_interval_ms=200):
            told = await venue.watched.next("stream", lambda data: "no acknowledgement" in (data["reason"] or ""))
            tally.change("3")
            await tally.settled()
            await venue.watched.live()
        tell(tally)
        assert told.data["state"] == "blind"


TOLD: dict[str, dict[str, Any]] = {
    "duplicate": {"times": 10},
    "reorder": {},
    "malformed": {"text": "{not json"},
    "deep": {"text": "[" * 100_000},
    "early": {"for_ms": 300, "times": 1},
}
"""Faults in what is told, while the connection goes on."""


class TestFrames:
    @pytest.mark.parametrize("fault", TOLD)
    async def test_whatever_is_pushed_the_newest_state_is_shown_and_the_reading_goes_on(
        self, venue: FollowedVenue, fault: str, tell: Callable[[Tally], None]
    ) -> None:
        tally = Tally(venue)
        async with venue.worker():
            await venue.watched.live()
            venue.fault("malformed" if fault == "deep" else fault, **TOLD[fault])
            for size in SIZES[:2]:
                tally.change(size)
                await tally.settled()
        tell(tally)
        assert tally.shown == list(SIZES[:2])
        assert tally.longest_wrong_s < ROOM_S + 5
        assert_no_gaps(venue)

    async def test_a_push_that_is_lost_is_found_by_the_slow_poll(
        self, venue: FollowedVenue, tell: Callable[[Tally], None]
    ) -> None:
        tally, slow_ms = Tally(venue), 3_000
        async with venue.worker(snapshot_live_interval_ms=slow_ms, unlimited=True):
            await venue.watched.live()
            asked = len(venue.requests())
            await until(lambda: len(venue.requests()) > asked)  # the account is looked at once more
            venue.fault("lose", times=20)
            tally.change("3")
            found = await venue.shown("3")
        tell(tally)
        # The later look that follows an earlier push may come before the poll: no push of this change was there.
        assert found.data["trigger"] in ("schedule", "stream")
        poll_ms = found.data["stream"]["poll_interval_ms"]  # stretched where a venue's limits leave no more
        assert slow_ms <= poll_ms < 2 * slow_ms
        assert tally.longest_wrong_s < poll_ms / 1000 + ROOM_S

    async def test_a_flood_is_read_four_times_a_second_and_delays_no_command(self, venue: FollowedVenue) -> None:
        async with venue.worker():
            await venue.watched.live()
            before = venue.readings()
            venue.fault("flood", content={"flood": True}, times=3_000, per_s=1_000)
            answer = await venue.set_leverage(11)
            await asyncio.sleep(3.0)
        assert answer["isError"] is False
        assert 2 <= venue.readings() - before <= MOST_READINGS


MOST_READINGS = 4 * 3 + 3
"""In three seconds of a flood: four a second, the one at its end, and those after the command."""


class TestAccounts:
    async def test_one_that_comes_is_followed_one_that_goes_is_not_and_new_keys_are_used(
        self, venue: FollowedVenue
    ) -> None:
        other = next(one for one in venue.sandbox.accounts if one.id == f"{venue.exchange}-tour-001")
        served = Accounts((other,))
        async with venue.worker(served):
            served.replace((other, venue.account))
            first = await venue.watched.live()
            served.replace((other, venue.account.model_copy(update={"position_mode": "one_way"})))
            again = await venue.watched.live()
            venue.change(size="3")
            await venue.shown("3")
            served.replace((other,))
            await until(lambda: venue.account.id not in venue.connected(), 10)
        assert first.data["since"] < again.data["since"]


class TestWorkers:
    async def test_one_that_stops_hands_over_to_the_one_that_goes_on(
        self, venue: FollowedVenue, tell: Callable[[Tally], None]
    ) -> None:
        tally = Tally(venue)
        async with AsyncExitStack() as first:
            await first.enter_async_context(venue.worker())
            await venue.watched.live()
            async with venue.worker():
                tally.change("3")
                await tally.settled()
                await first.aclose()
                tally.change("4")
                live = await venue.watched.live()
                tally.change("5")
                await tally.settled()
        tell(tally)
        assert tally.shown[-1] == "5"
        assert live.data["gap"]["end"] - live.data["gap"]["begin"] < 5_000
        assert tally.longest_wrong_s < ROOM_S
        assert_no_gaps(venue)


async def test_a_key_of_binance_that_expires_is_replaced(
    amqp_url: str, tmp_path: Path, tell: Callable[[Tally], None]
) -> None:
    async with followed("binance", amqp_url, tmp_path) as venue:
        tally = Tally(venue)
        async with venue.worker():
            await venue.watched.live()
            venue.fault("order", name="expire_key")
            blind = await venue.watched.blind()
            live = await venue.watched.live()
            tally.change("3")
            await tally.settled()
        tell(tally)
        assert live.data["gap"]["begin"] == blind.data["since"]
        assert tally.longest_wrong_s < ROOM_S
        assert_no_gaps(venue)
