"""The broker as `deploy/rabbitmq` sets it up, at work: it starts, imports, serves, and finds nothing to complain of."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import pytest

from schemas import OPERATIONS
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.processes import free_port
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.node_folder import LOOPBACK, NodeFolder, Ports
from worker.broker.permissions import RIGHTS, VHOST, WORKER_USER
from worker.broker.private_broker import find_server, server_version
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.amqp.connection import CONNECTION_TROUBLE
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.console.definitions import definitions_text
from worker.runtime.child import Child
from worker.runtime.clock import now

DEPLOYED = Path(__file__).parents[2] / "deploy" / "rabbitmq"
IMPORTED = "/etc/rabbitmq/definitions/definitions.json"
PASSWORD = "of-a-test"
START_S = 90


def own_configuration(folder: NodeFolder, ports: Ports, definitions: Path) -> None:
    """What is deployed, with the ports and files of this node in place of the container's."""
    folder.prepare(ports)
    (folder.path / "advanced.config").unlink()  # the definitions of a private node
    deployed = (DEPLOYED / "rabbitmq.conf").read_text()
    assert IMPORTED in deployed
    listeners = {"listeners.tcp.1": ports.amqp, "management.tcp.port": free_port(), "prometheus.tcp.port": free_port()}
    addresses = {"management.tcp.ip": LOOPBACK, "prometheus.tcp.ip": LOOPBACK}
    own = [f"{key} = {LOOPBACK + ':' if 'listeners' in key else ''}{value}" for key, value in listeners.items()]
    own += [f"{key} = {value}" for key, value in addresses.items()]
    logged = deployed.replace("log.console = true", "log.console = false").replace("log.file = false", "")
    (folder.path / "rabbitmq.conf").write_text("\n".join((logged.replace(IMPORTED, str(definitions)), *own, "")))
    (folder.path / "enabled_plugins").write_text((DEPLOYED / "enabled_plugins").read_text())


@pytest.fixture
async def deployed(tmp_path: Path) -> AsyncIterator[tuple[Ports, NodeFolder]]:
    """A running node."""
    for user in RIGHTS:
        (tmp_path / user).write_text(PASSWORD)
    definitions = tmp_path / "definitions.json"
    definitions.write_text(definitions_text(tmp_path))
    ports, folder = Ports.free(), NodeFolder(tmp_path / "node")
    own_configuration(folder, ports, definitions)
    environment = folder.environment(ports)
    epmd = ("epmd", "-address", LOOPBACK, "-port", str(ports.epmd))
    mapper = Child("epmd", epmd, environment, folder.output)
    node = Child("rabbitmq", (str(find_server()),), environment, folder.output)

    async def answers() -> bool:
        try:
            return bool(await server_version(url(ports, WORKER_USER)))
        except CONNECTION_TROUBLE:
            return False

    async with AsyncExitStack() as stack:
        for child in (mapper, node):
            await child.start()
            stack.push_async_callback(child.stop, 20)
        await node.until(answers, START_S)
        yield ports, folder


def url(ports: Ports, user: str) -> str:
    return f"amqp://{user}:{PASSWORD}@{LOOPBACK}:{ports.amqp}/{VHOST}"


async def test_it_serves_and_notes_nothing_deprecated_and_no_error(
    deployed: tuple[Ports, NodeFolder], tmp_path: Path
) -> None:
    ports, folder = deployed
    settings = Settings(
        amqp_url=url(ports, WORKER_USER), state=tmp_path, shards=2, query_queues="quorum", snapshot_interval_ms=0
    )
    body = json.dumps({"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}).encode()
    async with (
        running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()),
        connect_rpc(url(ports, SHIM_USER), "tests", 2) as rpc,
    ):
        async with asyncio.timeout(30):
            while not min((await rpc.consumers()).values()):
                pass
        told = await rpc.call(OPERATIONS["set_leverage"], body, command_id=str(uuid4()), deadline=now() + 20_000)
    assert told.status == 200
    logged = folder.log.read_text().splitlines()
    assert [line for line in logged if "Server startup complete" in line]
    assert [line for line in logged if "[error]" in line or "deprecated" in line.lower()] == []
