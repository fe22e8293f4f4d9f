"""The typed client against a worker on the real broker."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from yarl import URL

from schemas import (
    OPERATIONS,
    Answer,
    BookChange,
    BrokerAway,
    CommandForbidden,
    CommandPartial,
    CommandRejected,
    ConfirmedBy,
    ErrorCode,
    MarginMode,
    NoAnswer,
    NotAllowed,
    NotServed,
    Outcome,
    PerpsDma,
    PositionsEvent,
    PositionSnapshot,
    RequestFailed,
    ResultEvent,
    Success,
    blocking,
)
from schemas.audit.chain import Chain, ChainRecord
from schemas.base import utc_text
from schemas.guardrails import Guardrails
from schemas.terms import DesiredTerms
from tests.support.amqp_proxy import amqp_proxy
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.strategy import Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.config.settings import Settings

Wanted = dict[str, DesiredTerms | Mapping[str, Any]]


@pytest.fixture
async def dma(amqp_url: str, venue: MemoryVenue) -> AsyncIterator[PerpsDma]:
    async with PerpsDma(amqp_url, name="typed client") as client:
        yield client


async def test_a_command_tells_how_it_ended_and_how_that_is_known(dma: PerpsDma, venue: MemoryVenue) -> None:
    result = (await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)).raise_for_outcome()
    assert (result.outcome, result.confirmed_by) == (Outcome.APPLIED, ConfirmedBy.ECHO)
    assert result.applied is not None
    assert (result.applied.leverage, result.applied.symbol, venue.leverage) == (Decimal(10), BTC.symbol, Decimal(10))
    again = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10, command_id=result.command_id)
    assert again == result


async def test_the_reason_of_a_command_lands_in_the_audit(dma: PerpsDma) -> None:
    result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10, reason="risk limit lowered")
    entry = (await dma.get_audit(limit=1)).data.entries[0]
    assert (entry.action, entry.subject, entry.details["command_id"]) == ("command", "set_leverage", result.command_id)
    assert entry.details["reason"] == "risk limit lowered"


async def test_a_refusal_is_a_result_and_raised_where_one_asks(dma: PerpsDma) -> None:
    result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 1_000)
    assert (result.outcome, result.applied, result.confirmed_by) == (Outcome.REJECTED, None, None)
    assert result.error is not None
    with pytest.raises(CommandRejected) as raised:
        result.raise_for_outcome()
    assert (raised.value.command_id, raised.value.error) == (result.command_id, result.error)


@pytest.fixture
async def guarded(amqp_url: str, tmp_path: Path) -> AsyncIterator[str]:
    """The broker of a worker whose account has guardrails."""
    await emptied(amqp_url)
    settings = Settings(amqp_url=amqp_url, timeout_ms=5_000, state=tmp_path, snapshot_interval_ms=0)
    account = ACCOUNT.model_copy(update={"guardrails": Guardrails(max_leverage=9)})
    async with running_worker(settings, Accounts((account,)), lambda _: MemoryVenue()):
        yield amqp_url


async def test_what_a_guardrail_forbids_is_told_by_its_own_class_and_with_the_policy(guarded: str) -> None:
    async with PerpsDma(guarded) as dma:
        result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)
        with pytest.raises(CommandForbidden) as raised:
            result.raise_for_outcome()
        assert raised.value.error is not None
        assert raised.value.error.details["rule"] == "max_leverage"
        allowed = (await dma.set_leverage(ACCOUNT.id, BTC.symbol, 9)).raise_for_outcome()
        (account,) = (await dma.get_accounts()).data.accounts
        assert result.policy == allowed.policy == account.policy
        assert account.guardrails == Guardrails(max_leverage=9)
        audit = (await dma.get_audit(after=0)).data
        chain = Chain()
        for entry in audit.entries:
            chain.add(ChainRecord.model_validate(entry.model_dump(exclude={"details"})))
        chain.end_at(audit.head)


async def test_the_client_that_blocks_tells_it_as_well(guarded: str) -> None:
    def program() -> None:
        with blocking.PerpsDma(guarded) as dma:
            dma.set_leverage(ACCOUNT.id, BTC.symbol, 10).raise_for_outcome()

    with pytest.raises(CommandForbidden):
        await asyncio.to_thread(program)


async def test_queries_are_typed_and_raise_what_they_are_answered(dma: PerpsDma) -> None:
    positions = await dma.get_positions(ACCOUNT.id)
    assert isinstance(positions, Answer)
    [position] = positions.data.positions
    assert (position.symbol, position.notional, position.margin_mode) == (
        BTC.symbol,
        Decimal("4925.25"),
        MarginMode.CROSS,
    )
    assert positions.unread is None
    with pytest.raises(RequestFailed) as raised:
        await dma.get_positions("nobody")
    assert raised.value.code is ErrorCode.UNKNOWN_ACCOUNT
    status = (await dma.get_status()).data
    assert (status.accounts, status.ledger_writes) == (1, True)


async def test_what_is_not_of_the_form_is_refused_with_nothing_sent(dma: PerpsDma, venue: MemoryVenue) -> None:
    with pytest.raises(RequestFailed, match="leverage must be greater than 0") as raised:
        await dma.set_leverage(ACCOUNT.id, BTC.symbol, 0)
    assert raised.value.code is ErrorCode.INVALID_REQUEST
    assert venue.leverage == 5


async def test_every_query_is_answered_with_its_own_type(dma: PerpsDma) -> None:
    assert (await dma.get_leverage(ACCOUNT.id, BTC.symbol)).data.margin_mode is MarginMode.CROSS
    [payment] = (await dma.get_funding_history(ACCOUNT.id)).data.payments
    assert payment.amount == Decimal("-0.15")
    assert (await dma.get_realized_pnl(ACCOUNT.id, limit=1)).data.count == 1
    assert "USDT" in (await dma.pm_get_balance(ACCOUNT.id)).data.assets
    assert (await dma.pm_get_account(ACCOUNT.id)).data.exchange_account_id == ACCOUNT.id
    [account] = (await dma.get_accounts()).data.accounts
    assert account.exchange_account_id == ACCOUNT.id
    assert (await dma.get_doubts()).data.doubts == ()


async def test_terms_are_planned_and_applied_and_a_part_is_a_result_with_all_symbols(
    dma: PerpsDma, venue: MemoryVenue
) -> None:
    wanted: Wanted = {BTC.symbol: DesiredTerms(leverage=Decimal(7)), "NOSUCH/USDT:USDT": {"leverage": 3}}
    plan = (await dma.plan_terms(ACCOUNT.id, symbols=wanted)).data
    assert (plan.change, plan.impossible, venue.leverage) == (1, 1, Decimal(5))
    result = await dma.apply_terms(ACCOUNT.id, symbols=wanted, fingerprint=plan.fingerprint)
    assert (result.outcome, venue.leverage) == (Outcome.PARTIAL, Decimal(7))
    assert result.applied is not None
    assert result.applied.counts == {"applied": 1, "rejected": 1}
    with pytest.raises(CommandPartial):
        result.raise_for_outcome()
    over = (await dma.cancel_command(result.command_id)).data
    assert (over.exchange_account_id, over.cancelled) == (ACCOUNT.id, False)


async def test_commands_are_found_by_their_ids(dma: PerpsDma) -> None:
    result = await dma.set_margin_mode(ACCOUNT.id, BTC.symbol, "isolated", command_id="by-its-id")
    assert result.applied is not None
    assert result.applied.margin_mode is MarginMode.ISOLATED
    status = (await dma.get_command("by-its-id")).data
    [row] = (await dma.get_commands(operation="set_margin_mode", outcome="applied")).data.commands
    assert (status.outcome, row.command_id, row.confirmed_by) == (
        result.outcome,
        result.command_id,
        result.confirmed_by,
    )


async def test_a_freeze_is_told_to_who_is_refused(dma: PerpsDma) -> None:
    frozen = (await dma.freeze("a drill", exchange_account_id=ACCOUNT.id)).data
    assert (frozen.frozen, frozen.scope) == (True, f"account:{ACCOUNT.id}")
    result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)
    assert result.error is not None
    assert (result.outcome, result.error.code) == (Outcome.REJECTED, ErrorCode.FROZEN)
    [freeze] = (await dma.get_freezes()).data.freezes
    assert (freeze.reason, freeze.actor) == ("a drill", "perps-dma")
    assert (await dma.unfreeze(exchange_account_id=ACCOUNT.id)).data.changed


async def test_events_are_typed_and_filtered_and_go_on_where_one_left_off(dma: PerpsDma) -> None:
    start = (await dma.get_snapshots()).data.next_offset
    results = [await dma.set_leverage(ACCOUNT.id, BTC.symbol, leverage) for leverage in (10, 11)]
    events = dma.events(start=start, types=["result"], account=ACCOUNT.id)
    first = await anext(events)
    assert isinstance(first, ResultEvent)
    assert (first.data.command_id, first.data.confirmed_by) == (results[0].command_id, results[0].confirmed_by)
    assert isinstance(first.data.envelope, Success)
    assert first.data.envelope.data == results[0].applied
    await events.aclose()
    assert events.next_offset is not None
    later = dma.events(start=events.next_offset, types=["result"])
    second = await anext(later)
    await later.aclose()
    assert isinstance(second, ResultEvent)
    assert second.data.command_id == results[1].command_id


async def test_an_event_nobody_knows_is_no_filter(dma: PerpsDma) -> None:
    with pytest.raises(ValueError, match=r"there are no events resluts; there are .*result"):
        dma.events(types=["resluts"])


async def test_the_book_begins_with_what_is_known_and_tells_a_gap(dma: PerpsDma, strategy: Strategy) -> None:
    result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)
    await strategy.event("positions", result.command_id)
    book = dma.book()
    first = await anext(book)
    assert (first.account, len(first.missing), first.snapshot.positions[0].leverage) == (ACCOUNT.id, 0, Decimal(10))
    await told_again(strategy, first, 3)
    ahead = await anext(book)
    assert ahead.snapshot.seq == first.snapshot.seq + 3
    assert ahead.missing == {first.snapshot.seq + 1, first.snapshot.seq + 2}
    await told_again(strategy, first, 1)
    await told_again(strategy, first, 4)
    newest = await anext(book)
    assert newest.missing == {first.snapshot.seq + 2}
    assert book.changes == {ACCOUNT.id: newest}
    await book.aclose()


async def told_again(strategy: Strategy, change: BookChange, further: int) -> None:
    """The same snapshot, as if so many had come in between."""
    snapshot = change.snapshot.model_copy(update={"seq": change.snapshot.seq + further})
    shown = PositionSnapshot.model_validate(
        snapshot.model_dump(include=set(PositionSnapshot.model_fields)), extra="ignore"
    )
    event = PositionsEvent(
        id=str(uuid4()), subject=change.account, time=utc_text(shown.as_of), epoch=change.epoch, data=shown
    )
    await strategy.publish(event.routing_key, event.model_dump_json().encode(), exchange="dma.events")


async def test_a_command_whose_answer_was_lost_is_sent_again_and_carried_out_once(
    amqp_url: str, tmp_path: Path
) -> None:
    await emptied(amqp_url)
    venue = HeldVenue()
    settings = Settings(amqp_url=amqp_url, timeout_ms=5_000, state=tmp_path, snapshot_interval_ms=0)
    async with (
        running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue),
        amqp_proxy(amqp_url) as proxy,
        PerpsDma(proxy.url) as dma,
    ):
        asked = asyncio.create_task(dma.set_leverage(ACCOUNT.id, BTC.symbol, 10))
        async with asyncio.timeout(20):
            await venue.left.wait()
            proxy.end(320, "CONNECTION_FORCED")
            venue.may_go_on.set()
            result = await asked
        assert (result.outcome, result.confirmed_by) == (Outcome.APPLIED, ConfirmedBy.ECHO)
        assert venue.log.count("leverage 10") == 1


@dataclass(slots=True)
class HeldVenue(MemoryVenue):
    """Carries a change out when it may."""

    left: asyncio.Event = field(default_factory=asyncio.Event)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)

    async def under_way(self) -> None:
        self.left.set()
        await self.may_go_on.wait()


async def test_following_goes_on_behind_the_last_event_when_the_connection_was_lost(
    amqp_url: str, venue: MemoryVenue
) -> None:
    async with amqp_proxy(amqp_url) as proxy, PerpsDma(proxy.url) as dma:
        start = (await dma.get_snapshots()).data.next_offset
        events = dma.events(start=start, types=["result"])
        seen = []
        for leverage in (10, 11, 12):
            result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, leverage)
            event = await anext(events)
            assert isinstance(event, ResultEvent)
            seen.append((event.data.command_id == result.command_id, event.data.requested["leverage"]))
            proxy.end(320, "CONNECTION_FORCED")
        await events.aclose()
    assert seen == [(True, 10), (True, 11), (True, 12)]


async def test_without_an_answer_the_id_is_told_and_without_a_broker_that_nothing_was_sent(amqp_url: str) -> None:
    await emptied(amqp_url)
    async with PerpsDma(amqp_url, timeout_s=0.2) as dma:
        with pytest.raises(NoAnswer, match="no answer to set_leverage") as raised:
            await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10, command_id="mine")
    assert raised.value.command_id == "mine"
    await emptied(amqp_url)
    with pytest.raises(BrokerAway):
        async with PerpsDma("amqp://guest:guest@127.0.0.1:1/"):
            pass


async def test_a_password_that_is_wrong_is_told_and_not_tried_again(amqp_url: str) -> None:
    with pytest.raises(NotAllowed):
        async with PerpsDma(str(URL(amqp_url).with_password("wrong"))):
            pass


async def test_a_program_that_blocks_has_the_same(amqp_url: str, venue: MemoryVenue) -> None:
    def program() -> tuple[Outcome, Decimal, str, int]:
        with blocking.PerpsDma(amqp_url, name="a program that blocks") as dma:
            start = dma.get_snapshots().data.next_offset
            result = dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)
            events = dma.events(start=start, types=["result"])
            event = next(events)
            assert isinstance(event, ResultEvent)
            positions = next(iter(dma.events(start=start, types=["positions"])))
            book = dma.book()
            change = next(book)
            book.close()
            assert isinstance(positions, PositionsEvent)
            assert change.snapshot.seq >= positions.data.seq
            with pytest.raises(RequestFailed):
                dma.get_positions("nobody")
            return result.outcome, venue.leverage, event.data.command_id, event.data.attempts

    outcome, leverage, command_id, attempts = await asyncio.to_thread(program)
    assert (outcome, leverage, attempts) == (Outcome.APPLIED, Decimal(10), 1)
    assert command_id


async def test_a_quiet_stream_is_followed_again_from_the_place_where_it_began(
    amqp_url: str, venue: MemoryVenue
) -> None:
    async with amqp_proxy(amqp_url) as proxy, PerpsDma(amqp_url, events_url=proxy.url) as dma:
        events = dma.events(start=(await dma.get_snapshots()).data.next_offset, types=["result"])
        heard = asyncio.create_task(anext(events))
        await proxy.consuming.wait()
        proxy.end(320, "CONNECTION_FORCED")
        result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10)
        async with asyncio.timeout(20):
            event = await heard
        await events.aclose()
    assert isinstance(event, ResultEvent)
    assert event.data.command_id == result.command_id


async def test_the_id_of_another_command_is_a_conflict(dma: PerpsDma, venue: MemoryVenue) -> None:
    first = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 10, command_id="one-of-two")
    second = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 11, command_id="one-of-two")
    assert second.error is not None
    assert (first.outcome, second.outcome, second.error.code) == (
        Outcome.APPLIED,
        Outcome.REJECTED,
        ErrorCode.CONFLICT,
    )
    assert venue.leverage == 10


async def test_a_command_that_is_under_way_when_the_client_is_closed_tells_its_id(
    amqp_url: str, tmp_path: Path
) -> None:
    await emptied(amqp_url)
    venue = HeldVenue()
    settings = Settings(amqp_url=amqp_url, timeout_ms=5_000, state=tmp_path, snapshot_interval_ms=0)
    async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue):
        async with PerpsDma(amqp_url) as dma:
            asked = asyncio.create_task(dma.set_leverage(ACCOUNT.id, BTC.symbol, 10, command_id="left-behind"))
            await venue.left.wait()
        with pytest.raises(NoAnswer, match="before the client was closed") as raised:
            await asked
        venue.may_go_on.set()
    assert (raised.value.command_id, venue.log.count("leverage 10")) == ("left-behind", 1)


async def test_what_many_ask_at_once_is_answered_to_each(dma: PerpsDma) -> None:
    results = await asyncio.gather(*(dma.set_leverage(ACCOUNT.id, BTC.symbol, 1 + turn) for turn in range(40)))
    assert [result.applied and int(result.applied.leverage) for result in results] == list(range(1, 41))


async def test_a_request_is_passed_on_as_it_is_given_on_behalf_of_somebody(amqp_url: str, venue: MemoryVenue) -> None:
    async with PerpsDma(amqp_url, actor="ann") as dma:
        refused = await dma.ask(OPERATIONS["set_leverage"], b'{"leverage": 1e1')
        assert (refused.headers["status"], json.loads(refused.body)["error"]["code"]) == ("400", "invalid_request")
        body = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 12})
        done = await dma.ask(OPERATIONS["set_leverage"], body.encode(), command_id="passed-on")
        status = (await dma.get_command("passed-on")).data
    assert (done.headers["status"], done.headers["Outcome"], status.actor) == ("200", "applied", "ann")


async def test_who_does_not_wait_for_a_worker_is_told_at_once_that_there_is_none(amqp_url: str, tmp_path: Path) -> None:
    settings = Settings(amqp_url=amqp_url, state=tmp_path, snapshot_interval_ms=0)
    async with PerpsDma(amqp_url, waits_for_worker=False, timeout_s=60) as dma:
        async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()):
            assert (await dma.get_status()).data.accounts == 1
        async with asyncio.timeout(20):
            with pytest.raises(NotServed, match="no worker takes set_leverage at the moment; nothing was sent"):
                await dma.set_leverage(ACCOUNT.id, BTC.symbol, 12)
    async with await aio_pika.connect(amqp_url) as connection:
        queue = await (await connection.channel()).declare_queue("set_leverage", passive=True)
        assert queue.declaration_result.message_count == 0
