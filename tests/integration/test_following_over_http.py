"""The events over HTTP, at their edges: who does not read, too many at once, a broker that goes, a shim that stops."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aio_pika
import httpx

from tests.support.shim_client import PREFIX, bearer, gate, token
from tests.support.strategy import Strategy
from tests.unit.served_shim import port_of, served
from worker.bus.rpc import RpcClient
from worker.shim.app import create_app
from worker.shim.http.limits import Bounds
from worker.telemetry.metrics import EVENT_READERS

ENOUGH_S = 30
LARGE = 60_000
"""Events of so many bytes: a thousand of them are more than the sockets on the way hold."""


@asynccontextmanager
async def shim(rpc: RpcClient, amqp_url: str, bounds: Bounds | None = None) -> AsyncIterator[str]:
    """The URL of a shim that serves the events of a broker."""
    async with served(create_app(rpc, gate(rpc), bounds or Bounds(), amqp_url)) as server:
        yield f"http://127.0.0.1:{port_of(server)}{PREFIX}"


async def publish(strategy: Strategy, count: int, size: int = 10) -> None:
    """Events that say nothing, such as a broker may have."""
    exchange = await strategy.channel.get_exchange("dma.events", ensure=False)
    body = json.dumps({"data": {"padding": "x" * size}}).encode()
    for _ in range(count):
        message = aio_pika.Message(body, type="perps-dma.venue.v1")
        await exchange.publish(message, "control.venue.binance")


async def test_who_does_not_read_is_cut_and_others_are_answered_meanwhile(
    rpc: RpcClient, amqp_url: str, strategy: Strategy
) -> None:
    await publish(strategy, 300, LARGE)
    head = f"GET {PREFIX}/events?from=first HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token()}\r\n\r\n"
    async with shim(rpc, amqp_url) as url, asyncio.timeout(ENOUGH_S):
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)) as lazy:
            lazy.sendall(head.encode())
            async with httpx.AsyncClient(headers=bearer(token())) as client:
                await _readers(client, url, 1)
                await _readers(client, url, 0)


async def _readers(client: httpx.AsyncClient, url: str, count: int) -> None:
    """Wait until so many follow the events; other requests are answered all the while."""
    while next(iter(EVENT_READERS.collect())).samples[0].value != count:
        assert (await client.get(f"{url}/capabilities")).status_code == 200


async def test_more_than_may_are_told_to_come_again(rpc: RpcClient, amqp_url: str) -> None:
    async with (
        shim(rpc, amqp_url, Bounds(readers=2)) as url,
        httpx.AsyncClient(headers=bearer(token()), timeout=ENOUGH_S) as client,
        client.stream("GET", f"{url}/events?from=first") as one,
        client.stream("GET", f"{url}/events?from=first") as other,
    ):
        assert [one.status_code, other.status_code] == [200, 200]
        await asyncio.gather(*(anext(answer.aiter_lines()) for answer in (one, other)))
        refused = await client.get(f"{url}/events")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert refused.headers["retry-after"] == "5"


async def test_a_shim_that_stops_ends_its_streams(rpc: RpcClient, amqp_url: str, strategy: Strategy) -> None:
    await publish(strategy, 1)
    async with httpx.AsyncClient(headers=bearer(token()), timeout=ENOUGH_S) as client, asyncio.timeout(ENOUGH_S):
        async with shim(rpc, amqp_url) as url:
            following = client.stream("GET", f"{url}/events?from=first")
            answer = await following.__aenter__()
            lines = answer.aiter_lines()
            await anext(lines)
        with suppress(httpx.TransportError):
            async for _ in lines:
                pass  # what is left; it has an end, or the test's time has
        await following.__aexit__(None, None, None)


async def test_events_that_are_not_about_an_account_reach_limited_tokens_and_the_audits_do_not(
    rpc: RpcClient, amqp_url: str, strategy: Strategy
) -> None:
    exchange = await strategy.channel.get_exchange("dma.events", ensure=False)
    for kind, key in (("freeze", "control.freeze"), ("denial", "control.denial"), ("venue", "control.venue.okx")):
        await exchange.publish(aio_pika.Message(b"{}", type=f"perps-dma.{kind}.v1"), key)
    limited = bearer(token("viewer", accounts=["okx-001"]))
    async with shim(rpc, amqp_url) as url, httpx.AsyncClient(timeout=ENOUGH_S) as client, asyncio.timeout(ENOUGH_S):
        assert await names(client, url, limited, until="venue") >= {"venue"}
        assert not await names(client, url, limited, until="venue") & {"freeze", "denial"}
        assert await names(client, url, bearer(token("viewer")), until="venue") >= {"venue", "freeze", "denial"}
        assert not await names(client, url, bearer(token("trader")), until="venue") & {"freeze", "denial"}


async def names(client: httpx.AsyncClient, url: str, headers: dict[str, str], *, until: str) -> set[str]:
    """The names of the events up to the last one that was published, of a venue named okx."""
    found, name = set[str](), ""
    async with client.stream("GET", f"{url}/events?from=first", headers=headers) as answer:
        async for line in answer.aiter_lines():
            name = line.removeprefix("event: ") if line.startswith("event: ") else name
            found.add(name)
            if (name, line) == (until, "data: {}"):
                return found
    return found
