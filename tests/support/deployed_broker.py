"""A RabbitMQ as `deploy/rabbitmq` sets it up: its plugins, its settings, its users and their rights."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from schemas.client.trouble import CONNECTION_TROUBLE
from tests.support.processes import free_port
from worker.broker.node_folder import NodeFolder, Ports
from worker.broker.permissions import RIGHTS, VHOST, WORKER_USER
from worker.broker.private_broker import find_server, server_version
from worker.console.definitions import definitions_text
from worker.runtime.child import Child
from worker.runtime.ports import LOOPBACK

DEPLOYED = Path(__file__).parents[2] / "deploy" / "rabbitmq"
IMPORTED = "/etc/rabbitmq/definitions/definitions.json"
PASSWORD = "of-a-test"
START_S = 90


@dataclass(frozen=True, slots=True)
class DeployedBroker:
    """A running node."""

    ports: Ports
    log: Path

    def url(self, user: str) -> str:
        """How one of its users gets in."""
        return f"amqp://{user}:{PASSWORD}@{LOOPBACK}:{self.ports.amqp}/{VHOST}"

    def stream_url(self, user: str) -> str:
        """How one of its users reads streams over their own protocol."""
        return f"rabbitmq-stream://{user}:{PASSWORD}@{LOOPBACK}:{self.ports.stream}/{VHOST}"


@asynccontextmanager
async def deployed_broker(path: Path) -> AsyncIterator[DeployedBroker]:
    """Start one in a folder; all its users have the same password."""
    for user in RIGHTS:
        (path / user).write_text(PASSWORD)
    definitions = path / "definitions.json"
    definitions.write_text(definitions_text(path))
    ports, folder = Ports.free(), NodeFolder(path / "node")
    _own_configuration(folder, ports, definitions)
    environment = folder.environment(ports)
    epmd = ("epmd", "-address", LOOPBACK, "-port", str(ports.epmd))
    mapper = Child("epmd", epmd, environment, folder.output)
    node = Child("rabbitmq", (str(find_server()),), environment, folder.output)
    broker = DeployedBroker(ports, folder.log)

    async def answers() -> bool:
        try:
            return bool(await server_version(broker.url(WORKER_USER)))
        except CONNECTION_TROUBLE:
            return False

    async with AsyncExitStack() as stack:
        for child in (mapper, node):
            await child.start()
            stack.push_async_callback(child.stop, 20)
        await node.until(answers, START_S)
        yield broker


def _own_configuration(folder: NodeFolder, ports: Ports, definitions: Path) -> None:
    """What is deployed, with the ports and files of this node in place of the container's."""
    folder.prepare(ports)
    (folder.path / "advanced.config").unlink()  # the definitions of a private node
    deployed = (DEPLOYED / "rabbitmq.conf").read_text()
    assert IMPORTED in deployed
    own = (
        f"listeners.tcp.1 = {LOOPBACK}:{ports.amqp}",
        f"stream.listeners.tcp.1 = {LOOPBACK}:{ports.stream}",
        f"stream.advertised_host = {LOOPBACK}",
        f"stream.advertised_port = {ports.stream}",
        f"management.tcp.ip = {LOOPBACK}",
        f"management.tcp.port = {free_port()}",
        f"prometheus.tcp.ip = {LOOPBACK}",
        f"prometheus.tcp.port = {free_port()}",
    )
    logged = deployed.replace("log.console = true", "log.console = false").replace("log.file = false", "")
    (folder.path / "rabbitmq.conf").write_text("\n".join((logged.replace(IMPORTED, str(definitions)), *own, "")))
    (folder.path / "enabled_plugins").write_text((DEPLOYED / "enabled_plugins").read_text())
