"""A RabbitMQ node of our own, made from the machine's `rabbitmq-server`, and the choice of the broker that serves."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from time import monotonic
from typing import Self

import aiormq
from pydantic import AmqpDsn

from schemas.client.trouble import CONNECTION_TROUBLE
from worker.broker.node_folder import NodeFolder, Ports
from worker.bus.amqp.connection import version_of
from worker.config.settings import Settings
from worker.config.tls import secured
from worker.runtime.child import POLL_S, Child, ChildFailed, tail
from worker.runtime.errors import OperatorError
from worker.runtime.files.state_files import hold_lock
from worker.runtime.ports import LOOPBACK

START_S = 90
"""Longest start: about 5 s on a free machine, much more where many share it."""

STOP_S = 20
PROBE_S = 5

INSTALLED_AT = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server"))
"""The start script itself, in Debian's package and in the official image. The one that Debian puts on the PATH changes
the user and writes to the system's folders."""


FOREIGN_DATA = (b"failed_to_initialize_feature_flags_registry", b"schema_integrity_check_failed")
"""What a node dies of whose data another version of RabbitMQ has written, and that can't go on from there."""


class BrokerUnavailable(OperatorError):
    """No RabbitMQ can be had; the message says what to do."""


def find_server() -> Path:
    """The machine's `rabbitmq-server`, from RABBITMQ_HOME, the usual places or the PATH. Raises BrokerUnavailable."""
    candidates = list(INSTALLED_AT)
    if home := os.environ.get("RABBITMQ_HOME"):
        candidates.insert(0, Path(home) / "sbin" / "rabbitmq-server")
    if on_path := shutil.which("rabbitmq-server"):
        candidates.append(Path(on_path))
    for script in candidates:
        if os.access(script, os.X_OK):
            return script
    raise BrokerUnavailable(
        "no RabbitMQ: this machine has no rabbitmq-server. Install it with deploy/install-rabbitmq.sh (as root), or "
        "set PERPS_DMA_AMQP_URL to a RabbitMQ of yours"
    )


def _series(version: str) -> tuple[int, ...]:
    """Major and minor number: within one such series RabbitMQ reads what it has written."""
    return tuple(int(part) for part in version.split(".")[:2] if part.isdigit())


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except ConnectionError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def server_version(url: str) -> str:
    """Log in over AMQP and read the server's version. Raises one of CONNECTION_TROUBLE."""
    async with asyncio.timeout(PROBE_S):
        connection = await aiormq.connect(url)
        version = version_of(connection)
        await connection.close()
    return version


class PrivateBroker:
    """One node on loopback, with all its files under `state / "rabbitmq"`. It ends with this process at the latest.

    Making one raises BrokerUnavailable where the machine has no RabbitMQ; nothing is started or written before `start`.
    """

    def __init__(self, state: Path) -> None:
        self.version = ""
        self._folder = NodeFolder(state / "rabbitmq")
        self._ports = Ports.free()
        environment = self._folder.environment(self._ports)
        epmd = ("epmd", "-address", LOOPBACK, "-port", str(self._ports.epmd))
        self._epmd = Child("epmd", epmd, environment, self._folder.output)
        self._node = Child("rabbitmq", (str(find_server()),), environment, self._folder.output)
        self._lock: TextIOWrapper | None = None

    @property
    def log(self) -> Path:
        """The node's log."""
        return self._folder.log

    @property
    def pid(self) -> int:
        """The process id of the node."""
        return self._node.pid

    @property
    def running(self) -> bool:
        """Whether the node runs; it may be frozen."""
        return self._node.running

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which RabbitMQ's own programs, such as rabbitmqctl, find the node."""
        return self._folder.environment(self._ports)

    @property
    def url(self) -> str:
        """Where it listens, with user and password."""
        return self._folder.url(self._ports)

    @property
    def stream_url(self) -> str:
        """Where it listens for clients of the stream protocol, with user and password."""
        return self._folder.stream_url(self._ports)

    @property
    def address(self) -> str:
        """Where it listens, without user and password."""
        return f"{LOOPBACK}:{self._ports.amqp}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> str:
        """Start a node; it is ready when this returns its URL. Raises BrokerUnavailable."""
        self._lock = hold_lock(self._folder.lock)
        if self._lock is None:
            raise BrokerUnavailable(f"another process runs the private RabbitMQ of {self._folder.path}; stop it first")
        try:
            await self._end_stale()
            self._folder.prepare(self._ports)
            await self._start_epmd()
            await self._require_own_data()
            await self._start_node()
            self._folder.note_version(self.version)
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """End it in order, so that it writes everything down. Does nothing if it was not started."""
        self.resume()
        await self._node.stop(STOP_S)
        await self._epmd.stop(STOP_S)
        if self._lock is not None:
            self._folder.pids.unlink(missing_ok=True)
            self._lock.close()
            self._lock = None

    async def restart(self) -> None:
        """Start the node again on the same ports and data, after `kill` or after it died. Raises BrokerUnavailable."""
        await self._node.stop(STOP_S)
        await self._start_node()

    async def ended(self) -> str:
        """Wait until the node ends, for whatever reason; says how it ended."""
        return await self._node.ended()

    async def kill(self) -> None:
        """End the node as a crash would."""
        await self._node.kill()

    def pause(self) -> None:
        """Freeze the node: its sockets stay open and nothing answers."""
        self._node.send_group(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen node go on."""
        if self._node.running:
            self._node.send_group(signal.SIGCONT)

    async def _start_epmd(self) -> None:
        try:
            await self._epmd.start()
            await self._epmd.until(self._epmd_answers, PROBE_S)
        except FileNotFoundError as error:
            raise BrokerUnavailable("RabbitMQ's Erlang is not complete: there is no epmd on the PATH") from error
        except ChildFailed as failure:
            raise BrokerUnavailable(str(failure)) from failure

    async def _start_node(self) -> None:
        began = self._folder.output.stat().st_size if self._folder.output.exists() else 0
        try:
            await self._node.start()
            self._folder.note_pids(self._node.pid, self._epmd.pid)
            await self._node.until(self._node_answers, START_S)
        except ChildFailed as failure:
            if advice := await self._of_foreign_data(began):
                raise BrokerUnavailable(advice) from failure
            raise BrokerUnavailable(f"{failure}\n  and of {self.log}:\n{tail(self.log)}") from failure

    async def _require_own_data(self) -> None:
        """An older RabbitMQ passes over what a newer one has written, begins with nothing, and spoils it."""
        if (before := self._folder.written_by) and _series(before) > _series(here := await self._installed()):
            raise BrokerUnavailable(self._foreign(before, here))

    async def _of_foreign_data(self, began: int) -> str | None:
        """What to do where the node did not start because another version of RabbitMQ has written its data."""
        said, before = self._folder.output.read_bytes()[began:], self._folder.written_by
        if before and _series(before) != _series(here := await self._installed()):
            return self._foreign(before, here)
        died_of_it = any(sign in said for sign in FOREIGN_DATA)
        return self._foreign("another version", await self._installed()) if died_of_it else None

    def _foreign(self, before: str, here: str) -> str:
        return (
            f"the RabbitMQ here is {here}, and the data in {self._folder.path} was written by {before}, from which it "
            "can't go on: start that version and let the queues run empty, then remove the folder; or remove it at once"
        )

    async def _installed(self) -> str:
        """The version of the machine's RabbitMQ."""
        process = await asyncio.create_subprocess_exec(
            *(str(find_server().with_name("rabbitmqctl")), "version"),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        said, _ = await process.communicate()
        return said.decode().strip()

    async def _epmd_answers(self) -> bool:
        return await _listens(self._ports.epmd)

    async def _node_answers(self) -> bool:
        if not await _listens(self._ports.amqp):
            return False
        try:
            self.version = await server_version(self.url)
        except CONNECTION_TROUBLE:
            return False
        return True

    async def _end_stale(self) -> None:
        # We hold the lock, so whoever started these is gone.
        async with asyncio.timeout(STOP_S):
            while stale := self._folder.running_pids():
                for pid in stale:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                await asyncio.sleep(POLL_S)


@dataclass(frozen=True, slots=True)
class Broker:
    """The broker that serves: its URL (with password), one line that says which it is, and the node if it is ours."""

    url: str
    description: str
    node: PrivateBroker | None = None


@asynccontextmanager
async def find_broker(settings: Settings) -> AsyncIterator[Broker]:
    """PERPS_DMA_AMQP_URL if it is set, else a private node that lives as long as the context.

    Raises BrokerUnavailable, with what to do, when there is neither; CertificateProblem.
    """
    if settings.amqp_url is not None:
        yield await _broker_at(settings.amqp_url, secured(str(settings.amqp_url), settings))
        return
    began = monotonic()
    async with PrivateBroker(settings.state) as node:
        took = monotonic() - began
        yield Broker(node.url, f"private node {node.version} on {node.address} ({took:.1f} s)", node)


async def _broker_at(named: AmqpDsn, url: str) -> Broker:
    address = f"{named.host}:{named.port}"
    try:
        version = await server_version(url)
    except CONNECTION_TROUBLE as error:
        raise BrokerUnavailable(
            f"PERPS_DMA_AMQP_URL: no RabbitMQ lets us in at {address} ({error or type(error).__name__}). Start it, "
            "correct the URL, or unset it to get a private node"
        ) from error
    return Broker(url, f"{version} at {address}, from PERPS_DMA_AMQP_URL")
