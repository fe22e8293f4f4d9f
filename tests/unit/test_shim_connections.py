"""Connections are counted: nobody can have them all, and who asks how the shim fares is heard."""

import asyncio
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from tests.support.certificates import Authority
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.processes import free_port
from tests.support.shim_client import gate
from tests.unit.served_shim import port_of, served
from worker.config.settings import Settings
from worker.config.tls import server_context
from worker.shim.app import create_app
from worker.shim.http.connections import SURPLUS, Connection, ConnectionLimits, Connections, connection_limits
from worker.shim.http.limits import Bounds
from worker.shim.http.listener import Listener, listening_sockets
from worker.shim.http.serving import served as served_beside


@dataclass
class Door:
    """Something that can be closed."""

    closed: bool = False

    def abort(self) -> None:
        self.closed = True


class Crowd:
    """Connections without a network."""

    def __init__(self, **limits: Any) -> None:
        self.seconds = 0.0
        self.connections = Connections(ConnectionLimits(**limits), clock=lambda: self.seconds)
        self.doors: dict[Connection, Door] = {}

    def come(self, host: str = "10.0.0.1", *, working: bool = False, held: bool = False) -> Connection:
        door = Door()
        connection = self.connections.admit(host, door)
        self.doors[connection] = door
        if working or held:
            connection.works()
        if held:
            assert connection.hold()
        return connection

    def closed(self) -> list[int]:
        return [index for index, door in enumerate(self.doors.values()) if door.closed]


def test_the_oldest_idle_one_goes_first() -> None:
    crowd = Crowd(most=4)
    first, second, *_ = (crowd.come() for _ in range(4))
    first.works()
    first.rests()
    second.works()
    crowd.come()
    assert crowd.closed() == [2]
    crowd.come()
    crowd.come()
    assert crowd.closed() == [0, 2, 3]
    assert (crowd.connections.count, crowd.connections.dropped["all"]) == (4, 3)


def test_one_with_a_place_never_goes_and_there_is_always_room_for_another() -> None:
    crowd = Crowd(most=10)
    held = [crowd.come(held=True) for _ in range(10)]
    visitors = [crowd.come(working=True) for _ in range(10 * SURPLUS)]
    assert not any(crowd.doors[one].closed for one in held)
    assert not crowd.doors[visitors[-1]].closed
    assert crowd.connections.count <= 10 + SURPLUS
    assert not visitors[-1].hold()
    assert visitors[-1].hold(surplus=1)


def test_who_comes_from_one_address_takes_nothing_from_others() -> None:
    crowd = Crowd(most=100, of_address=5)
    others = [crowd.come(f"10.0.1.{number}") for number in range(20)]
    for _ in range(200):
        crowd.come("10.0.0.1")
    assert not any(crowd.doors[one].closed for one in others)
    assert crowd.connections.count == 25
    assert crowd.connections.dropped == {"all": 0, "address": 195, "descriptors": 0}


def test_one_customer_of_ipv6_has_one_address() -> None:
    crowd = Crowd(most=100, of_address=5)
    for number in range(50):
        crowd.come(f"2001:db8::{number:x}")
    assert crowd.connections.count == 5


@pytest.mark.parametrize("proxies", ["10.0.0.1", "10.0.0.0/8", "*"])
def test_a_trusted_proxy_is_many_clients(proxies: str) -> None:
    crowd = Crowd(most=50, of_address=5, proxies=proxies)
    for _ in range(60):
        crowd.come("10.0.0.1")
    assert crowd.connections.count == 50
    assert crowd.connections.dropped["all"] == 10


def test_what_has_gone_is_counted_no_more_whatever_is_said_of_it() -> None:
    crowd = Crowd(most=2)
    gone = crowd.come()
    gone.ended()
    for late in (gone.works, gone.rests, gone.release, gone.ended):
        late()
    assert not gone.hold()
    assert crowd.connections.count == 0


def test_addresses_that_come_once_are_not_remembered_without_end() -> None:
    crowd = Crowd(most=5)
    for number in range(5_000):
        crowd.come(f"10.1.{number // 250}.{number % 250}")
    assert len(crowd.connections._by_address) < 100


def test_it_is_told_in_one_line_and_again_after_a_minute() -> None:
    crowd = Crowd(most=5)
    with capture_logs() as lines:
        for _ in range(100):
            crowd.come()
        crowd.seconds = 61
        crowd.come()
    assert [(line["log_level"], line["reason"], line["closed"]) for line in lines] == [
        ("warning", "all", 1),
        ("warning", "all", 95),
    ]


DESCRIPTORS: dict[int, int] = {300: 212, 1_024: 936, 100: 26, 30: 1, 1_000_000: 4_096}


@contextmanager
def descriptors(most: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(("limit", "most"), DESCRIPTORS.items())
def test_by_default_there_are_as_many_as_descriptors_allow(
    limit: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert connection_limits(Settings()) == ConnectionLimits(most, max(1, most // 2))


def test_what_is_set_counts_as_far_as_descriptors_allow() -> None:
    assert connection_limits(Settings(http_connections=50, http_connections_of_address=7)).of_address == 7
    assert connection_limits(Settings(http_connections=50)).most == 50
    with capture_logs() as lines, descriptors(300):
        assert connection_limits(Settings(http_connections=5_000)).most == 212
    assert [line["descriptors"] for line in lines] == [300]


PROGRAM = """
import asyncio, resource, sys
from pathlib import Path
import uvloop
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import gate
from worker.config.settings import Settings
from worker.shim.app import create_app
from worker.shim.http.limits import Bounds
from worker.shim.http.connections import Connections, connection_limits
from worker.shim.server import ShimServer, uvicorn_config

port, before, after = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (before, before))

async def main():
    settings, caller = Settings(state=Path("/nonexistent"), port=port), InMemoryCaller()
    connections = Connections(connection_limits(settings))
    resource.setrlimit(resource.RLIMIT_NOFILE, (after, after))
    app = create_app(caller, gate(caller), Bounds())
    await ShimServer(uvicorn_config(app, settings, None), connections).serve()

uvloop.run(main())
"""
LIMITS = {"as many descriptors as were counted on": (300, 300), "fewer than were counted on": (300, 60)}


@pytest.mark.parametrize(("before", "after"), LIMITS.values(), ids=LIMITS)
def test_idle_connections_do_not_silence_it(before: int, after: int, tmp_path: Path) -> None:
    port = free_port()
    log = tmp_path / "log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), str(before), str(after)], stdout=file, stderr=file
        )
    try:
        _until_it_listens(port, process)
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(340)]
        for path, status in (("/healthz", 200), ("/readyz", 503)) * 8:
            assert httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10).status_code == status
        for one in idle:
            one.close()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    lines = log.read_text().splitlines()
    assert len([line for line in lines if "too_many_connections" in line]) == 1
    assert not [line for line in lines if "Traceback" in line]


def _until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except ConnectionRefusedError:
            continue
        return
    raise AssertionError("it ended")


async def test_a_client_that_is_at_work_keeps_its_connection_while_others_come() -> None:
    connections = Connections(ConnectionLimits(most=20, of_address=10))
    app = create_app(caller := InMemoryCaller(), gate(caller), Bounds())
    async with served(app, connections, http_receive_s=20) as server, asyncio.timeout(30):
        idle = [await asyncio.open_connection("127.0.0.1", port_of(server)) for _ in range(100)]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port_of(server)}") as client:
            assert (await client.get("/healthz")).status_code == 200
        ended = await asyncio.gather(*(asyncio.wait_for(reader.read(), 5) for reader, _ in idle[:80]))
        assert ended == [b""] * 80
        assert connections.count <= 10
        for _, writer in idle:
            writer.close()


async def test_one_that_shakes_no_hands_is_counted_too(tmp_path: Path) -> None:
    pair = Authority(tmp_path).issue("shim")
    context = server_context(Settings(state=tmp_path, tls_cert=pair.cert, tls_key=pair.key))
    connections, port = Connections(ConnectionLimits(most=5, of_address=5)), free_port()
    listener = Listener(
        listening_sockets("127.0.0.1", port, "PERPS_DMA_PORT"), connections, lambda _: asyncio.Protocol(), context
    )
    listener.start()
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
    assert await asyncio.wait_for(silent[0][0].read(), 5) == b""
    assert connections.count == 5
    listener.close()
    await listener.wait_closed()
    assert connections.count == 0
    for _, writer in silent:
        writer.close()


async def test_an_answer_that_nobody_fetches_keeps_no_connection() -> None:
    async def much(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1_000):
            await send({"type": "http.response.body", "body": b" " * 65_536, "more_body": True})

    port = free_port()
    sockets = listening_sockets("127.0.0.1", port, "PERPS_DMA_PORT")
    async with served_beside(much, sockets, ConnectionLimits(most=3, of_address=3), 30), asyncio.timeout(20):
        greedy = []
        for _ in range(3 + SURPLUS + 1):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: shim\r\n\r\n")
            await reader.readexactly(1)
            greedy.append((reader, writer))
        with pytest.raises(asyncio.IncompleteReadError):
            await greedy[0][0].readexactly(65_536_000)
        for _, writer in greedy:
            writer.transport.abort()
