"""The book out of the ledger: accounts, newest snapshots, commands; and where to follow the events from."""

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from schemas.book import Book, CommandList, ServedAccounts
from schemas.events import ConfirmedBy
from tests.support.memory_venue import ACCOUNT, BTC
from tests.support.worker_harness import TO_10X, Body, WorkerHarness, worker_harness
from worker.accounts.account import Accounts
from worker.control import book as book_module
from worker.execution.aftermath.epochs import LogUnavailable

OTHER = ACCOUNT.model_copy(update={"id": "okx-001", "exchange": "okx", "portfolio_margin": False})


@pytest.fixture
async def harness(ledger_url: str) -> AsyncIterator[WorkerHarness]:
    """A worker with two accounts, whose stream of events has 41 of them."""
    async with worker_harness(ledger_url, accounts=Accounts((ACCOUNT, OTHER))) as harness:

        async def end() -> int:
            return 41

        harness.worker.book.log_end = end
        yield harness


async def accounts(harness: WorkerHarness) -> ServedAccounts:
    return ServedAccounts.model_validate((await harness.ask("get_accounts", {}))["data"])


async def book(harness: WorkerHarness, **filters: str) -> Book:
    return Book.model_validate((await harness.ask("get_snapshots", dict(filters)))["data"])


async def commands(harness: WorkerHarness, **filters: object) -> CommandList:
    return CommandList.model_validate((await harness.ask("get_commands", dict(filters)))["data"])


async def test_an_account_tells_what_holds_it_and_how_old_its_snapshot_is(harness: WorkerHarness) -> None:
    first = await accounts(harness)
    assert [(row.exchange_account_id, row.snapshot, row.frozen) for row in first.accounts] == [
        (ACCOUNT.id, None, ()),
        (OTHER.id, None, ()),
    ]
    await harness.deliver()
    await harness.ask("freeze", {"exchange": ACCOUNT.exchange, "reason": "drill"})
    await harness.ask("freeze", {"exchange_account_id": OTHER.id, "reason": "drill"})
    mine, other = (await accounts(harness)).accounts
    assert mine.snapshot is not None
    assert (mine.snapshot.seq, mine.snapshot.stale) == (1, False)
    assert 0 <= mine.snapshot.age_ms < 60_000
    assert mine.frozen == (f"exchange:{ACCOUNT.exchange}",)
    assert (other.snapshot, other.frozen) == (None, (f"account:{OTHER.id}",))
    assert "leverage" in mine.capabilities


async def test_the_book_has_the_newest_snapshot_of_each_account_and_names_those_that_have_none(
    harness: WorkerHarness,
) -> None:
    await harness.deliver()
    await harness.deliver(body={**TO_10X, "leverage": 12})
    whole = await book(harness)
    [row] = whole.snapshots
    newest = harness.bus.told("positions")[-1]
    assert row.seq == newest["seq"] == 2
    assert row.model_dump(mode="json", include=set(newest)) == newest
    assert (whole.missing, whole.next_offset) == ((OTHER.id,), 41)


async def test_totals_are_those_of_the_positions_in_their_currencies(harness: WorkerHarness) -> None:
    await harness.deliver()
    whole = await book(harness)
    [row], [total] = whole.snapshots, whole.totals
    [position] = row.positions
    assert (total.symbol, total.notional_currency, total.pnl_currency) == (BTC.symbol, BTC.quote, BTC.settle)
    assert total.long_notional + total.short_notional == position.notional
    assert total.unrealized_pnl == position.unrealized_pnl


async def test_the_book_of_an_account_a_venue_or_a_market(harness: WorkerHarness) -> None:
    await harness.deliver()
    assert (await book(harness, exchange_account_id=ACCOUNT.id)).missing == ()
    assert (await book(harness, exchange="okx")).missing == (OTHER.id,)
    [row] = (await book(harness, symbol="DOGE/USDT:USDT")).snapshots
    assert (row.exchange_account_id, row.positions) == (ACCOUNT.id, ())
    refused = await harness.ask("get_snapshots", {"exchange_account_id": "nobody"})
    assert (refused["statusCode"], refused["error"]["code"]) == (404, "unknown_account")


async def test_the_end_of_the_stream_is_looked_up_before_the_ledger_is(harness: WorkerHarness) -> None:
    async def end() -> int:
        await harness.deliver()  # what happens meanwhile is in the answer, or behind the offset
        return 41

    harness.worker.book.log_end = end
    assert [row.seq for row in (await book(harness)).snapshots] == [1]


async def test_without_the_stream_the_book_is_refused_rather_than_given_without_a_place(harness: WorkerHarness) -> None:
    async def away() -> int:
        raise LogUnavailable("the broker is away")

    harness.worker.book.log_end = away
    envelope = await harness.ask("get_snapshots", {})
    assert (envelope["statusCode"], envelope["error"]["code"]) == (503, "broker_unavailable")


async def test_a_command_tells_what_was_asked_what_came_of_it_and_how_that_is_known(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    [row] = (await commands(harness)).commands
    assert (row.command_id, row.operation, row.outcome, row.actor) == ("c-1", "set_leverage", "applied", "ann")
    assert row.requested["leverage"] == 10
    assert row.applied == {"symbol": BTC.symbol, "leverage": Decimal(10)}
    assert row.confirmed_by in set(ConfirmedBy)
    assert row.timings is not None
    assert row.timings.finished == row.finished


async def test_commands_are_found_by_what_they_are(harness: WorkerHarness) -> None:
    await harness.deliver(command_id="c-1")
    await harness.deliver(command_id="c-2")
    await harness.deliver("set_margin_mode", mode("isolated"), "c-3")

    async def found(**filters: object) -> list[str]:
        return [row.command_id for row in (await commands(harness, **filters)).commands]

    last = (await commands(harness, limit=1)).commands[0]
    assert await found() == ["c-3", "c-2", "c-1"]
    assert await found(operation="set_margin_mode") == ["c-3"]
    assert await found(outcome="applied") == ["c-3", "c-2", "c-1"]
    assert await found(outcome="rejected") == []
    assert await found(exchange_account_id=OTHER.id) == []
    assert await found(exchange=ACCOUNT.exchange, actor="ann") == ["c-3", "c-2", "c-1"]
    assert await found(actor="bob") == []
    assert last.finished is not None
    assert await found(since=last.finished + 1) == []


def mode(wanted: str) -> Body:
    return {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "margin_mode": wanted}


async def test_pages_have_every_command_once_however_few_are_looked_over_at_a_time(
    harness: WorkerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book_module, "WINDOW", 3)
    monkeypatch.setattr(book_module, "MOST_WINDOWS", 1)
    sent = [f"c-{number}" for number in range(10)]
    for number, name in enumerate(sent):
        await harness.deliver(body={**TO_10X, "leverage": 5 + number % 2}, command_id=name)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = await commands(harness, limit=2, **({"cursor": cursor} if cursor else {}))
        assert page.count <= 2
        found += [row.command_id for row in page.commands]
        if (cursor := page.next_cursor) is None:
            break
    assert found == sent[::-1]


async def test_a_cursor_that_is_none_of_ours_is_refused(harness: WorkerHarness) -> None:
    for cursor in ("a", "5", "x.y"):
        envelope = await harness.ask("get_commands", {"cursor": cursor})
        assert (envelope["statusCode"], envelope["error"]["code"]) == (400, "invalid_request")
        assert "cursor" in envelope["message"]
