"""Terms that are kept: drift is mended, and a fight about it ends by itself."""

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from schemas.base import Milliseconds
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.worker_harness import Body, WorkerHarness, worker_harness
from worker.ledger.sql.database import Statement
from worker.terms.keeper import HOUR_MS, KEEPER, MOST_FAILURES
from worker.venues.port.errors import ValueRefused

ABOUT: Body = {"exchange_account_id": ACCOUNT.id}
AT_9X: Body = {**ABOUT, "symbols": {BTC.symbol: {"leverage": 9}}}


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    async with worker_harness(ledger_url) as harness:
        yield harness
        await harness.worker.terms.close(1)
        await harness.worker.relay.close()


async def looked(harness: WorkerHarness) -> None:
    """Everything that is kept is looked at now, be it due or not."""
    await harness.ledger.database.write(Statement("UPDATE kept_terms SET next_look = 0"))
    await harness.worker.keeper.look()
    await harness.worker.terms.settled()


async def passes(harness: WorkerHarness, milliseconds: Milliseconds) -> None:
    """So much time passes for what was mended."""
    moved = Statement("UPDATE kept_terms_mends SET at = at - $1", (milliseconds,))
    await harness.ledger.database.write(moved, Statement("UPDATE kept_terms SET since = since - $1", (milliseconds,)))


def changed_outside(harness: WorkerHarness, leverage: int) -> None:
    harness.venue.leverage = Decimal(leverage)


async def kept(harness: WorkerHarness) -> dict[str, Any]:
    """How what is kept fares."""
    [row] = (await harness.ask("get_terms", ABOUT))["data"]["terms"]
    told: dict[str, Any] = row
    return told


def by_keeper(harness: WorkerHarness) -> list[dict[str, Any]]:
    """The results of the commands that the keeper has given."""
    return [data for data in harness.bus.told("result") if data["actor"] == KEEPER]


async def test_drift_is_mended_by_a_command_of_its_own(harness: WorkerHarness) -> None:
    told = await harness.ask("keep_terms", AT_9X)
    assert (told["data"]["state"], told["data"]["version"], told["data"]["actor"]) == ("kept", 1, "ann")
    await looked(harness)
    assert harness.venue.leverage == 9
    assert [data["operation"] for data in by_keeper(harness)] == ["set_leverage", "apply_terms"]
    row = await kept(harness)
    assert (row["state"], row["mends"], len(row["mended"])) == ("kept", 1, 1)
    assert (row["mended"][0]["symbol"], row["mended"][0]["reversal"]) == (BTC.symbol, False)
    assert row["mended"][0]["command_id"] == by_keeper(harness)[-1]["command_id"]


async def test_what_is_as_it_should_be_costs_a_reading_and_no_command(harness: WorkerHarness) -> None:
    changed_outside(harness, 9)
    await harness.ask("keep_terms", AT_9X)
    await looked(harness)
    await looked(harness)
    assert by_keeper(harness) == []
    assert (await kept(harness))["looked"] is not None


async def test_two_reversals_within_an_hour_suspend_it(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    for leverage in (5, 4, 3):
        changed_outside(harness, leverage)
        await looked(harness)
    assert harness.venue.leverage == 3
    row = await kept(harness)
    assert (row["state"], row["mends"]) == ("suspended", 2)
    assert "was set back 2 times within an hour" in row["reason"]
    *_, event = harness.bus.told("keep")
    assert (event["state"], event["actor"], event["reason"]) == ("suspended", KEEPER, row["reason"])
    before = len(by_keeper(harness))
    await looked(harness)
    assert len(by_keeper(harness)) == before


async def test_reversals_that_lie_an_hour_apart_are_mended(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    for leverage in (5, 4, 3, 2):
        changed_outside(harness, leverage)
        await looked(harness)
        assert harness.venue.leverage == 9
        await passes(harness, HOUR_MS + 1)


async def test_kept_anew_it_is_a_new_version_and_mended_again(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    for leverage in (5, 4, 3):
        changed_outside(harness, leverage)
        await looked(harness)
    told = await harness.ask("keep_terms", AT_9X)
    assert told["data"]["version"] == 2
    await looked(harness)
    assert harness.venue.leverage == 9
    assert (await kept(harness))["state"] == "kept"


async def test_a_freeze_suspends_it(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    await harness.ask("freeze", {**ABOUT, "reason": "audit"})
    await looked(harness)
    row = await kept(harness)
    assert (row["state"], row["reason"]) == ("suspended", f"account:{ACCOUNT.id} is frozen: audit")
    await harness.ask("unfreeze", ABOUT)
    await looked(harness)
    assert by_keeper(harness) == []


async def test_mending_that_fails_is_given_up_and_is_no_reversal(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    for number in range(MOST_FAILURES):
        harness.venue.fail(ValueRefused("not this one"), applied=False)
        await looked(harness)
        assert (await kept(harness))["state"] == ("kept" if number < MOST_FAILURES - 1 else "suspended")
    row = await kept(harness)
    assert f"mending failed {MOST_FAILURES} times in a row" in row["reason"]
    assert not any(mend["reversal"] for mend in row["mended"])


async def test_what_cant_be_made_so_is_told_and_never_sent(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", {**ABOUT, "symbols": {BTC.symbol: {"leverage": 900}}})
    await looked(harness)
    assert by_keeper(harness) == []
    assert "takes 1x to 125x" in (await kept(harness))["problem"]


async def test_dropped_it_is_kept_no_more_and_stays_as_it_is(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    await looked(harness)
    told = await harness.ask("drop_terms", ABOUT)
    assert told["data"]["state"] == "dropped"
    changed_outside(harness, 5)
    await looked(harness)
    assert harness.venue.leverage == 5
    assert (await harness.ask("get_terms", {}))["data"] == {"terms": [], "count": 0}
    assert (await harness.ask("drop_terms", ABOUT))["error"]["code"] == "precondition_failed"


async def test_everything_about_it_stands_in_the_audit(harness: WorkerHarness) -> None:
    await harness.ask("keep_terms", AT_9X)
    await harness.ask("freeze", {**ABOUT, "reason": "audit"})
    await looked(harness)
    await harness.ask("drop_terms", ABOUT)
    entries = (await harness.ask("get_audit", {}))["data"]["entries"]
    assert [(row["action"], row["actor"]) for row in reversed(entries)] == [
        ("keep_terms", "ann"),
        ("freeze", "ann"),
        ("suspend_terms", KEEPER),
        ("drop_terms", "ann"),
    ]
    assert entries[-1]["details"]["document"]["symbols"] == {BTC.symbol: {"leverage": 9}}
