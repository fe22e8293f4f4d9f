"""A cluster of three brokers on this machine, one address in front that leads to those that live."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiormq

from schemas.client.trouble import CONNECTION_TROUBLE
from tests.support.processes import free_port
from worker.broker.node_folder import USER, NodeFolder, Ports
from worker.broker.private_broker import find_server, server_version
from worker.runtime.child import Child
from worker.runtime.files.state_files import write_private
from worker.runtime.ports import LOOPBACK

SIZE = 3
START_S = 120
SECRET = "perps-dma-cluster-of-tests"
ASK_S = 60


@dataclass(slots=True)
class Member:
    """One of the brokers."""

    name: str
    ports: Ports
    environment: dict[str, str]
    process: Child

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{SECRET}@{LOOPBACK}:{self.ports.amqp}/"

    async def start(self) -> None:
        """Start it; it is there when clients can log in."""
        await self.process.start()
        await self.process.until(self._answers, START_S)

    async def end(self, how: signal.Signals) -> None:
        """End it, by a signal to all of it."""
        self.process.send_group(how)
        await self.process.ended()

    async def _answers(self) -> bool:
        with suppress(*CONNECTION_TROUBLE, aiormq.exceptions.AMQPError):
            return bool(await server_version(self.url))
        return False

    async def agrees(self, program: str, *argv: str) -> bool:
        """Whether one of RabbitMQ's programs, asked about this member, says yes."""
        process = await asyncio.create_subprocess_exec(
            *(str(find_server().with_name(program)), "--quiet", *argv),
            env=self.environment,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        return await process.wait() == 0


@dataclass(slots=True)
class Cluster:
    """Its members, and the address in front of them."""

    members: list[Member]
    port: int = 0
    _turn: int = field(default=0, init=False)

    @property
    def url(self) -> str:
        return f"amqp://{USER}:{SECRET}@{LOOPBACK}:{self.port}/"

    async def may_lose(self, member: Member) -> None:
        """Wait until all are there again, and no queue would lose its majority with this one."""
        async with asyncio.timeout(START_S):
            while not await member.agrees("rabbitmqctl", "await_online_nodes", str(SIZE)):
                pass
            while not await member.agrees("rabbitmq-diagnostics", "check_if_node_is_quorum_critical"):
                pass

    async def lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Connect a client to the next member that lives."""
        for _ in self.members:
            self._turn += 1
            port = self.members[self._turn % SIZE].ports.amqp
            with suppress(OSError):
                upstream, downstream = await asyncio.open_connection(LOOPBACK, port)
                await asyncio.gather(_copy(reader, downstream), _copy(upstream, writer))
                return
        writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65_536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


def _member(folder: Path, number: int, epmd: int) -> Member:
    ports = Ports(free_port(), free_port(), epmd, free_port())  # nobody else gets them while the node is down
    node, name = NodeFolder(folder / f"n{number}"), f"n{number}@localhost"
    node.path.mkdir(parents=True)
    for secret in (".erlang.cookie", "password"):
        write_private(node.path / secret, SECRET)
    node.prepare(ports)
    peers = (f"cluster_formation.classic_config.nodes.{n} = n{n}@localhost" for n in range(1, SIZE + 1))
    backend = "cluster_formation.peer_discovery_backend = classic_config"
    with (node.path / "rabbitmq.conf").open("a") as config:
        config.write("\n".join((backend, "cluster_partition_handling = pause_minority", *peers, "")))
    environment = node.environment(ports) | {"RABBITMQ_NODENAME": name}
    return Member(name, ports, environment, Child(name, (str(find_server()),), environment, node.output))


@asynccontextmanager
async def clustered(folder: Path) -> AsyncIterator[Cluster]:
    """Three brokers that know each other, until the end of the context."""
    epmd = free_port()
    members = [_member(folder, number, epmd) for number in range(1, SIZE + 1)]
    argv = ("epmd", "-address", LOOPBACK, "-port", str(epmd))
    mapper = Child("epmd", argv, {"PATH": os.environ["PATH"], "ERL_EPMD_ADDRESS": LOOPBACK}, folder / "epmd.log")
    async with AsyncExitStack() as stack:
        await mapper.start()
        stack.push_async_callback(mapper.stop, 10)
        for member in members:
            stack.push_async_callback(member.process.stop, 20)
        # RabbitMQ 4 waits, at its first start, for the others that it is to form a cluster with.
        await asyncio.gather(*(member.start() for member in members))
        cluster = Cluster(members)
        server = await asyncio.start_server(cluster.lead, LOOPBACK, 0)
        cluster.port = server.sockets[0].getsockname()[1]
        stack.callback(server.close)
        await cluster.may_lose(members[0])
        yield cluster
