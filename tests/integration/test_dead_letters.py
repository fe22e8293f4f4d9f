"""Dead letters on the real broker: how messages become some, and what can be done with them."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from pydantic import AmqpDsn
from rich.cells import cell_len
from yarl import URL

from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.bus.amqp.connection import connect, connected
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.topology import DEAD_EXCHANGE, DEAD_LETTERS, DELIVERY_LIMIT
from worker.bus.consumer import Consumer
from worker.bus.dead_letters import Letter, LettersUnavailable, Settled, hold_dead_letters
from worker.bus.settled_letters import SettledLetters
from worker.config.settings import Settings
from worker.console.service.dead_letters import drop_letters, requeue_letters, show_letter, show_letters
from worker.messages.wire import DeadLetter, Delivery
from worker.runtime.errors import ConfigurationError

TO_10X: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}


@pytest.fixture
async def idle(amqp_url: str) -> AsyncIterator[AbstractChannel]:
    """A channel on a broker where everything is declared and nobody consumes."""
    await emptied(amqp_url)
    async with await aio_pika.connect(amqp_url) as connection:
        yield await connection.channel()
    await emptied(amqp_url)


async def letters(amqp_url: str, ids: Iterable[str]) -> list[Letter]:
    """Those of the dead letters that have these ids."""
    async with hold_dead_letters(amqp_url) as held:
        return [letter for letter in held.letters if letter.id in set(ids)]


async def the_letter(amqp_url: str, letter_id: str) -> Letter:
    """The letter with this id, which may be on its way to the queue."""
    async with asyncio.timeout(40):
        while not (found := await letters(amqp_url, [letter_id])):
            pass
    [letter] = found
    return letter


async def requeue(amqp_url: str, ids: Iterable[str]) -> Settled:
    async with hold_dead_letters(amqp_url) as held:
        return await held.requeue([letter for letter in held.letters if letter.id in set(ids)])


async def bury(channel: AbstractChannel, count: int = 1, **properties: Any) -> list[str]:
    """Put letters where a worker would put them; returns their ids in order."""
    dead = await channel.get_exchange(DEAD_EXCHANGE, ensure=False)
    ids = [str(uuid4()) for _ in range(count)]
    for letter_id in ids:
        message = aio_pika.Message(
            json.dumps(TO_10X).encode(),
            headers={"reason": "a test", "operation": "set_leverage"},
            message_id=letter_id,
            **properties,
        )
        await dead.publish(message, "set_leverage")
    return ids


async def waiting(channel: AbstractChannel, operation: str) -> list[aio_pika.abc.AbstractIncomingMessage]:
    """What waits in the queue of an operation, all that there was a moment ago."""
    end, found = str(uuid4()), list[aio_pika.abc.AbstractIncomingMessage]()
    await channel.default_exchange.publish(aio_pika.Message(b"", message_id=end), operation)
    async with (await channel.get_queue(operation)).iterator(timeout=40) as messages:
        async for message in messages:
            await message.ack()
            if message.message_id == end:
                break
            found.append(message)
    return found


@asynccontextmanager
async def worker_that(amqp_url: str, handle: Any) -> AsyncIterator[aio_pika.abc.AbstractRobustConnection]:
    async with await connect(amqp_url, "consume") as consuming, await connect(amqp_url, "publish") as publishing:
        consumer = await Consumer.open(consuming, await MessagePublisher.open(publishing, publishing), handle, 200)
        await consumer.start()
        yield consuming
        await consumer.close(10)


@pytest.mark.long
async def test_a_message_that_kills_its_worker_again_and_again_becomes_a_letter_that_says_so(
    amqp_url: str, idle: AbstractChannel
) -> None:
    deliveries = list[Delivery]()

    async def handle(delivery: Delivery) -> DeadLetter | None:
        deliveries.append(delivery)
        assert consuming.transport is not None
        for number, channel in consuming.transport.connection.channels.items():
            if number and channel is not None:
                await channel.basic_ack(delivery_tag=999_999)  # unknown: the broker closes the channel
        return None

    async with Strategy.connected(amqp_url) as strategy, worker_that(amqp_url, handle) as consuming:
        command_id = await strategy.publish("set_leverage", TO_10X)
        await strategy.dead_letter(command_id, timeout_s=100)
    letter = await the_letter(amqp_url, command_id)
    assert (letter.operation, letter.account) == ("set_leverage", ACCOUNT.id)
    assert f"delivered more than {DELIVERY_LIMIT} times and never finished" in letter.reason
    assert len(deliveries) == DELIVERY_LIMIT + 1


async def test_readers_one_right_after_another_are_not_in_each_others_way(amqp_url: str, idle: AbstractChannel) -> None:
    (letter,) = await bury(idle)
    for _ in range(30):
        async with hold_dead_letters(amqp_url) as held:
            assert letter in [read.id for read in held.letters]


async def test_a_bad_body_is_listed_with_what_is_wrong_with_it(amqp_url: str, strategy: Strategy) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    command_id = await strategy.publish("set_leverage", {**TO_10X, "leverage": -1})
    await strategy.dead_letter(command_id)
    letter = await the_letter(amqp_url, command_id)
    assert (letter.operation, letter.account) == ("set_leverage", ACCOUNT.id)
    assert "greater than 0" in letter.reason
    assert letter.time is not None
    assert before <= letter.time <= datetime.now(UTC)


async def test_an_operation_that_there_is_not_is_listed_under_the_name_it_was_sent_to(
    amqp_url: str, strategy: Strategy
) -> None:
    command_id = await strategy.publish("set_leverige", TO_10X, exchange="dma.commands")
    await strategy.dead_letter(command_id)
    assert (await the_letter(amqp_url, command_id)).operation == "set_leverige"


@asynccontextmanager
async def working(amqp_url: str, state: Path, *account_ids: str) -> AsyncIterator[None]:
    """A worker that knows these accounts."""
    accounts = Accounts(tuple(ACCOUNT.model_copy(update={"id": account_id}) for account_id in account_ids))
    async with running_worker(Settings(amqp_url=amqp_url, state=state), accounts, lambda _: MemoryVenue()):
        yield


async def test_a_letter_sent_again_after_its_cause_is_gone_is_carried_out(
    amqp_url: str, idle: AbstractChannel, tmp_path: Path
) -> None:
    late = f"late-{uuid4()}"
    async with Strategy.connected(amqp_url) as strategy:
        async with working(amqp_url, tmp_path, ACCOUNT.id):
            command_id = await strategy.publish("set_leverage", {**TO_10X, "exchange_account_id": late})
            assert f"no account '{late}'" in str((await strategy.dead_letter(command_id)).headers["reason"])
        async with working(amqp_url, tmp_path, ACCOUNT.id, late):
            settled = await requeue(amqp_url, [command_id])
            assert [letter.id for letter in settled.letters] == [command_id]
            assert (await strategy.event("result", command_id))["outcome"] == "applied"
    assert await letters(amqp_url, [command_id]) == []


async def test_a_letter_sent_again_while_its_cause_lasts_comes_back(amqp_url: str, strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", b"{")
    await strategy.dead_letter(command_id)
    await requeue(amqp_url, [command_id])
    await strategy.dead_letter(command_id)
    assert "not valid JSON" in (await the_letter(amqp_url, command_id)).reason


async def test_a_letter_is_sent_again_as_it_was_but_for_what_its_death_added_and_its_deadline(
    amqp_url: str, idle: AbstractChannel
) -> None:
    command_id, user = str(uuid4()), URL(amqp_url).user
    message = aio_pika.Message(
        json.dumps(TO_10X).encode(),
        message_id=command_id,
        correlation_id="mine",
        reply_to="nobody",
        user_id=user,
        expiration=0.001,
        headers={"deadline": 1, "traceparent": "00-1", "reason": "the sender's own"},
    )
    async with Strategy.connected(amqp_url) as strategy:
        await idle.default_exchange.publish(message, "set_leverage")
        await strategy.dead_letter(command_id)
    letter = await the_letter(amqp_url, command_id)
    assert (letter.reason, letter.actor) == ("its expiration passed before a worker took it", user)
    await requeue(amqp_url, [command_id])
    [again] = await waiting(idle, "set_leverage")
    assert (again.body, again.message_id, again.correlation_id) == (message.body, command_id, "mine")
    assert again.headers == {
        "traceparent": "00-1",
        "reason": "the sender's own",
        "actor": user,
        "account": ACCOUNT.id,
    }
    assert (again.expiration, again.reply_to, again.user_id) == (None, None, user)


async def test_a_message_without_an_id_gets_one_that_stays_and_is_its_command_id_when_it_is_sent_again(
    amqp_url: str, idle: AbstractChannel
) -> None:
    body = json.dumps({"note": str(uuid4())}).encode()
    dead = await idle.get_exchange(DEAD_EXCHANGE, ensure=False)
    await dead.publish(aio_pika.Message(body, timestamp=1_700_000_000), "set_leverage")
    found = set()
    for _ in range(2):
        async with hold_dead_letters(amqp_url) as held:
            found |= {letter.id for letter in held.letters if letter.message.body == body}
    [letter_id] = found
    assert letter_id.isascii()
    await requeue(amqp_url, [letter_id])
    assert [message.message_id for message in await waiting(idle, "set_leverage")] == [letter_id]


async def test_a_dropped_letter_is_gone_and_the_others_stay(amqp_url: str, idle: AbstractChannel) -> None:
    first, dropped, last = await bury(idle, 3)
    async with hold_dead_letters(amqp_url) as held:
        settled = await held.drop([letter for letter in held.letters if letter.id == dropped])
    assert [letter.id for letter in settled.letters] == [dropped]
    assert [letter.id for letter in await letters(amqp_url, [first, dropped, last])] == [first, last]


async def test_reading_loses_nothing_and_keeps_the_order(amqp_url: str, idle: AbstractChannel) -> None:
    ids = await bury(idle, 100)
    for _ in range(25):
        async with hold_dead_letters(amqp_url) as held:
            assert [letter.id for letter in held.letters if letter.id in set(ids)] == ids
            ids += await bury(idle, 1)
    assert [letter.id for letter in await letters(amqp_url, ids)] == ids


async def test_a_second_reader_is_told_of_the_first(amqp_url: str, idle: AbstractChannel) -> None:
    [letter_id] = await bury(idle)
    async with hold_dead_letters(amqp_url):
        with pytest.raises(LettersUnavailable, match="somebody else has the dead letters"):
            async with hold_dead_letters(amqp_url):
                pass
    assert await the_letter(amqp_url, letter_id)


async def test_a_letter_that_the_broker_does_not_take_again_stays(amqp_url: str, idle: AbstractChannel) -> None:
    ids = await bury(idle, 2)
    await idle.exchange_delete("dma.commands")
    settled = await requeue(amqp_url, ids)
    await emptied(amqp_url)
    assert settled.letters == ()
    assert settled.problem is not None
    assert ids[0] in settled.problem
    assert len(await letters(amqp_url, ids)) == 2


async def test_a_kill_in_the_middle_of_sending_again_loses_nothing_and_leaves_at_most_one_twice(
    amqp_url: str, idle: AbstractChannel
) -> None:
    ids = await bury(idle, 300)
    copies = await idle.declare_queue(exclusive=True)
    await copies.bind("dma.commands", "set_leverage")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker.app.cli", "dead-letters", "requeue", *ids),
        env={"PERPS_DMA_AMQP_URL": amqp_url},
        stdout=asyncio.subprocess.PIPE,
    )
    async with copies.iterator(timeout=30) as seen:
        async for message in seen:
            if message.message_id == ids[99]:
                process.kill()
                break
    await process.wait()
    sent = {str(message.message_id) for message in await waiting(idle, "set_leverage")}
    left = {letter.id for letter in await letters(amqp_url, ids)}
    print(f"sent again {len(sent)}, left {len(left)}, lost {len(set(ids) - sent - left)}, twice {len(sent & left)}")
    assert 100 <= len(sent) < len(ids)
    assert sent | left == set(ids)
    assert len(sent & left) <= 1


async def buried(amqp_url: str, *messages: aio_pika.Message) -> tuple[Letter, ...]:
    """What lies among the letters when these messages are all there is."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await (await channel.get_queue(DEAD_LETTERS)).purge()
        dead = await channel.get_exchange(DEAD_EXCHANGE, ensure=False)
        for message in messages:
            await dead.publish(message, "set_leverage")
    return await all_letters(amqp_url)


async def all_letters(amqp_url: str) -> tuple[Letter, ...]:
    async with hold_dead_letters(amqp_url) as held:
        return held.letters


def letter(body: bytes, message_id: str | None = None, **headers: Any) -> aio_pika.Message:
    about = {"reason": "a test", "operation": "set_leverage", **headers}
    return aio_pika.Message(body, message_id=message_id, timestamp=1_700_000_000, headers=about)


@pytest.mark.usefixtures("idle")
async def test_letters_with_the_same_command_id_are_told_apart(amqp_url: str) -> None:
    first, second, alone = await buried(
        amqp_url, letter(b'{"n":1}', "c-1"), letter(b'{"n":2}', "c-1"), letter(b"", "c-2")
    )
    assert len({first.id, second.id, "c-1"}) == 3
    assert alone.id == "c-2"
    settings = Settings(amqp_url=AmqpDsn(amqp_url))
    with pytest.raises(
        ConfigurationError, match=f"2 dead letters have the command id c-1: name them as {first.id}, {second.id}"
    ):
        await drop_letters(settings, ["c-1"])
    await drop_letters(settings, [first.id])
    left, _ = await all_letters(amqp_url)
    assert (left.message.body, left.id) == (b'{"n":2}', "c-1")
    with pytest.raises(ConfigurationError, match="there is no dead letter"):
        await drop_letters(settings, [first.id])
    await drop_letters(settings, [second.id])  # the name out of the older list is its own
    assert [letter.id for letter in await all_letters(amqp_url)] == ["c-2"]


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("message_id", ["c-1", None, "--all", "a b"])
async def test_letters_that_are_the_same_in_everything_are_sent_again_one_by_one(
    amqp_url: str, idle: AbstractChannel, message_id: str | None
) -> None:
    twins = await buried(amqp_url, *[letter(b"{}", message_id) for _ in range(3)])
    assert len({twin.id for twin in twins}) == 3
    settings = Settings(amqp_url=AmqpDsn(amqp_url))
    for left in (2, 1, 0):
        one, *_ = await all_letters(amqp_url)
        await requeue_letters(settings, [one.id])
        with pytest.raises(ConfigurationError):
            await drop_letters(settings, [f"{one.id}.1of3"])
        assert len(await all_letters(amqp_url)) == left
    assert len(await waiting(idle, "set_leverage")) == 3


@pytest.mark.usefixtures("idle")
async def test_an_id_made_up_to_be_anothers_is_not_believed(amqp_url: str) -> None:
    first, second = await buried(amqp_url, letter(b"1", "c-1"), letter(b"2", "c-1"))
    found = await buried(amqp_url, letter(b"1", "c-1"), letter(b"2", "c-1"), letter(b"3", first.id))
    assert len({letter.id for letter in found}) == 3
    assert second.id in {letter.id for letter in found}
    settings = Settings(amqp_url=AmqpDsn(amqp_url))
    await drop_letters(settings, [found[0].id])
    assert {letter.message.body for letter in await all_letters(amqp_url)} == {b"2", b"3"}


STRANGE: dict[str, dict[str, Any]] = {
    "a long routing key": {"operation": "k" * 255},
    "a long reason": {"reason": "why " * 450},
    "a long account": {"account": "a" * 300},
    "wide characters": {"operation": "\N{CJK UNIFIED IDEOGRAPH-6C49}" * 60, "reason": "\N{FIRE}" * 200},
    "piled marks": {"reason": "a" + "\N{COMBINING ACUTE ACCENT}" * 500},
    "what steers a terminal": {"operation": "\x1b[2J\x07", "reason": "one\r\nanother\tline\x00", "account": "\u202eab"},
    "markup": {"operation": "[red]x[/red]", "reason": "[link=http://x]y[/link] [/]"},
    "no text": {"operation": bytearray(b"\xff\xfe"), "reason": {"a": [1, None]}, "account": [1]},
    "another's note of death": {"x-death": "long ago"},
    "a note of death that is none": {"x-death": [{"time": "soon", "queue": 7, "reason": ["a"]}]},
    "nothing": {"operation": None, "reason": None, "account": None},
}


@pytest.mark.usefixtures("idle")
@pytest.mark.parametrize("columns", ["20", "80", "240"])
async def test_whatever_is_in_a_letter_the_list_stays_readable(amqp_url: str, columns: str) -> None:
    strange = [letter(b"{}", f"strange-{number:02}", **headers) for number, headers in enumerate(STRANGE.values())]
    await buried(amqp_url, *strange, aio_pika.Message(b"\xff", message_id="bare"), letter(b"{}", "i" * 128))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LIST, columns),
        env={"PERPS_DMA_AMQP_URL": amqp_url, "PYTHONIOENCODING": "utf-8"},
        stdout=asyncio.subprocess.PIPE,
    )
    out = (await process.communicate())[0].decode()
    assert process.returncode == 0
    assert all(character.isprintable() or character == "\n" for character in out)
    assert "\N{COMBINING ACUTE ACCENT}" * 3 not in out
    for shown in (*(f"strange-{number:02}" for number in range(len(strange))), "bare", "i" * 128):
        [line] = [line for line in out.splitlines() if shown in line]
        assert cell_len(line) <= 240
    for whole in ("a test", "set_leverage", "[red]x[/red]", "no reason was given"):
        assert whole in out


LIST = """
import asyncio, sys
from worker.console.kit import display
from worker.console.service.dead_letters import show_letters
from worker.config.settings import Settings
display.console.width = int(sys.argv[1])
asyncio.run(show_letters(Settings(), as_json=False))
"""


@pytest.mark.usefixtures("idle")
async def test_programs_get_all_of_a_letter(amqp_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    await buried(amqp_url, letter(b"{}", "c-1", operation="k" * 255, reason="why " * 450, account="a" * 300))
    settings = Settings(amqp_url=AmqpDsn(amqp_url))
    await show_letters(settings, as_json=True)
    [row] = json.loads(capsys.readouterr().out)
    assert (row["operation"], row["reason"], row["account"]) == ("k" * 255, "why " * 450, "a" * 300)
    await show_letter(settings, "c-1", as_json=False)
    assert "a" * 300 in capsys.readouterr().out


@pytest.mark.usefixtures("idle")
async def test_who_writes_down_what_was_settled_ends_at_whichever_moment_it_is_stopped(amqp_url: str) -> None:
    async def adopt(*_: object) -> None:
        """There is nothing to write down."""

    async with connected(amqp_url, "settled") as connection:
        for moment in range(60):
            running = asyncio.create_task(SettledLetters(connection, adopt).run())
            await asyncio.sleep(moment * 0.0005)
            running.cancel()
            done, _ = await asyncio.wait({running}, timeout=5)
            assert done, f"stopped after {moment / 2} ms"
