"""What each user of the broker may do, as definitions that RabbitMQ imports.

A strategy engine may ask, and read its own answers. A risk system may listen. The shim may ask for everything, and how
many consume it; it reads the log of events, and answers by direct reply-to, which takes no right. The worker owns what
carries the traffic, and nothing beside it. What queues may hold stands in `worker.broker.policies`.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from schemas import OPERATIONS
from schemas.operations import COMMANDS_EXCHANGE, CONTROL_EXCHANGE, EVENTS_LOG
from worker.broker.policies import USER_LIMITS, limits
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.amqp.topology import EVENTS_EXCHANGE, OURS
from worker.bus.sharding.shards import LED_EXCHANGE

VHOST = "perps-dma"
"""A virtual host of our own: names of queues mean nothing in another one."""

STRATEGY_USER = "dma-strategy"
RISK_USER = "dma-risk"
WORKER_USER = "dma-worker"

DEFAULT_EXCHANGE = "amq.default"
"""How permissions call the exchange that leads to every queue by its name."""

OWN_QUEUES = r"amq\.gen-.*|amq_[0-9a-f]{32}"
"""Queues that nobody named: the broker's names for them, and those of aio-pika's robust channels."""

ASKED_ABOUT = rf"({'|'.join(OPERATIONS)})(\.[0-9]+-of-[0-9]+)?"
"""The queues of operations and of their shards, exactly. RabbitMQ 4.2.6 and later tells nobody how many consumers a
queue has who has no right to it. To write is the least: who can't read from any exchange can't bind a queue with it,
and by its name one publishes with a right to the default exchange only."""

NOTHING = "^$"
HASHING = "rabbit_password_hashing_sha256"


@dataclass(frozen=True, slots=True)
class Rights:
    """Regular expressions: the names of what a user may create and delete, publish to or bind, and read from."""

    configure: str
    write: str
    read: str


def _only(*patterns: str) -> str:
    return f"^({'|'.join(patterns)})$"


def _exact(name: str) -> str:
    return name.replace(".", r"\.")


RIGHTS: Mapping[str, Rights] = MappingProxyType(
    {
        STRATEGY_USER: Rights(_only(OWN_QUEUES), _only(_exact(COMMANDS_EXCHANGE)), _only(OWN_QUEUES)),
        # To bind a queue takes the right to write to that queue.
        RISK_USER: Rights(
            _only(OWN_QUEUES), _only(OWN_QUEUES), _only(OWN_QUEUES, _exact(EVENTS_EXCHANGE), _exact(EVENTS_LOG))
        ),
        WORKER_USER: Rights(_only(OURS), _only(OURS, _exact(DEFAULT_EXCHANGE)), _only(OURS)),
        SHIM_USER: Rights(
            NOTHING,
            _only(_exact(COMMANDS_EXCHANGE), _exact(CONTROL_EXCHANGE), _exact(LED_EXCHANGE), ASKED_ABOUT),
            _only(_exact(EVENTS_LOG)),
        ),
    }
)
"""The rights of each user, by its name. None can manage the broker."""

CLIENTS = (STRATEGY_USER, RISK_USER)
"""The users of programs that are not ours."""


def password_hash(password: str, salt: bytes | None = None) -> str:
    """A password as RabbitMQ keeps it: a salt of four bytes, and the SHA-256 of the salt and the password."""
    salt = secrets.token_bytes(4) if salt is None else salt
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()


def definitions(passwords: Mapping[str, str]) -> dict[str, Any]:
    """The definitions: virtual host, users, their rights and limits. A user without a password can't log in."""
    return {
        "vhosts": [{"name": VHOST}],
        "users": [
            {
                "name": user,
                "password_hash": password_hash(passwords[user]) if user in passwords else "",
                "hashing_algorithm": HASHING,
                "tags": [],
                **({"limits": dict(USER_LIMITS)} if user in CLIENTS else {}),
            }
            for user in RIGHTS
        ],
        "permissions": [{"user": user, "vhost": VHOST, **asdict(rights)} for user, rights in RIGHTS.items()],
        **limits(VHOST, OWN_QUEUES),
    }
