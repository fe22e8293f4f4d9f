"""What is mended in the client library, and that it is still in need of it: each fails where nothing is mended."""

import subprocess
import sys

DECODING = """
from pamqp.header import ContentHeader
from tests.support.raw_messages import short
from worker.bus.amqp.connection import prepare_client_library
from worker.bus.amqp.tolerant_decoding import ILLEGIBLE

RAW_BYTES = short(bytes(range(200, 216)))
FLAGS, SIZE = (1 << 7 | 1 << 6).to_bytes(2, "big"), (2).to_bytes(8, "big")  # a message id and a timestamp
PROPERTIES = b"\\0\\x3c\\0\\0" + SIZE + FLAGS + RAW_BYTES + (10**15).to_bytes(8, "big")

def read():
    content = ContentHeader()
    content.unmarshal(PROPERTIES)
    return content.properties

try:
    read()
except UnicodeDecodeError:
    print("an id in raw bytes ends the connection")
for _ in range(2):
    prepare_client_library()
    read_now = read()
    print(ILLEGIBLE in (read_now.headers or {}), read_now.headers[ILLEGIBLE].name, read_now.message_id.count("\\x1a"))
"""

OBJECTS = """
import asyncio
from types import SimpleNamespace
from aio_pika import queue
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader
from worker.bus.amqp.connection import prepare_client_library
from worker.bus.amqp.incoming import Taking

taken = []
delivery = spec.Basic.Deliver(consumer_tag="t", delivery_tag=7, exchange="e", routing_key="k")
message = DeliveredMessage(delivery, ContentHeader(properties=spec.Basic.Properties()), b"{}", SimpleNamespace())

def deliver():
    asyncio.run(queue.consumer(Taking(taken.append), message, no_ack=False))

deliver()
print(len(taken), "taken as they are")
for _ in range(2):
    prepare_client_library()
    deliver()
print([type(message).__name__ for message in taken])
"""


UNOPENED = """
import asyncio
import gc
import warnings
import aio_pika
from worker.bus.amqp.connection import prepare_client_library

async def refused():
    try:
        await aio_pika.connect("amqp://127.0.0.1:1/")
    except ConnectionError:
        pass

def warned():
    loop = asyncio.new_event_loop()  # goes on, while the thread has none
    asyncio.set_event_loop(None)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        gc.disable()
        loop.run_until_complete(refused())
        asyncio.set_event_loop(None)
        gc.collect()
    return any("close' was never awaited" in str(one.message) for one in told)

print(warned())
for _ in range(2):
    prepare_client_library()
    print(warned())
"""


def told_by(program: str) -> list[str]:
    """What a process of its own tells: what is mended stays so in the one that runs the tests."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_one_message_that_cant_be_decoded_would_end_the_connection() -> None:
    assert told_by(DECODING) == ["an id in raw bytes ends the connection", *["True timestamp 16"] * 2]


def test_a_message_would_be_made_an_object_of_the_librarys() -> None:
    assert told_by(OBJECTS) == ["0 taken as they are", "['Incoming', 'Incoming']"]


def test_a_connection_that_was_refused_would_say_goodbye_wherever_it_is_collected() -> None:
    assert told_by(UNOPENED) == ["True", "False", "False"]


def test_importing_mends_nothing() -> None:
    program = """
import importlib
from pamqp import decode
from aio_pika import queue

for module in ("worker.bus", "worker.bus.consumer", "worker.bus.rpc", "worker.app.bootstrap"):
    importlib.import_module(module)
    print(decode.METHODS["shortstr"].__module__, queue.consumer.__module__)
"""
    assert told_by(program) == ["pamqp.decode aio_pika.queue"] * 4
