"""What surrounds a body is bounded as heads are: sizes and extensions of chunks, trailers, requests sent ahead."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.in_memory_caller import InMemoryCaller
from tests.support.processes import free_port
from tests.support.shim_client import LEVERAGE, gate
from tests.unit.served_shim import POST, failure_in, port_of, says, served, serving
from worker.bus.rpc import RpcReply
from worker.config.settings import Settings
from worker.monitoring.server import monitored
from worker.shim.app import create_app
from worker.shim.http.limits import LARGEST_HEAD, Bounds
from worker.shim.http.protocol import FED_AT_ONCE, BoundedProtocol
from worker.telemetry.metrics import WORKER

DONE = RpcReply(200, b'{"isError":false}', {})
BODY = json.dumps(LEVERAGE).encode()
JSON_HEAD = POST + b"Content-Type: application/json\r\n"
CHUNKED = JSON_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
SIZED = JSON_HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
BEYOND = 3 * LARGEST_HEAD // 2

ENDLESS: dict[str, tuple[bytes, bytes]] = {
    "one long trailer": (b"0\r\nX: ", b"a"),
    "many small trailers": (b"0\r\n", b"a: b\r\n"),
    "the name of a trailer": (b"0\r\n", b"a"),
    "trailers after a body": (b"%x\r\n%b\r\n0\r\n" % (len(BODY), BODY), b"a: b\r\n"),
    "a chunk extension": (b"1;", b"a"),
    "its value": (b"1;a=", b"b"),
    "its quoted value": (b'1;a="', b"b"),
    "many extensions": (b"", b"1;abcdefgh=ijklmnop\r\n \r\n"),
    "the size of a chunk": (b"", b"0"),
    "tiny chunks": (b"", b"1\r\n \r\n"),
}


@pytest.mark.parametrize(("first", "more"), ENDLESS.values(), ids=ENDLESS)
async def test_what_surrounds_a_body_is_cut_where_a_head_would_be(first: bytes, more: bytes) -> None:
    caller = InMemoryCaller()
    async with serving(caller, receive_s=20) as url, asyncio.timeout(10):
        answer = await says(url, CHUNKED + first + more * (BEYOND // len(more)))
    failure_in(answer, 431, "headers_too_large")
    assert caller.asked == []


@pytest.mark.parametrize(("first", "more"), ENDLESS.values(), ids=ENDLESS)
async def test_so_it_is_for_who_was_answered_already(first: bytes, more: bytes) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: shim\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with serving(InMemoryCaller(), receive_s=20) as url, asyncio.timeout(10):
        answer = await says(url, head, first + more * (BEYOND // len(more)), pause_s=0.2)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1


async def test_who_goes_on_sending_still_reads_why() -> None:
    async with serving(InMemoryCaller(), receive_s=20) as url:
        failure_in(await says(url, CHUNKED + b"0\r\n" + b"a: b\r\n" * 2_000_000), 431, "headers_too_large")


async def test_on_the_metrics_port_too(tmp_path: Path) -> None:
    class Source:
        counted = WORKER

        async def states(self) -> tuple[()]:
            return ()

        async def readiness(self) -> tuple[bool, dict[str, Any]]:
            return True, {}

    settings = Settings(state=tmp_path, metrics_port=free_port(), http_receive_s=1)
    url = f"http://127.0.0.1:{settings.metrics_port}"
    async with monitored(settings, Source()), asyncio.timeout(10):
        head = b"GET /metrics HTTP/1.1\r\nHost: shim\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        failure_in(await says(url, head + b"a: b\r\n" * BEYOND), 431, "headers_too_large")
        failure_in(await says(url, b"GET / HTTP/1.1\r\n"), 408, "request_timeout")
        idle = [await asyncio.open_connection("127.0.0.1", settings.metrics_port) for _ in range(40)]
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("/metrics")).status_code == 200
        for _, writer in idle:
            writer.close()


async def test_a_trailer_or_an_extension_in_measure_changes_nothing() -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    async with serving(caller) as url:
        chunk = b"%x;name=value\r\n%b\r\n0\r\nChecksum: 1\r\nPrefer: respond-async\r\n\r\n" % (len(BODY), BODY)
        answer = await says(url, CHUNKED.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") + chunk)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert [asked.body for asked in caller.asked] == [BODY]


async def test_a_trailer_is_no_header() -> None:
    token = POST[POST.index(b"Authorization") :]
    head = CHUNKED.replace(token, b"")
    async with serving(InMemoryCaller()) as url:
        answer = await says(url, head + b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(BODY), BODY, token), b"GET")
    assert answer.startswith(b"HTTP/1.1 401 ")


class Halting(InMemoryCaller):
    """Workers that answer when they are let."""

    def __init__(self) -> None:
        super().__init__()
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def call(self, *args: Any, **more: Any) -> RpcReply:
        self.began.set()
        await self.go_on.wait()
        return DONE


async def test_requests_sent_ahead_are_answered_in_turn_and_few_of_them_wait_in_memory() -> None:
    caller, ahead = Halting(), 1_000
    app = create_app(caller, gate(caller), Bounds())
    async with served(app, http_receive_s=10) as server, asyncio.timeout(60):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        writer.write(SIZED + b"GET /healthz HTTP/1.1\r\nHost: shim\r\n\r\n" * ahead)
        await caller.began.wait()
        [connection] = server.server_state.connections
        assert isinstance(connection, BoundedProtocol)
        assert len(connection.pipeline) < FED_AT_ONCE / 18
        caller.go_on.set()
        heard = bytearray()
        while heard.count(b"HTTP/1.1 200 ") <= ahead:
            heard += await reader.readuntil(b"\r\n\r\n")
        assert heard.count(b"HTTP/1.1 200 ") == ahead + 1
        writer.close()


async def test_what_is_wrong_with_a_later_request_is_no_answer_to_the_one_before() -> None:
    caller = Halting()
    async with serving(caller) as url:
        asked = asyncio.create_task(says(url, SIZED + b"\x16\x03\x01 hello\r\n\r\n"))
        await caller.began.wait()
        caller.go_on.set()
        answer = await asked
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.count(b"HTTP/1.1") == 1
