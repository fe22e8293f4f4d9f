"""A snapshot follows every change of terms, and a burst of changes costs one."""

import asyncio

from schemas import OPERATIONS
from schemas.requests import SetLeverage
from tests.fakes import ACCOUNT, BTC, MemoryOutbox, MemoryVenue
from worker.clock import now
from worker.execution.receipt import Command
from worker.snapshots.snapshots import Snapshots
from worker.venues.errors import Ambiguous


def command(command_id: str) -> Command:
    request = SetLeverage.model_validate({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10})
    return Command(command_id, OPERATIONS["set_leverage"], request, ACCOUNT, None, now(), now() + 10_000)


def snapshots(venue: MemoryVenue, outbox: MemoryOutbox) -> Snapshots:
    return Snapshots(lambda _: venue, outbox, 1_000, now)


async def test_a_burst_of_changes_shares_one_snapshot_taken_after_all_of_them() -> None:
    venue, outbox = MemoryVenue(), MemoryOutbox()
    taking = snapshots(venue, outbox)
    await asyncio.gather(*(taking.after_command(command(str(number))) for number in range(20)))
    (snapshot,) = outbox.snapshots()
    assert snapshot.command_ids == tuple(str(number) for number in range(20))
    assert venue.log == ["positions"]


async def test_snapshots_of_an_account_are_counted_and_their_ids_are_their_commands() -> None:
    outbox = MemoryOutbox()
    taking = snapshots(MemoryVenue(), outbox)
    for command_id in ("a", "b"):
        await taking.after_command(command(command_id))
    await snapshots(MemoryVenue(), outbox).after_command(command("a"))
    assert [snapshot.seq for snapshot in outbox.snapshots()] == [1, 2, 1]
    first, second, again = outbox.events
    assert (first.id == again.id, first.id == second.id) == (True, False)


async def test_an_unreadable_venue_gives_the_last_positions_known_marked_stale() -> None:
    venue, outbox = MemoryVenue(), MemoryOutbox()
    taking = snapshots(venue, outbox)
    await taking.after_command(command("a"))
    venue.unreadable.extend([Ambiguous("502")] * 3)
    await taking.after_command(command("b"))
    fresh, stale = outbox.snapshots()
    assert (fresh.stale, stale.stale) == (False, True)
    assert fresh.positions == stale.positions
