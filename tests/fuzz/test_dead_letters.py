"""Whatever lies among the dead letters: a person can list it, look at it, and send it again."""

import json
from collections.abc import AsyncIterator, Awaitable

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import AmqpDsn

from tests.fuzz.conftest import fuzzed
from tests.fuzz.messages import properties
from tests.fuzz.test_bus import REFUSED
from tests.support.operation_queues import emptied
from tests.support.raw_messages import RawMessage, publish_raw
from worker.bus.amqp.topology import DEAD_LETTERS
from worker.config.settings import Settings
from worker.console.service.dead_letters import requeue_letters, show_letter, show_letters


@pytest.fixture
async def settings(amqp_url: str) -> AsyncIterator[Settings]:
    """Those of a command line, on a broker without dead letters."""
    await emptied(amqp_url)
    yield Settings(amqp_url=AmqpDsn(amqp_url))
    await emptied(amqp_url)
    await purge(amqp_url)


async def purge(amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        await (await (await connection.channel()).get_queue(DEAD_LETTERS)).purge()


async def bury(amqp_url: str, messages: list[RawMessage]) -> int:
    """Put messages among the dead letters as the broker does, with all that their senders wrote; how many it took."""
    buried = 0
    for message in messages:
        # Each over a connection of its own: RabbitMQ 3.10 ends a connection over some properties, with INTERNAL_ERROR.
        async with await aio_pika.connect(amqp_url) as connection:
            channel: AbstractChannel = await connection.channel()
            try:
                await publish_raw(channel, message)
            except REFUSED:
                continue
            buried += 1
    return buried


lying = st.builds(
    lambda described, body: RawMessage(
        body, {k: v for k, v in described.items() if k != "expiration"}, DEAD_LETTERS.encode()
    ),
    properties,
    st.binary(max_size=20),
)


@fuzzed(10)
@given(messages=st.lists(lying, min_size=1, max_size=15))
async def test_every_letter_can_be_shown_and_sent_again(
    settings: Settings, capsys: pytest.CaptureFixture[str], messages: list[RawMessage]
) -> None:
    amqp_url = str(settings.amqp_url)
    await purge(amqp_url)
    assume(buried := await bury(amqp_url, messages))

    async def printed(show: Awaitable[object]) -> str:
        capsys.readouterr()
        await show
        return capsys.readouterr().out

    rows = json.loads(await printed(show_letters(settings, as_json=True)))
    assert len(rows) == buried
    assert all(row["reason"] and row["id"] for row in rows)
    for_people = await printed(show_letters(settings, as_json=False))
    one = rows[0]["id"]
    assert '"body' in await printed(show_letter(settings, one, as_json=True))
    for_people += await printed(show_letter(settings, one, as_json=False))
    assert all(character.isprintable() or character == "\n" for character in for_people)
    sent_again = await printed(requeue_letters(settings, None))
    assert sent_again.count("sent again: ") == buried
