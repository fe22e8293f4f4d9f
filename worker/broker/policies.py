"""What queues may hold, and how many there may be, as definitions that RabbitMQ imports: nobody fills its disk.

    clients' queues   the oldest goes first; one that nobody reads ends. Events can be read again from `dma.events.log`
    requests          a queue that is full refuses, and the publisher is told (a negative confirm); nothing is dropped
    dead letters      the same: a worker that can't bury a message gives it back, and it waits in its queue

Operator policies, which no client can widen: of a client's own argument and the policy the smaller one counts. They
know no `overflow`, nor what bounds a stream, so an ordinary policy says these; for streams it counts before arguments.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from schemas import OPERATIONS
from schemas.base import Milliseconds
from schemas.operations import COMMANDS
from worker.bus.amqp.topology import DEAD_LETTERS, UNROUTED

MiB = 1024 * 1024
MOST_QUEUES = 512
"""Queues of the virtual host, ours included, of which 64 shards have 256."""

USER_LIMITS: Mapping[str, int] = {"max-connections": 200, "max-channels": 2_000}
"""What each user of a client may have open at once."""

LONGEST_UNREAD_MS: Milliseconds = 3_600_000
CLIENT_BYTES = 64 * MiB
SEGMENT_BYTES = 16 * MiB
"""A stream gives its oldest messages away by whole segments."""


@dataclass(frozen=True, slots=True)
class _Policy:
    """Limits for queues by their names. Each applies only to kinds of queues that know all its keys."""

    name: str
    queues: str
    definition: Mapping[str, int | str]
    priority: int = 0
    for_operator: bool = True

    def row(self, vhost: str) -> dict[str, Any]:
        """The policy as RabbitMQ imports it: one for operators is a parameter."""
        matching = {"pattern": f"^({self.queues})$", "apply-to": "queues", "priority": self.priority}
        content = {**matching, "definition": dict(self.definition)}
        if not self.for_operator:
            return {"vhost": vhost, "name": self.name, **content}
        return {"vhost": vhost, "component": "operator_policy", "name": self.name, "value": content}


def _names(*names: str) -> str:
    return "|".join(name.replace(".", r"\.") for name in names)


def _policies(client_queues: str) -> Iterator[_Policy]:
    commands = rf"({_names(*(row.name for row in COMMANDS))})(\..+)?|{_names(UNROUTED)}"
    queries = _names(*(row.name for row in OPERATIONS.values() if not row.is_command))
    client = {"max-length": 100_000, "max-length-bytes": CLIENT_BYTES}
    ends = {"message-ttl": LONGEST_UNREAD_MS, "expires": LONGEST_UNREAD_MS}
    yield _Policy("dma-clients", client_queues, {**client, **ends}, priority=1)
    stream: Mapping[str, int | str] = {
        "max-length-bytes": CLIENT_BYTES,
        "stream-max-segment-size-bytes": SEGMENT_BYTES,
        "max-age": "1h",
    }
    yield _Policy("dma-client-streams", client_queues, stream, for_operator=False)
    yield _Policy("dma-commands", commands, {"max-length": 100_000, "max-length-bytes": 256 * MiB})
    yield _Policy("dma-queries", queries, {"max-length": 10_000, "max-length-bytes": 64 * MiB})
    yield _Policy("dma-dead-letters", _names(DEAD_LETTERS), {"max-length": 500_000, "max-length-bytes": 1024 * MiB})
    refusing = f"{queries}|{_names(DEAD_LETTERS)}"
    yield _Policy("dma-refusing", refusing, {"overflow": "reject-publish"}, for_operator=False)


def limits(vhost: str, client_queues: str) -> dict[str, Any]:
    """The limits of a virtual host. `client_queues` matches the names of queues that are not ours."""
    policies = tuple(_policies(client_queues))
    most = {"vhost": vhost, "component": "vhost-limits", "name": "limits", "value": {"max-queues": MOST_QUEUES}}
    return {
        "parameters": [most, *(policy.row(vhost) for policy in policies if policy.for_operator)],
        "policies": [policy.row(vhost) for policy in policies if not policy.for_operator],
    }
