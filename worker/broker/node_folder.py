"""Where a private RabbitMQ node lives: everything it reads and writes is in one folder, nothing is the system's."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worker.broker.permissions import HASHING, OWN_QUEUES, password_hash
from worker.broker.policies import limits
from worker.runtime.files.log_files import KEPT_LOGS, LARGEST_LOG, make_private
from worker.runtime.files.state_files import kept_secret, write_private
from worker.runtime.ports import LOOPBACK, free_ports

NODE_NAME = "perps-dma@localhost"
"""The same for every folder: a node is known by its epmd, and each folder has an epmd of its own."""

USER = "perps-dma"
VHOST = "/"

# Streams are read over their own protocol as well (rabbitmq_stream); its clients connect to where the node says it is.
# Both 3.10 and 4.x know every key used here. A key that only one of them knows (4.x: deprecated_features.*) would keep
# the other from starting. The largest message is what 4.x has by default.
_CONFIG = """\
listeners.tcp.1 = {address}:{port}
num_acceptors.tcp = 2
stream.listeners.tcp.1 = {address}:{stream}
stream.advertised_host = {address}
stream.advertised_port = {stream}
max_message_size = 16777216
log.file.level = info
log.file.rotation.size = {largest_log}
log.file.rotation.count = {kept_logs}
log.console = false
"""

# For the node and for the short-lived Erlang programs it starts: no epmd but ours, distribution on loopback only, two
# schedulers that sleep instead of spinning.
_ERLANG_FLAGS = (
    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1} "
    "+S 2:2 +SDcpu 1:1 +sbwt none +sbwtdcpu none +sbwtdio none"
)


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of one node."""

    amqp: int
    distribution: int
    epmd: int
    stream: int

    @classmethod
    def free(cls) -> "Ports":
        """Ports that nobody listens on."""
        return cls(*free_ports(4))


class NodeFolder:
    """The files of one private node."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.log = self.path / "log" / "node.log"
        self.output = self.path / "log" / "output.log"
        self.pids = self.path / "pids"
        self.lock = self.path / "lock"
        self._version = self.path / "version"

    def prepare(self, ports: Ports) -> None:
        """Write what the node reads at its start."""
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        make_private(self.log.parent)
        kept_secret(self.path / ".erlang.cookie")
        write_private(self.path / "enabled_plugins", "[rabbitmq_consistent_hash_exchange,rabbitmq_stream].\n")
        places = {"address": LOOPBACK, "port": ports.amqp, "stream": ports.stream}
        config = _CONFIG.format(**places, largest_log=LARGEST_LOG, kept_logs=KEPT_LOGS)
        write_private(self.path / "rabbitmq.conf", config)
        definitions = self.path / "definitions.json"
        write_private(definitions, json.dumps(self._definitions()))
        # As an Erlang term, for rabbitmq.conf would cut a path at "#".
        imported = json.dumps(str(definitions), ensure_ascii=False)
        write_private(self.path / "advanced.config", f"[{{rabbit, [{{load_definitions, {imported}}}]}}].\n")

    def url(self, ports: Ports) -> str:
        """How a client reaches the node. It holds the password."""
        return f"amqp://{USER}:{self._password}@{LOOPBACK}:{ports.amqp}/"

    def stream_url(self, ports: Ports) -> str:
        """How a client of RabbitMQ's stream protocol reaches it. It holds the password."""
        return f"rabbitmq-stream://{USER}:{self._password}@{LOOPBACK}:{ports.stream}/"

    def environment(self, ports: Ports) -> dict[str, str]:
        """The whole environment of the node: it inherits nothing that could point it to another node's files."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "LC_ALL": "C.UTF-8",
            "HOME": str(self.path),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_EPMD_PORT": str(ports.epmd),
            "ERL_FLAGS": _ERLANG_FLAGS,
            "ERL_CRASH_DUMP": str(self.log.with_name("crash.dump")),
            "RABBITMQ_NODENAME": NODE_NAME,
            "RABBITMQ_DIST_PORT": str(ports.distribution),
            "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
            "RABBITMQ_CONF_ENV_FILE": str(self.path / "none-env.conf"),
            "RABBITMQ_CONFIG_FILE": str(self.path / "rabbitmq.conf"),
            "RABBITMQ_CONFIG_FILES": str(self.path / "none.d"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.path / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.path / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.path / "data"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.path / "generated"),
            "RABBITMQ_LOG_BASE": str(self.log.parent),
            "RABBITMQ_LOGS": str(self.log),
            "RABBITMQ_PID_FILE": str(self.path / "rabbitmq.pid"),
            # The start script then becomes the Erlang machine instead of waiting for it, so that its pid is the node's.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def note_version(self, version: str) -> None:
        """Write down which RabbitMQ has the data now."""
        write_private(self._version, f"{version}\n")

    @property
    def written_by(self) -> str | None:
        """The version of RabbitMQ that had the data last; None for a new folder, or one that an older program made."""
        return self._version.read_text().strip() if self._version.exists() else None

    def note_pids(self, *pids: int) -> None:
        """Write down which processes belong to the folder, for whoever comes after a crash."""
        write_private(self.pids, json.dumps(pids))

    def running_pids(self) -> list[int]:
        """Those of the noted processes that still run."""
        noted: list[int] = json.loads(self.pids.read_text()) if self.pids.exists() else []
        return [pid for pid in noted if self.owns(pid)]

    def owns(self, pid: int) -> bool:
        """Whether a running process is one of this folder's.

        A pid alone proves nothing, it may be anybody's by now; the environment it was started with names our data.
        """
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            return False
        return f"RABBITMQ_MNESIA_BASE={self.path / 'data'}".encode() in environment.split(b"\0")

    def _definitions(self) -> dict[str, Any]:
        """One user for everybody, and the same limits as on a broker of several users. Imported at every start."""
        hashed = {"password_hash": password_hash(self._password), "hashing_algorithm": HASHING}
        return {
            "vhosts": [{"name": VHOST}],
            "users": [{"name": USER, **hashed, "tags": ["administrator"]}],
            "permissions": [{"user": USER, "vhost": VHOST, "configure": ".*", "write": ".*", "read": ".*"}],
            **limits(VHOST, OWN_QUEUES),
        }

    @property
    def _password(self) -> str:
        return kept_secret(self.path / "password")
