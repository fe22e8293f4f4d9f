"""The operations on dead letters, on a real broker and a real ledger: listed, sent again, dropped, and written down."""

import asyncio
import getpass
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from pydantic import AmqpDsn

from schemas import ErrorCode, failure
from schemas.client.dma import PerpsDma
from schemas.client.errors import RequestFailed
from schemas.events import DeadLettersEvent
from schemas.letters import LONGEST_BODY, DropDeadLetter
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.bus.amqp.topology import DEAD_EXCHANGE, DEAD_LETTERS, EVENTS_EXCHANGE, SETTLED_KEY
from worker.bus.dead_letters import Letter, hold_dead_letters
from worker.config.settings import Settings
from worker.console.service.dead_letters import drop_letters, requeue_letters
from worker.control.letters import _named
from worker.execution.requests import RequestRejected

TO_10X = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}


@pytest.fixture
async def dma(amqp_url: str, tmp_path: Path) -> AsyncIterator[PerpsDma]:
    """A client beside a worker on an empty ledger; no letters are there."""
    await emptied(amqp_url)
    await dug_up(amqp_url)
    async with serving(amqp_url, tmp_path), PerpsDma(amqp_url) as dma:
        yield dma
    await emptied(amqp_url)
    await dug_up(amqp_url)


async def dug_up(amqp_url: str) -> None:
    """No dead letter is left."""
    async with await aio_pika.connect(amqp_url) as connection:
        await (await (await connection.channel()).get_queue(DEAD_LETTERS)).purge()


@asynccontextmanager
async def serving(amqp_url: str, folder: Path) -> AsyncIterator[None]:
    venue = MemoryVenue()
    settings = Settings(amqp_url=AmqpDsn(amqp_url), state=folder, grace_ms=1_000, snapshot_interval_ms=0)
    async with running_worker(settings, Accounts([ACCOUNT]), lambda account: venue):
        yield


async def bury(amqp_url: str, body: bytes | dict[str, Any] = b"", **properties: Any) -> str:
    """Put a letter where a worker would put it."""
    text = body if isinstance(body, bytes) and body else json.dumps(body or TO_10X).encode()
    letter_id = properties.pop("message_id", None) or str(uuid4())
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        headers = {"reason": "Error - a test", "operation": "set_leverage", "actor": "engine-7"}
        message = aio_pika.Message(text, message_id=letter_id, **{"headers": headers, **properties})
        await (await channel.get_exchange(DEAD_EXCHANGE, ensure=False)).publish(message, "set_leverage")
    return letter_id


async def waiting(amqp_url: str) -> list[str]:
    async with hold_dead_letters(amqp_url) as held:
        return [letter.id for letter in held.letters]


async def entries(dma: PerpsDma, action: str) -> list[Any]:
    audit = await dma.get_audit()
    return [entry for entry in audit.data.entries if entry.action == action]


async def test_a_letter_is_listed_with_what_it_is_and_stays(dma: PerpsDma, amqp_url: str) -> None:
    letter_id = await bury(amqp_url)
    [row] = (await dma.get_dead_letters()).data.dead_letters
    assert (row.letter_id, row.command_id, row.operation) == (letter_id, letter_id, "set_leverage")
    assert (row.exchange_account_id, row.reason) == (ACCOUNT.id, "a test")
    assert row.body == json.dumps(TO_10X)
    assert row.body_bytes == len(json.dumps(TO_10X))
    assert await waiting(amqp_url) == [letter_id]


async def test_filters_and_the_limit_narrow_the_list_and_say_that_there_is_more(dma: PerpsDma, amqp_url: str) -> None:
    first, second = [await bury(amqp_url) for _ in range(2)]
    other = await bury(amqp_url, {**TO_10X, "exchange_account_id": "other-001"})
    answer = (await dma.get_dead_letters(limit=1)).data
    assert ([row.letter_id for row in answer.dead_letters], answer.more) == ([first], True)
    answer = (await dma.get_dead_letters(exchange_account_id=ACCOUNT.id)).data
    assert ([row.letter_id for row in answer.dead_letters], answer.more) == ([first, second], False)
    answer = (await dma.get_dead_letters(exchange_account_id="other-001", operation="set_leverage")).data
    assert [row.letter_id for row in answer.dead_letters] == [other]
    assert (await dma.get_dead_letters(operation="set_margin_mode")).data.count == 0


@pytest.mark.parametrize(
    "body",
    [
        {**TO_10X, "api_key": "AKIA-hidden-1"},
        {**TO_10X, "nested": {"apiSecret": "AKIA-hidden-1"}},
        b"leverage=10&signature=AKIA-hidden-1&x=1",
        b'{"passphrase": "AKIA-hidden-1',
        {**TO_10X, "note": f"mine is {ACCOUNT.reveal('secret')}"},
        b"a" * (LONGEST_BODY - 20) + b'"token": "AKIA-hidden-1' + b"A" * 500 + b'"',
    ],
    ids=["field", "nested", "query", "broken", "registered", "at the end of what is told"],
)
async def test_no_secret_of_a_body_is_told(dma: PerpsDma, amqp_url: str, body: Any) -> None:
    await bury(amqp_url, body)
    [row] = (await dma.get_dead_letters()).data.dead_letters
    assert row.body is not None
    assert len(row.body) <= LONGEST_BODY
    assert "AKIA" not in row.body
    assert f"is {ACCOUNT.reveal('secret')}" not in row.body
    assert "***" in row.body


async def test_a_body_that_is_no_text_has_its_length_alone(dma: PerpsDma, amqp_url: str) -> None:
    await bury(amqp_url, b"\xff\xfe\x00")
    [row] = (await dma.get_dead_letters()).data.dead_letters
    assert (row.body, row.body_bytes) == (None, 3)


async def test_a_letter_sent_again_keeps_its_id_and_is_carried_out_and_written_down(
    dma: PerpsDma, amqp_url: str
) -> None:
    letter_id = await bury(amqp_url)
    told = await dma.requeue_dead_letter(letter_id, "the registry was mended")
    assert (told.data.letter_id, told.data.command_id, told.data.operation) == (letter_id, letter_id, "set_leverage")
    async with asyncio.timeout(20):
        while (row := await ended(dma, letter_id)) is None:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
    assert (row.outcome, row.actor) == ("applied", "engine-7")
    assert await waiting(amqp_url) == []
    [entry] = await entries(dma, "requeue")
    assert (entry.subject, entry.details["reason"]) == (letter_id, "the registry was mended")
    assert entry.details["died_of"] == "a test"


async def test_the_reason_of_a_command_outlives_its_death(dma: PerpsDma, amqp_url: str) -> None:
    letter_id = await bury(amqp_url, headers={"operation": "set_leverage", "audit-reason": "risk limit lowered"})
    await dma.requeue_dead_letter(letter_id, "mended")
    async with asyncio.timeout(20):
        while not (written := await entries(dma, "command")):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
    assert written[0].details["reason"] == "risk limit lowered"


async def ended(dma: PerpsDma, command_id: str) -> Any:
    rows = (await dma.get_commands()).data.commands
    return next((row for row in rows if row.command_id == command_id and row.outcome), None)


async def test_a_letter_dropped_is_gone_written_down_and_told(dma: PerpsDma, amqp_url: str) -> None:
    letter_id, other = [await bury(amqp_url) for _ in range(2)]
    start = (await dma.get_snapshots()).data.next_offset
    await dma.drop_dead_letter(letter_id, "sent by mistake")
    assert await waiting(amqp_url) == [other]
    [entry] = await entries(dma, "drop")
    assert (entry.subject, entry.details["reason"]) == (letter_id, "sent by mistake")
    async with asyncio.timeout(20):
        async for event in dma.events(start=start, types=["dead-letters"]):
            assert isinstance(event, DeadLettersEvent)
            assert event.data.letters == (letter_id,)
            assert (event.data.action, event.data.why) == ("dropped", "sent by mistake")
            break


@pytest.mark.parametrize("name", ["requeue_dead_letter", "drop_dead_letter"])
async def test_an_id_that_is_not_there_any_more_is_404_and_says_so(dma: PerpsDma, amqp_url: str, name: str) -> None:
    letter_id = await bury(amqp_url)
    settle = getattr(dma, name)
    await settle(letter_id, "once")
    with pytest.raises(RequestFailed, match=f"there is no dead letter {letter_id}: it was sent again") as raised:
        await settle(letter_id, "twice")
    assert (raised.value.code, raised.value.failure.statusCode) == ("unknown_dead_letter", 404)


async def test_an_id_that_two_letters_share_names_both_and_neither_is_touched(dma: PerpsDma, amqp_url: str) -> None:
    shared = str(uuid4())
    await bury(amqp_url, message_id=shared)
    await bury(amqp_url, {**TO_10X, "leverage": 20}, message_id=shared)
    ids = [row.letter_id for row in (await dma.get_dead_letters()).data.dead_letters]
    assert len(set(ids)) == 2
    with pytest.raises(RequestFailed, match="2 dead letters have the command id"):
        await dma.drop_dead_letter(shared, "which")
    await dma.drop_dead_letter(ids[0], "that one")
    assert len(await waiting(amqp_url)) == 1


async def test_who_comes_while_somebody_else_has_the_letters_is_told_to_come_again(
    dma: PerpsDma, amqp_url: str
) -> None:
    letter_id = await bury(amqp_url)
    async with hold_dead_letters(amqp_url):
        with pytest.raises(RequestFailed, match="somebody else has the dead letters") as raised:
            await dma.drop_dead_letter(letter_id, "busy")
    assert raised.value.retryable
    await dma.drop_dead_letter(letter_id, "free")


async def test_requests_at_once_take_turns_and_none_is_lost(dma: PerpsDma, amqp_url: str) -> None:
    ids = [await bury(amqp_url) for _ in range(5)]
    await asyncio.gather(*(dma.drop_dead_letter(letter_id, "all at once", timeout_s=60) for letter_id in ids))
    assert await waiting(amqp_url) == []
    assert {entry.subject for entry in await entries(dma, "drop")} == set(ids)


async def left(channel: aio_pika.abc.AbstractChannel) -> int | None:
    return (await channel.declare_queue(DEAD_LETTERS, passive=True)).declaration_result.message_count


async def test_who_looks_through_the_oldest_alone_says_that_there_are_more_and_touches_none(
    dma: PerpsDma, amqp_url: str
) -> None:
    ids = [await bury(amqp_url) for _ in range(4)]
    async with hold_dead_letters(amqp_url, most=2) as held:
        assert ([letter.id for letter in held.letters], held.more) == (ids[:2], True)
        with pytest.raises(RequestRejected, match="there are more, which `perps-dma dead-letters` reaches"):
            _named(held, DropDeadLetter(letter_id=ids[3], reason="a test"))
    assert await waiting(amqp_url) == ids
    assert not (await dma.get_dead_letters()).data.more


@pytest.mark.parametrize("action", ["requeue", "drop"])
async def test_a_letter_stays_where_what_is_done_with_it_can_not_be_written_down(
    amqp_url: str, dma: PerpsDma, action: str
) -> None:
    letter_id = await bury(amqp_url, {**TO_10X, "leverage": 0})

    async def refuse(letter: Letter) -> None:
        raise RequestRejected(failure(ErrorCode.LEDGER_UNAVAILABLE, "the disk is full"))

    with pytest.raises(RequestRejected, match="the disk is full"):
        async with hold_dead_letters(amqp_url) as held:
            await getattr(held, action)(held.letters, refuse)
    assert letter_id in {row.command_id for row in (await dma.get_dead_letters()).data.dead_letters}


DIES_BETWEEN = """
import asyncio, os, signal, sys
from worker.bus.dead_letters import Letter, hold_dead_letters

async def main():
    async def die(letter):
        print("published", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    async with hold_dead_letters(sys.argv[1]) as held:
        await held.requeue(held.letters, die)

asyncio.run(main())
"""


async def test_a_letter_outlives_whoever_is_killed_between_sending_it_again_and_taking_it_out(amqp_url: str) -> None:
    await emptied(amqp_url)
    await dug_up(amqp_url)
    letter_id = await bury(amqp_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", DIES_BETWEEN, amqp_url, stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    out, _ = await process.communicate()
    assert (out, process.returncode) == (b"published\n", -signal.SIGKILL)
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        came = asyncio.Queue[aio_pika.abc.AbstractIncomingMessage]()
        async with asyncio.timeout(20):
            await (await channel.get_queue("set_leverage")).consume(came.put)
            again = await came.get()
            while await left(channel) != 1:  # noqa: ASYNC110 - it is the broker's to say
                await asyncio.sleep(0.02)
        assert (again.message_id, again.body) == (letter_id, json.dumps(TO_10X).encode())
        await again.ack()
    assert await waiting(amqp_url) == [letter_id]
    await emptied(amqp_url)
    await dug_up(amqp_url)


async def settled_by_hand(amqp_url: str) -> tuple[str, str]:
    """Two letters: one sent again, one thrown away on the command line."""
    again, gone = await bury(amqp_url), await bury(amqp_url)
    settings = Settings(amqp_url=AmqpDsn(amqp_url))
    await requeue_letters(settings, [again], "mended")
    await drop_letters(settings, [gone])
    return again, gone


async def written(dma: PerpsDma, action: str, letter_id: str) -> Any:
    """The one entry of the audit about a letter, once it is there."""
    async with asyncio.timeout(20):
        while True:
            found = [entry for entry in await entries(dma, action) if entry.subject == letter_id]
            if found:
                [entry] = found
                return entry
            await asyncio.sleep(0.1)


async def test_what_the_command_line_does_without_a_worker_stands_in_the_audit_once_there_is_one(
    amqp_url: str, tmp_path: Path
) -> None:
    async with serving(amqp_url, tmp_path):
        await dug_up(amqp_url)  # whatever it was that the queues had
    again, gone = await settled_by_hand(amqp_url)
    async with serving(amqp_url, tmp_path), PerpsDma(amqp_url) as dma:
        sent, dropped = await written(dma, "requeue", again), await written(dma, "drop", gone)
    about = {"operation": "set_leverage", "account": ACCOUNT.id, "sender": "engine-7", "died_of": "a test"}
    assert (sent.actor, dropped.actor) == (getpass.getuser(), getpass.getuser())
    assert about.items() <= sent.details.items()
    assert about.items() <= dropped.details.items()
    assert (sent.details["reason"], dropped.details["reason"]) == ("mended", None)
    async with serving(amqp_url, tmp_path), PerpsDma(amqp_url) as dma:
        assert await written(dma, "drop", gone) == dropped


async def test_what_a_worker_does_is_written_down_once_beside_what_the_command_line_does(
    dma: PerpsDma, amqp_url: str
) -> None:
    asked = await bury(amqp_url)
    await dma.drop_dead_letter(asked, reason="hopeless")
    again, gone = await settled_by_hand(amqp_url)
    await written(dma, "requeue", again)
    await written(dma, "drop", gone)
    assert (await written(dma, "drop", asked)).details["reason"] == "hopeless"


@pytest.mark.parametrize("body", [b"no JSON", b"{}", b"[]"])
async def test_what_is_no_event_is_passed_over_and_what_follows_is_written_down(
    dma: PerpsDma, amqp_url: str, body: bytes
) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        events = await (await connection.channel()).get_exchange(EVENTS_EXCHANGE, ensure=False)
        await events.publish(aio_pika.Message(body), SETTLED_KEY)
    _, gone = await settled_by_hand(amqp_url)
    assert await written(dma, "drop", gone)
