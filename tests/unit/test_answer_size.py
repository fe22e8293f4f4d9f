"""A venue's answer has a largest size: what is beyond it is not kept, and delays nobody."""

import asyncio
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import cache

import orjson
import pytest

from tests.support.hostile_venue import answering, head
from tests.support.sandbox_harness import OPEN
from tests.support.scripted_venue import ScriptedVenue, answers
from tests.unit.test_transport import ECHO, PATH, SET_LEVERAGE, WANTED, account
from worker.sandbox.server.faults import packed_blanks
from worker.venues.binance.client import BinanceTransport, without_keys
from worker.venues.client.connections import LARGEST_ANSWER, LARGEST_LISTING, MIB, VenueConnections
from worker.venues.client.observer import RequestObserver
from worker.venues.port.errors import Ambiguous, VenueError
from worker.venues.port.response import DEEPEST, read_json

TIMEOUT_MS, PATIENCE_MS = 400, 10_000
Sent = tuple[bytes, bytes]

LONGEST_S = 2.0
"""Without a bound it was 5 s and more. The memory is traced here, which makes all slower."""


def packed(how: str, body: bytes, status: int = 200) -> bytes:
    return head(status, (f"Content-Encoding: {how}", f"Content-Length: {len(body)}")) + body


@cache
def deflated_blanks() -> bytes:
    return zlib.compress(b" " * (100 * MIB))


def lengthy(length: int) -> bytes:
    return head(headers=(f"Content-Length: {length}",))


TOO_LARGE: dict[str, Callable[[], Sent]] = {
    "400 kB of gzip": lambda: (packed("gzip", packed_blanks()), b""),
    "the same with a refusal": lambda: (packed("gzip", packed_blanks(), 400), b""),
    "the same with a server error": lambda: (packed("gzip", packed_blanks(), 502), b""),
    "deflate": lambda: (packed("deflate", deflated_blanks()), b""),
    "no end": lambda: (head(), b" " * 65_536),
    "no end in chunks": lambda: (head(headers=("Transfer-Encoding: chunked",)), b"10000\r\n" + b" " * 65_536 + b"\r\n"),
    "a length of 10 GB": lambda: (lengthy(10**10), b" " * 65_536),
}
"""What a venue sends, and what it goes on to send for ever; made by who sends it, for packing takes a while."""

ODD_HEADS = {
    "a first line without end": (b"HTTP/1.1 200 ", b"a" * 65_536),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: ", b"a" * 65_536),
    "headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: a\r\n" * 6_000),
    "trailers without end": (head(headers=("Transfer-Encoding: chunked",)) + b"2\r\n{}\r\n0\r\n", b"X: a\r\n" * 6_000),
    "an extension without end": (head(headers=("Transfer-Encoding: chunked",)) + b"1;", b"a" * 65_536),
    "a first answer that says to wait, again and again": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1_000),
    "another protocol": (head(101, ("Connection: upgrade", "Upgrade: websocket")), b"a" * 65_536),
    "gzip that is none": (packed("gzip", b"blanks"), b""),
    "br that nobody asked for": (packed("br", b"blanks"), b""),
}


@dataclass
class Loop:
    """What the event loop was kept busy with at a stretch, in s of its own processor time."""

    longest: float = 0.0

    async def watch(self) -> None:
        last = time.thread_time()
        while True:
            await asyncio.sleep(0)
            current = time.thread_time()
            self.longest, last = max(self.longest, current - last), current


@asynccontextmanager
async def watched() -> AsyncIterator[Loop]:
    loop = Loop()
    watching = asyncio.create_task(loop.watch())
    try:
        yield loop
    finally:
        watching.cancel()


@contextmanager
def memory() -> Iterator[list[int]]:
    """The most that was allocated meanwhile, in bytes, once it is over."""
    found: list[int] = []
    tracemalloc.start()
    try:
        yield found
        found.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def transport(connections: VenueConnections, url: str, timeout_ms: int = TIMEOUT_MS) -> BinanceTransport:
    return without_keys(connections, url, timeout_ms).for_account(account())


@pytest.mark.parametrize("sent", TOO_LARGE.values(), ids=TOO_LARGE)
async def test_what_is_too_large_tells_nothing_and_is_not_kept(sent: Callable[[], Sent]) -> None:
    async with VenueConnections() as connections, answering(*sent()) as url, watched() as loop:
        with memory() as most, pytest.raises(Ambiguous, match="AnswerTooLarge"):
            await transport(connections, url).change(OPEN, SET_LEVERAGE, WANTED)
    assert most[0] < 3 * LARGEST_ANSWER
    assert loop.longest < LONGEST_S


@pytest.mark.parametrize("sent", ODD_HEADS.values(), ids=ODD_HEADS)
async def test_what_surrounds_an_answer_is_bounded_as_well(sent: Sent) -> None:
    async with VenueConnections() as connections, answering(*sent) as url, watched() as loop:
        with memory() as most, pytest.raises(Ambiguous):
            await transport(connections, url).change(OPEN, SET_LEVERAGE, WANTED)
    assert most[0] < 3 * LARGEST_ANSWER
    assert loop.longest < LONGEST_S


async def test_other_venues_are_not_delayed() -> None:
    """All calls of a venue get what is too large at once, and those to another are answered meanwhile."""
    async with VenueConnections() as connections, ScriptedVenue() as venue, answering(*TOO_LARGE["no end"]()) as url:
        venue.on(PATH, answers(ECHO))
        hostile, good = transport(connections, url), transport(connections, venue.url, PATIENCE_MS)
        flood = [asyncio.create_task(hostile.change(OPEN, SET_LEVERAGE, WANTED)) for _ in range(20)]
        began = time.thread_time()
        while not all(call.done() for call in flood):
            assert await good.change(OPEN, SET_LEVERAGE, WANTED) == ECHO
        assert {type(error) for error in await asyncio.gather(*flood, return_exceptions=True)} == {Ambiguous}
        assert len(venue.asked) > 1, f"none was answered in {time.thread_time() - began} s"


async def test_it_counts_as_a_failure_of_the_venue() -> None:
    heard: list[str | None] = []
    async with VenueConnections() as connections, answering(*TOO_LARGE["400 kB of gzip"]()) as url:
        with pytest.raises(Ambiguous):
            await transport(connections.heard_by(RequestObserver(heard.append)), url).change(OPEN, SET_LEVERAGE, WANTED)
    assert heard == ["a request to binance failed (AnswerTooLarge)"]


async def test_what_is_as_large_as_documented_is_read_packed_or_not() -> None:
    rows = [ECHO] * (LARGEST_ANSWER // (len(orjson.dumps(ECHO)) + 1) - 1)
    body = orjson.dumps(rows).ljust(LARGEST_ANSWER)
    packer = zlib.compressobj(wbits=31)
    zipped = packed("gzip", packer.compress(body) + packer.flush())
    async with VenueConnections() as connections:
        for sent in (lengthy(len(body)) + body, zipped):
            async with answering(sent) as url:
                assert await transport(connections, url).change(OPEN, SET_LEVERAGE, WANTED) == rows


NO_SYMBOLS = b'{"symbols": []}'


async def test_a_list_of_markets_may_be_larger_and_has_a_bound_of_its_own() -> None:
    async with VenueConnections() as connections:
        for length, is_read in ((LARGEST_ANSWER + MIB, True), (LARGEST_LISTING + MIB, False)):
            async with answering(lengthy(length) + NO_SYMBOLS.ljust(length)) as url:
                listing = transport(connections, url).listings(PATIENCE_MS)
                if is_read:
                    assert (await listing).rows == {"linear": [], "inverse": []}
                    continue
                with pytest.raises(Ambiguous, match="AnswerTooLarge"):
                    await listing


async def test_a_venue_does_not_choose_how_its_answer_is_read() -> None:
    """`punycode` takes the square of the length: minutes for this one."""
    body = b"a" * (MIB // 2) + b"-" + b"b" * (MIB // 2)
    sent = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=punycode\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with VenueConnections() as connections, answering(sent + body) as url, watched() as loop:
        with pytest.raises(Ambiguous, match="no JSON"):
            await transport(connections, url).change(OPEN, SET_LEVERAGE, WANTED)
    assert loop.longest < LONGEST_S


async def test_an_answer_that_stops_half_way_is_given_up_in_time() -> None:
    async with VenueConnections() as connections, answering(lengthy(100), b"") as url:
        with pytest.raises(Ambiguous, match=f"within {TIMEOUT_MS} ms"):
            await transport(connections, url).change(OPEN, SET_LEVERAGE, WANTED)


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


@pytest.mark.parametrize(("levels", "is_read"), [(1, True), (DEEPEST, True), (DEEPEST + 1, False), (1_000, False)])
def test_json_that_could_not_be_passed_on_is_none(levels: int, is_read: bool) -> None:
    for text in (nested(levels), "[" + "[]," * DEEPEST + nested(max(1, levels - 1)) + "]"):
        if is_read:
            assert orjson.dumps(read_json(text)).decode() == text
            continue
        with pytest.raises(ValueError, match="too deep"):
            read_json(text)


@pytest.mark.parametrize("status", [200, 400, 502])
async def test_a_deep_answer_is_no_answer(status: int) -> None:
    body = f'{{"code": -4028, "msg": {nested(300)}}}'.encode()
    async with VenueConnections() as connections, ScriptedVenue() as venue:
        venue.on(PATH, answers(body, status))
        with pytest.raises(VenueError) as caught:
            await transport(connections, venue.url).change(OPEN, SET_LEVERAGE, WANTED)
    assert isinstance(caught.value, Ambiguous)
    assert caught.value.raw is None
