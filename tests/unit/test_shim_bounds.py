"""What a client can't do to the shim, over real sockets: ask without end, in bits, or for too much at once."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from schemas import Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import LEVERAGE, PREFIX, assert_failure, bearer, client_of, gate, token
from tests.unit.served_shim import POST, RECEIVE_S, failure_in, port_of, says, served, serving
from worker.bus.rpc import RpcReply
from worker.shim.app import create_app
from worker.shim.auth.denials import Denials
from worker.shim.http.limits import LARGEST_HEAD, LONGEST_URI, Bounds

DONE = RpcReply(200, b'{"isError":false}', {})
SLOW = {
    "nothing at all": (),
    "half a head": (POST,),
    "a head byte by byte": tuple(bytes([byte]) for byte in POST[:200]),
    "empty lines": (b"\r\n",) * 200,
    "nothing but a letter": (b"G",),
}


@pytest.mark.parametrize("parts", SLOW.values(), ids=SLOW)
async def test_a_head_that_does_not_arrive_is_waited_for_no_longer(parts: tuple[bytes, ...]) -> None:
    caller = InMemoryCaller()
    async with serving(caller) as url:
        failure_in(await says(url, *parts, pause_s=0.02), 408, "request_timeout")
    assert caller.asked == []


async def test_a_body_that_does_not_arrive_is_waited_for_no_longer() -> None:
    caller = InMemoryCaller()
    async with serving(caller) as url:
        head = POST + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        failure_in(await says(url, head, *(b" " for _ in range(60)), pause_s=0.02), 408, "request_timeout")
    assert caller.asked == []


async def test_a_body_that_nobody_reads_keeps_no_connection_open() -> None:
    async with serving(InMemoryCaller()) as url:
        head = b"GET /healthz HTTP/1.1\r\nHost: shim\r\nTransfer-Encoding: chunked\r\n\r\n"
        answer = await says(url, head, *(b"1\r\n \r\n" for _ in range(200)), pause_s=0.02)
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_client_that_does_not_fetch_its_answer_is_waited_for_no_longer() -> None:
    app = create_app(caller := InMemoryCaller(), gate(caller), Bounds())
    async with served(app) as server, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(server))
        # So many that they fit into no buffer on the way.
        writer.write(b"GET /docs/assets/swagger-ui-bundle.js HTTP/1.1\r\nHost: shim\r\n\r\n" * 20)
        await reader.readexactly(1)
        while server.server_state.connections:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
        writer.transport.abort()


async def test_a_head_without_end_is_cut() -> None:
    async with serving(InMemoryCaller(), receive_s=30) as url:
        endless = (b"X-More: " + b"m" * 4_000 + b"\r\n" for _ in range(100))
        answer = await says(url, POST, *endless, pause_s=0.01)
    # What is still under way when the connection closes can cost the client the answer, not us the memory.
    if answer:
        failure_in(answer, 431, "headers_too_large")


async def test_what_is_no_http_is_400_in_the_documented_form() -> None:
    async with serving(InMemoryCaller()) as url:
        failure_in(await says(url, b"\x16\x03\x01 hello\r\n\r\n"), 400, "invalid_request")


async def test_a_client_that_is_quick_enough_can_go_on_and_on() -> None:
    caller = InMemoryCaller({"set_leverage": DONE})
    receive_s = 4 * RECEIVE_S  # who is as slow as that in the same process is stuck
    async with (
        serving(caller, receive_s=receive_s) as url,
        httpx.AsyncClient(base_url=url, headers=bearer(token())) as client,
    ):
        began = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < began + 1.5 * receive_s:
            assert (await client.post(f"{PREFIX}/leverage", json=LEVERAGE)).status_code == 200


class Slow(InMemoryCaller):
    """Workers that take their time."""

    def __init__(self) -> None:
        super().__init__()
        self.running = 0
        self.both, self.go_on = asyncio.Event(), asyncio.Event()

    async def call(self, operation: Operation, body: bytes, **more: Any) -> RpcReply:
        self.running += 1
        if self.running == 2:
            self.both.set()
        await self.go_on.wait()
        return DONE


async def test_a_request_that_has_arrived_may_take_longer_than_one_may_take_to_arrive() -> None:
    caller = Slow()
    async with serving(caller) as url, httpx.AsyncClient(base_url=url, headers=bearer(token()), timeout=30) as client:
        asked = asyncio.create_task(client.post(f"{PREFIX}/leverage", json=LEVERAGE))
        await asyncio.wait([asked], timeout=4 * RECEIVE_S)
        caller.go_on.set()
        assert (await asked).status_code == 200


async def test_more_at_once_than_allowed_is_503_and_says_when_to_come_again_while_health_is_told() -> None:
    caller = Slow()
    app = create_app(caller, gate(caller), Bounds(at_once=2))
    async with client_of(app, bearer(token())) as client:
        asked = [asyncio.create_task(client.post(f"{PREFIX}/leverage", json=LEVERAGE)) for _ in range(2)]
        async with asyncio.timeout(30):
            await caller.both.wait()
        refused = await client.post(f"{PREFIX}/leverage", json=LEVERAGE)
        assert_failure(refused, 503, "overloaded")
        assert refused.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200
        caller.go_on.set()
        assert [(await one).status_code for one in asked] == [200, 200]
        assert (await client.post(f"{PREFIX}/leverage", json=LEVERAGE)).status_code == 200


async def test_a_query_or_headers_beyond_any_request_are_refused() -> None:
    caller = InMemoryCaller({"get_positions": DONE})
    app = create_app(caller, gate(caller), Bounds())
    async with client_of(app, bearer(token())) as client:
        asks = f"{PREFIX}/positions?exchange_account_id=a&symbol="
        assert_failure(await client.get(asks + "B" * LONGEST_URI), 414, "uri_too_long")
        assert_failure(await client.get(asks + "B", headers={"X": "x" * LARGEST_HEAD}), 431, "headers_too_large")
        assert caller.asked == []
        assert (await client.get(asks + "B")).status_code == 200


FROM: dict[str, tuple[str | None, str]] = {
    "nobody is trusted": (None, "127.0.0.1"),
    "another is trusted": ("10.0.0.1", "127.0.0.1"),
    "the proxy is trusted": ("127.0.0.1", "203.0.113.9"),
}


@pytest.mark.parametrize(("proxies", "address"), FROM.values(), ids=FROM)
async def test_an_address_that_a_client_names_counts_only_when_a_trusted_proxy_says_it(
    proxies: str | None, address: str
) -> None:
    caller = InMemoryCaller({"report_denials": DONE})
    denials = Denials(caller)
    async with serving(caller, gate(caller, denials=denials), proxies=proxies) as url:
        async with httpx.AsyncClient(base_url=url, headers={"X-Forwarded-For": "203.0.113.9"}) as client:
            assert (await client.get(f"{PREFIX}/status")).status_code == 401
        await denials.tell(1_000)
    [report] = [json.loads(asked.body) for asked in caller.asked]
    assert [row["address"] for row in report["denials"]] == [address]


ANSWERS: dict[str, tuple[str, int]] = {
    "a success": (f"{PREFIX}/positions?exchange_account_id=a", 200),
    "an error": (f"{PREFIX}/positions", 400),
    "a fault": (f"{PREFIX}/status", 500),
    "no route": ("/nowhere", 404),
    "health": ("/healthz", 200),
    "documents": ("/openapi.json", 200),
    "a page": ("/docs", 200),
    "its files": ("/docs/assets/swagger-ui.css", 200),
}


@pytest.mark.parametrize(("path", "status"), ANSWERS.values(), ids=ANSWERS)
async def test_every_answer_tells_browsers_to_do_no_more_than_they_must(path: str, status: int) -> None:
    caller = InMemoryCaller({"get_positions": DONE})
    async with client_of(create_app(caller, gate(caller), Bounds()), bearer(token())) as client:
        response = await client.get(path)
    assert response.status_code == status
    said = response.headers
    assert (said["x-content-type-options"], said["x-frame-options"]) == ("nosniff", "DENY")
    assert (said["referrer-policy"], said["cache-control"]) == ("no-referrer", "no-store")
    assert "frame-ancestors 'none'" in said["content-security-policy"]
    assert ("default-src 'none'" in said["content-security-policy"]) == (path != "/docs")
    assert "strict-transport-security" not in said
