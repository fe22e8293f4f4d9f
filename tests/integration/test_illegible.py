"""Messages that a client library can't read, as broken senders write them: each ends, and nothing else with it."""

import asyncio
import json
import struct
from collections.abc import Mapping

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from schemas.operations import COMMANDS_EXCHANGE
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.raw_messages import RawMessage, deep, long, publish_raw, short, table, text
from tests.support.strategy import Inbox, Strategy

BODY = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}).encode()
BINARY = bytes(range(200, 216))
MICROSECONDS = struct.pack(">Q", 1_706_745_600_000_000)

UNREADABLE: Mapping[str, tuple[Mapping[str, bytes], str]] = {
    "an id in raw bytes": ({"message_id": short(BINARY)}, "message_id must be"),
    "a time in microseconds": ({"timestamp": MICROSECONDS}, "property timestamp can't be read"),
    "a header named in raw bytes": ({"headers": table({BINARY: b"V"})}, "property headers can't be read"),
    "tables without end": ({"headers": table({b"a": deep(3_000)})}, "property headers can't be read"),
    "a deadline in words": ({"headers": table({b"deadline": text(b"soon")})}, "deadline must be an integer"),
    "a deadline that is true": ({"headers": table({b"deadline": b"t\1"})}, "deadline must be an integer"),
}


async def arrived(inbox: Inbox) -> AbstractIncomingMessage:
    async with asyncio.timeout(30):
        return await inbox.get()


@pytest.mark.parametrize("what", UNREADABLE)
async def test_it_is_buried_with_what_is_wrong(strategy: Strategy, venue: MemoryVenue, what: str) -> None:
    properties, problem = UNREADABLE[what]
    await publish_raw(strategy.channel, RawMessage(BODY, properties))
    letter = await arrived(strategy.dead)
    assert problem in str(letter.headers["reason"])
    assert letter.body == BODY
    assert venue.log == []


async def test_its_sender_is_told_where_the_address_can_be_read(strategy: Strategy) -> None:
    properties = {"reply_to": short(strategy.reply_to.encode()), "message_id": short(b"c-1"), "timestamp": MICROSECONDS}
    await publish_raw(strategy.channel, RawMessage(BODY, properties))
    answer = await arrived(strategy.replies)
    assert json.loads(answer.body)["error"]["details"]["fields"][0]["field"] == "the property timestamp"
    assert answer.correlation_id == "c-1"


async def test_a_routing_key_in_raw_bytes_names_no_operation(strategy: Strategy) -> None:
    await publish_raw(strategy.channel, RawMessage(BODY, routing_key=BINARY, exchange=COMMANDS_EXCHANGE))
    assert "there is no operation" in str((await arrived(strategy.dead)).headers["reason"])


async def test_what_is_refused_and_answered_to_nobody_is_buried(strategy: Strategy) -> None:
    command_id = await strategy.publish("set_leverage", b"[]", reply_to="nobody")
    assert (await strategy.dead_letter(command_id)).headers["reason"] == "Error - body must be a JSON object"


async def test_what_is_written_beside_a_dead_letter_always_fits(strategy: Strategy) -> None:
    """Beyond one frame the broker would end the worker's connection, again and again."""
    headers = table({b"actor": b"A" + long(b"V" * 100_000)})
    body = json.dumps({f"{number}" * 20: 1 for number in range(700)}).encode()
    await publish_raw(strategy.channel, RawMessage(body, {"headers": headers}))
    letter = await arrived(strategy.dead)
    assert "; and 693 more" in str(letter.headers["reason"])
    assert letter.body == body


async def test_a_body_that_no_request_needs_is_not_even_looked_into(strategy: Strategy) -> None:
    envelope, _ = await strategy.ask("set_leverage", b" " * 70_000)
    assert (envelope["statusCode"], envelope["error"]["code"]) == (413, "payload_too_large")


async def test_others_are_served_as_if_nothing_had_been(strategy: Strategy, amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for properties, _ in UNREADABLE.values():
            await publish_raw(channel, RawMessage(BODY, properties, b"get_leverage"))
    envelope, _ = await strategy.ask("get_leverage", {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol})
    assert envelope["statusCode"] == 200
