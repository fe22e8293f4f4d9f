"""TLS to a real RabbitMQ, each side showing its certificate, and TLS of the shim over real sockets."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from structlog.testing import capture_logs

from schemas import OPERATIONS
from schemas.client.trouble import CONNECTION_TROUBLE
from tests.support.certificates import Authority, Pair
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from tests.support.processes import free_port
from tests.support.shim_client import BOUNDS, gate
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.private_broker import BrokerUnavailable, PrivateBroker, find_broker
from worker.bus.amqp.connection import connected
from worker.bus.rpc import connect_rpc
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.config.tls import CertificateProblem, local_client_context, server_context
from worker.runtime.clock import now
from worker.shim.app import create_app
from worker.shim.http.certificates import Renewal
from worker.shim.http.connections import ConnectionLimits, Connections
from worker.shim.server import ShimServer, uvicorn_config


@dataclass(frozen=True, slots=True)
class Guarded:
    """A broker that speaks TLS and asks for a certificate, and who vouches for whom."""

    url: str
    ca: Path
    client: Pair
    folder: Path

    def settings(self, **more: Any) -> Settings:
        """The settings of one whom it lets in, with changes."""
        named = {"amqp_url": self.url, "amqp_ca": self.ca, "amqp_cert": self.client.cert, "amqp_key": self.client.key}
        return Settings(state=self.folder, snapshot_interval_ms=0, **{**named, **more})


@pytest.fixture(scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A private node with a TLS listener."""
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    authority = Authority(folder)
    server, client = authority.issue("broker"), authority.issue("client")
    more = folder / "rabbitmq" / "none.d"
    more.mkdir(parents=True)
    (more / "tls.conf").write_text(
        f"listeners.ssl.1 = 127.0.0.1:{port}\n"
        f"ssl_options.cacertfile = {authority.cert}\n"
        f"ssl_options.certfile = {server.cert}\n"
        f"ssl_options.keyfile = {server.key}\n"
        "ssl_options.verify = verify_peer\n"
        "ssl_options.fail_if_no_peer_cert = true\n"
    )
    async with PrivateBroker(folder) as node:
        login = urlsplit(node.url).netloc.rpartition("@")[0]
        yield Guarded(f"amqps://{login}@127.0.0.1:{port}/", authority.cert, client, folder)


async def test_worker_and_shim_talk_over_tls(guarded: Guarded) -> None:
    settings = guarded.settings()
    async with (
        running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()),
        connect_rpc(amqp_url(settings), "tests") as client,
    ):
        deadline = now() + 20_000
        answer = await client.call(OPERATIONS["get_status"], b"{}", command_id="1", deadline=deadline)
    assert answer.status == 200
    async with find_broker(settings) as found:
        assert "from PERPS_DMA_AMQP_URL" in found.description


async def refused(guarded: Guarded, **more: Any) -> str:
    """Why there is no connection."""
    with pytest.raises(CONNECTION_TROUBLE) as error:
        async with connected(amqp_url(guarded.settings(**more)), "tests"):
            pass
    return str(error.value)


async def test_a_broker_that_another_authority_vouches_for_is_not_trusted(guarded: Guarded) -> None:
    stranger = Authority(guarded.folder, "stranger")
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(guarded, amqp_ca=stranger.cert)
    assert "CERTIFICATE_VERIFY_FAILED" in await refused(guarded, amqp_ca=None)
    with pytest.raises(BrokerUnavailable, match="no RabbitMQ lets us in at"):
        async with find_broker(guarded.settings(amqp_ca=stranger.cert)):
            pass


async def test_a_broker_with_the_certificate_of_another_host_is_not_trusted(guarded: Guarded) -> None:
    elsewhere = guarded.url.replace("127.0.0.1", "localhost")
    assert "Hostname mismatch" in await refused(guarded, amqp_url=elsewhere)


async def test_a_broker_that_asks_for_a_certificate_lets_nobody_in_without_or_with_a_strangers(
    guarded: Guarded,
) -> None:
    await refused(guarded, amqp_cert=None, amqp_key=None)
    stranger = Authority(guarded.folder, "another").issue("intruder")
    await refused(guarded, amqp_cert=stranger.cert, amqp_key=stranger.key)


def pair_of(folder: Path, name: str) -> Pair:
    return Authority(folder, f"authority-{name}").issue(name)


async def test_what_is_wrong_with_the_brokers_files_is_said_at_the_start(tmp_path: Path) -> None:
    one, other = pair_of(tmp_path, "one"), pair_of(tmp_path, "other")
    text = tmp_path / "text.pem"
    text.write_text("no certificate")
    amqps = "amqps://127.0.0.1/"
    wrong: dict[str, tuple[dict[str, Any], str]] = {
        "a CA that is not there": (
            {"amqp_url": amqps, "amqp_ca": tmp_path / "none"},
            "AMQP_CA: .* can't be read: No such",
        ),
        "a CA that is none": ({"amqp_url": amqps, "amqp_ca": text}, "AMQP_CA: .* holds no certificate"),
        "a certificate without key": ({"amqp_url": amqps, "amqp_cert": one.cert}, "AMQP_KEY belong together"),
        "the key of another": (
            {"amqp_url": amqps, "amqp_cert": one.cert, "amqp_key": other.key},
            "AMQP_KEY: .* is not the key of the certificate",
        ),
        "files without TLS": ({"amqp_url": "amqp://127.0.0.1/", "amqp_ca": one.cert}, "need an amqps:// URL"),
        "a broker that nobody checks": ({"amqp_url": f"{amqps}?no_verify_ssl=1"}, "trust whoever answers"),
    }
    for named, problem in wrong.values():
        with pytest.raises(CertificateProblem, match=problem):
            amqp_url(Settings(state=tmp_path, **named))


async def test_what_is_wrong_with_the_shims_files_is_said_at_the_start(tmp_path: Path) -> None:
    one, other = pair_of(tmp_path, "one"), pair_of(tmp_path, "other")
    wrong: dict[str, tuple[Path | None, Path | None]] = {
        "PERPS_DMA_TLS_CERT and PERPS_DMA_TLS_KEY belong together": (one.cert, None),
        "PERPS_DMA_TLS_KEY: .* is not the key of the certificate in": (one.cert, other.key),
        "PERPS_DMA_TLS_CERT: .* can't be read: No such file": (tmp_path / "none", one.key),
        "must hold a certificate in PEM": (one.key, one.key),
    }
    for problem, (cert, key) in wrong.items():
        with pytest.raises(CertificateProblem, match=problem):
            server_context(Settings(state=tmp_path, tls_cert=cert, tls_key=key))


@asynccontextmanager
async def https(settings: Settings, context: ssl.SSLContext) -> AsyncIterator[str]:
    caller = InMemoryCaller()
    app = create_app(caller, gate(caller), BOUNDS)
    server = ShimServer(uvicorn_config(app, settings, context), Connections(ConnectionLimits()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await running


async def asks(url: str, verify: ssl.SSLContext | bool) -> httpx.Response:
    async with httpx.AsyncClient(base_url=url, verify=verify, timeout=20) as client:
        return await client.get("/healthz")


async def test_the_shim_serves_https_and_takes_a_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    before, after = Authority(tmp_path, "before"), Authority(tmp_path, "after")
    pair = before.issue("shim")
    settings = Settings(state=tmp_path, tls_cert=pair.cert, tls_key=pair.key)
    context = server_context(settings)
    assert context is not None
    renewal = Renewal(context, settings)
    async with https(settings, context) as url:
        trusts_before, trusts_after = (ssl.create_default_context(cafile=one.cert) for one in (before, after))
        response = await asks(url, trusts_before)
        assert response.headers["strict-transport-security"].startswith("max-age=")
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await asks(url, trusts_after)
        pair.cert.write_text("half a")
        with capture_logs() as lines:
            renewal.look()
            renewal.look()
        assert [line["log_level"] for line in lines] == ["error"]
        assert (await asks(url, trusts_before)).status_code == 200
        after.issue("shim")
        renewal.look()
        assert (await asks(url, trusts_after)).status_code == 200
        assert (await asks(url, local_client_context(settings))).status_code == 200
        with pytest.raises(httpx.ConnectError):
            await asks(url, trusts_before)
