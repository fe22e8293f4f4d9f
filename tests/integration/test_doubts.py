"""A setting is in doubt from a command that ended as unknown until a later one shows what is in force."""

from collections.abc import AsyncIterator

import pytest

from tests.fakes import ACCOUNT, BTC
from tests.house import TO_10X, House, house
from worker.clock import now
from worker.execution.ledger.ledger import open_ledger
from worker.execution.recovery import Retention
from worker.venues.errors import Ambiguous, ValueRefused

CROSS = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "margin_mode": "cross"}


@pytest.fixture
async def home(ledger_url: str) -> AsyncIterator[House]:
    async with house(ledger_url) as home:
        yield home


async def fall_into_doubt(home: House) -> None:
    """A change whose answer gets lost, and whose read-back fails."""
    home.venue.fail(Ambiguous("no answer"), applied=True)
    home.venue.unreadable.append(Ambiguous("no answer"))
    await home.deliver()
    assert home.outcomes[-1] == "unknown"


async def test_an_unknown_outcome_leaves_a_doubt_and_the_next_applied_one_ends_it(home: House) -> None:
    before = now()
    await fall_into_doubt(home)
    count, since = await home.ledger.doubts.oldest()
    assert count == 1
    assert since is not None
    assert before <= since <= now()
    await home.deliver()
    assert home.outcomes[-1] == "applied"
    assert await home.ledger.doubts.oldest() == (0, None)


async def test_a_second_doubt_about_the_same_makes_it_no_younger(home: House) -> None:
    await fall_into_doubt(home)
    first = await home.ledger.doubts.oldest()
    await fall_into_doubt(home)
    assert await home.ledger.doubts.oldest() == first


async def test_what_shows_nothing_of_the_setting_ends_no_doubt(home: House) -> None:
    await fall_into_doubt(home)
    home.venue.fail(ValueRefused("no such leverage"), applied=False)
    await home.deliver()
    await home.deliver("set_margin_mode", CROSS)
    assert home.outcomes[-2:] == ["rejected", "applied"]
    assert (await home.ledger.doubts.oldest())[0] == 1


async def test_another_worker_ends_a_doubt_as_well(home: House, ledger_url: str) -> None:
    await fall_into_doubt(home)
    async with house(ledger_url, home.venue) as other:
        await other.deliver(body=TO_10X)
        assert other.outcomes == ["applied"]
    assert (await home.ledger.doubts.oldest())[0] == 0


async def test_a_doubt_outlives_its_worker_and_is_forgotten_with_its_command(home: House, ledger_url: str) -> None:
    await fall_into_doubt(home)
    async with open_ledger(ledger_url) as later:
        assert (await later.doubts.oldest())[0] == 1
        await Retention(later, 1, 1, lambda: now() + 2 * 86_400_000).clean()
        assert (await later.doubts.oldest())[0] == 0
