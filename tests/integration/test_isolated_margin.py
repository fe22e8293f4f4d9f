"""Margin is moved once: proven by the answer or by the margin itself, and never sent again where neither is there."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from schemas import MarginMode
from tests.integration.test_doubts import Watched
from tests.support.memory_venue import ACCOUNT, BTC, MOST_MOVED, MemoryVenue
from tests.support.worker_harness import Body, Stalls, WorkerHarness, worker_harness
from worker.execution.aftermath.resolver import SETTLE_MS
from worker.runtime.clock import now
from worker.venues.port.adapter import Echo, IsolatedMargin, MarginMovement, Market
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSent, PreconditionFailed

MOVE: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "amount": 2.5}
NO_ANSWER = Ambiguous("no answer")
OPERATIONS = {"add_margin": Decimal("102.5"), "remove_margin": Decimal("97.5")}


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(ledger_url, MemoryVenue(margin_mode=MarginMode.ISOLATED)) as harness:
        yield harness


def moves(harness: WorkerHarness) -> list[str]:
    """What the venue was asked to move."""
    return [row for row in harness.venue.log if row.startswith("margin ") and not row.startswith("margin mode")]


@pytest.mark.parametrize(("operation", "after"), OPERATIONS.items())
async def test_what_the_venue_confirms_is_applied_with_the_margin_before_and_after(
    harness: WorkerHarness, operation: str, after: Decimal
) -> None:
    answer = await harness.ask(operation, MOVE)
    assert answer["data"] == {
        "exchange": "binance",
        "exchange_account_id": ACCOUNT.id,
        "success": True,
        "symbol": BTC.symbol,
        "position_side": "long",
        "amount": 2.5,
        "currency": "USDT",
        "margin_before": 100,
        "margin_after": float(after),
        "response": {"code": 200},
    }
    (result,) = harness.bus.told("result")
    assert (result["outcome"], result["confirmed_by"], result["attempts"]) == ("applied", "echo", 1)
    assert result["applied"] == {
        "moved": float(after - 100),
        "margin_before": 100,
        "margin_after": float(after),
    }
    assert len(moves(harness)) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_a_lost_answer_is_made_up_for_by_the_margin_that_moved(harness: WorkerHarness, operation: str) -> None:
    harness.venue.fail(NO_ANSWER, applied=True)
    await harness.deliver(operation, MOVE)
    (result,) = harness.bus.told("result")
    assert (result["outcome"], result["confirmed_by"]) == ("applied", "read_back")
    assert result["applied"]["margin_after"] == float(OPERATIONS[operation])
    assert len(moves(harness)) == 1


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_what_did_not_show_is_never_sent_again_and_stays_in_doubt(harness: WorkerHarness, operation: str) -> None:
    harness.venue.fail(NO_ANSWER, applied=False)
    answer = await harness.ask(operation, MOVE, "c-1")
    assert (answer["error"]["code"], harness.outcomes) == ("unknown", ["unknown"])
    assert "does not prove that it was done; it is never sent again: look at the position" in answer["message"]
    await harness.deliver(operation, MOVE, "c-1")
    assert len(moves(harness)) == 1


async def test_a_margin_that_moved_by_another_amount_proves_nothing(ledger_url: str) -> None:
    class Funded(MemoryVenue):
        """Pays a funding fee out of the margin while the answer gets lost."""

        async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
            try:
                return await super().move_margin(market, held, amount, door)
            finally:
                self.margin -= Decimal("0.01")

    async with worker_harness(ledger_url, Funded(margin_mode=MarginMode.ISOLATED)) as harness:
        harness.venue.fail(NO_ANSWER, applied=True)
        await harness.deliver("add_margin", MOVE)
        assert (harness.outcomes, len(moves(harness))) == (["unknown"], 1)


class FundedOnRecord(MemoryVenue):
    """Pays a funding fee while the answer gets lost, and has put down the moves that `recorded` says."""

    recorded: tuple[Decimal, ...] = ()

    async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
        try:
            return await super().move_margin(market, held, amount, door)
        finally:
            self.margin -= Decimal("0.01")
            self.movements = tuple(MarginMovement(now() + 1, None, moved) for moved in self.recorded)


MOVED = Decimal("2.50")


@pytest.mark.parametrize(
    ("recorded", "outcome"),
    [
        ((MOVED,), "applied"),
        ((MOVED, MOVED), "unknown"),
        ((-MOVED,), "unknown"),
        ((Decimal(1),), "unknown"),
        ((), "unknown"),
    ],
)
async def test_a_lost_answer_is_made_up_for_by_the_venues_own_record(
    ledger_url: str, recorded: tuple[Decimal, ...], outcome: str
) -> None:
    venue = FundedOnRecord(margin_mode=MarginMode.ISOLATED)
    venue.recorded = recorded
    async with worker_harness(ledger_url, venue) as harness:
        harness.venue.fail(NO_ANSWER, applied=True)
        await harness.deliver("add_margin", MOVE)
        assert (harness.outcomes, len(moves(harness))) == ([outcome], 1)


async def test_a_move_on_record_from_before_it_was_sent_proves_nothing(ledger_url: str) -> None:
    class Earlier(FundedOnRecord):
        async def margin_movements(self, market: Market, since: int) -> tuple[MarginMovement, ...] | None:
            return (MarginMovement(since - 1, "long", MOVED),)

    async with worker_harness(ledger_url, Earlier(margin_mode=MarginMode.ISOLATED)) as harness:
        harness.venue.fail(NO_ANSWER, applied=True)
        await harness.deliver("add_margin", MOVE)
        assert harness.outcomes == ["unknown"]


async def test_what_never_left_is_sent_again(harness: WorkerHarness) -> None:
    harness.venue.fail(NotSent("no connection"), applied=False)
    await harness.deliver("add_margin", MOVE)
    assert (harness.outcomes, harness.venue.margin) == (["applied"], Decimal("102.5"))


async def test_where_the_margin_cannot_be_read_before_nothing_is_sent(harness: WorkerHarness) -> None:
    harness.venue.unreadable.extend([NO_ANSWER] * 2)
    await harness.deliver("add_margin", MOVE)
    assert (harness.outcomes, harness.venue.margin) == (["applied"], Decimal("102.5"))
    assert harness.venue.log.count("isolated margin") == 4


async def test_a_margin_that_cannot_be_read_afterwards_is_applied_all_the_same(ledger_url: str) -> None:
    class Unreadable(MemoryVenue):
        async def move_margin(self, market: Market, held: IsolatedMargin, amount: Decimal, door: Door) -> Echo:
            echo = await super().move_margin(market, held, amount, door)
            self.unreadable.append(NO_ANSWER)
            return echo

    async with worker_harness(ledger_url, Unreadable(margin_mode=MarginMode.ISOLATED)) as harness:
        answer = await harness.ask("add_margin", MOVE)
        assert (answer["data"]["margin_after"], harness.outcomes) == (None, ["applied"])


async def test_a_cross_position_is_refused_before_anything_is_sent(ledger_url: str) -> None:
    async with worker_harness(ledger_url) as harness:
        answer = await harness.ask("add_margin", MOVE)
        assert (answer["statusCode"], answer["error"]["code"]) == (409, "precondition_failed")
        assert moves(harness) == []


async def test_a_refusal_of_the_venue_is_a_refusal(harness: WorkerHarness) -> None:
    harness.venue.fail(PreconditionFailed("the cross balance is not sufficient", venue_code="-4050"), applied=False)
    answer = await harness.ask("add_margin", MOVE)
    assert (answer["statusCode"], answer["error"]["venue_code"]) == (409, "-4050")
    assert harness.outcomes == ["precondition_failed"]


async def test_an_amount_that_the_venue_cannot_take_is_refused_before_any_call(harness: WorkerHarness) -> None:
    answer = await harness.ask("add_margin", {**MOVE, "amount": int(MOST_MOVED) + 1})
    assert (answer["statusCode"], answer["error"]["code"]) == (400, "rejected")
    assert harness.venue.log == []


@pytest.mark.parametrize("amount", [0, -1, "2.5", None, True])
async def test_an_amount_that_is_none_is_no_command(harness: WorkerHarness, amount: object) -> None:
    answer = await harness.ask("add_margin", {**MOVE, "amount": amount})
    assert (answer["statusCode"], harness.venue.log) == (400, [])


async def test_a_second_delivery_moves_nothing(harness: WorkerHarness) -> None:
    for _ in range(3):
        await harness.deliver("add_margin", MOVE, "c-1")
    assert (len(moves(harness)), harness.venue.margin) == (1, Decimal("102.5"))
    assert harness.replies == [harness.replies[0]] * 3


@pytest.mark.parametrize(("operation", "word"), [("add_margin", "added"), ("remove_margin", "removed")])
async def test_a_doubt_ends_with_the_margin_as_it_is_then_and_says_that_nobody_knows_more(
    harness: WorkerHarness, operation: str, word: str
) -> None:
    harness.venue.fail(NO_ANSWER, applied=False)
    await harness.deliver(operation, MOVE, "c-1")
    watched = Watched(harness)
    assert await watched.looks() == []
    (told,) = await watched.looks(ahead=SETTLE_MS + 1)
    assert (told["command_id"], told["symbol"], told["wanted"]) == ("c-1", BTC.symbol, {word: 2.5})
    assert (told["in_force"], told["as_wanted"], told["asset"]) == (None, None, None)
    assert told["balances"] == {BTC.symbol: {"side": "long", "isolated_margin": 100, "currency": "USDT"}}
    assert f"whether 2.5 was {word} can't be known, and it is never tried again" in told["message"]
    assert len(moves(harness)) == 1


async def test_a_worker_that_died_after_it_sent_leaves_a_doubt_and_nothing_is_moved_again(ledger_url: str) -> None:
    stalling = Stalls()
    stalling.margin_mode = MarginMode.ISOLATED
    async with worker_harness(ledger_url, stalling) as dying:
        sending = asyncio.create_task(dying.deliver("add_margin", MOVE, "c-1"))
        await stalling.reached.wait()
        sending.cancel()
        await asyncio.wait((sending,))
    async with worker_harness(ledger_url, MemoryVenue(margin_mode=MarginMode.ISOLATED)) as following:
        await following.deliver("add_margin", MOVE, "c-1")
        assert (following.outcomes, moves(following)) == (["unknown"], [])


async def test_a_doubt_shows_what_the_venue_has_recorded_and_proves_nothing_by_it(harness: WorkerHarness) -> None:
    harness.venue.fail(NO_ANSWER, applied=False)
    await harness.deliver("add_margin", MOVE, "c-1")
    harness.venue.movements = (MarginMovement(1_706_745_600_000, "long", Decimal("2.50")),)
    (told,) = await Watched(harness).looks(ahead=SETTLE_MS + 1)
    assert told["as_wanted"] is None
    assert told["balances"][BTC.symbol]["moves"] == [{"at": 1_706_745_600_000, "side": "long", "amount": 2.5}]
    assert told["message"].endswith("the venue's record of moves around that time: +2.5 at 2024-02-01T00:00:00Z")


async def test_a_doubt_about_a_position_that_is_gone_ends_with_that(harness: WorkerHarness) -> None:
    harness.venue.fail(NO_ANSWER, applied=False)
    await harness.deliver("add_margin", MOVE, "c-1")
    harness.venue.contracts = Decimal(0)
    (told,) = await Watched(harness).looks(ahead=SETTLE_MS + 1)
    assert (told["balances"], "there is no such position any more" in told["message"]) == ({}, True)


async def test_a_later_move_ends_no_doubt(harness: WorkerHarness) -> None:
    harness.venue.fail(NO_ANSWER, applied=False)
    await harness.deliver("add_margin", MOVE, "c-1")
    await harness.deliver("add_margin", MOVE, "c-2")
    assert harness.outcomes == ["unknown", "applied"]
    assert (await harness.ledger.doubts.oldest())[0] == 1
