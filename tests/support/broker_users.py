"""A broker with the users of our definitions, and what each of them gets done there."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError, ChannelAccessRefused
from yarl import URL

from schemas import OPERATIONS
from schemas.operations import EVENTS_LOG
from worker.broker.permissions import VHOST
from worker.broker.private_broker import PrivateBroker, find_server
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.amqp.topology import (
    DEAD_EXCHANGE,
    DEAD_LETTERS,
    EVENTS_EXCHANGE,
    KEPT_EXCHANGE,
    REQUEST_EXCHANGES,
    UNROUTED,
)
from worker.bus.rpc import RpcClient, connect_rpc
from worker.bus.sharding.shards import shard_queue
from worker.console.definitions import definitions_text

SHARDS = 2

QUEUES = (
    *OPERATIONS,
    shard_queue(OPERATIONS["set_leverage"], 1, SHARDS),
    DEAD_LETTERS,
    UNROUTED,
    EVENTS_LOG,
)
EXCHANGES = (
    *REQUEST_EXCHANGES,
    EVENTS_EXCHANGE,
    KEPT_EXCHANGE,
    DEAD_EXCHANGE,
    UNROUTED,
    "set_leverage.shards",
    "amq.topic",
    "",
)


@dataclass(frozen=True, slots=True)
class BrokerWithUsers:
    """A broker with the four users, whose passwords are in a folder, and a worker on it that is one of them."""

    node: PrivateBroker
    passwords: Path
    ledger_url: str

    def url(self, user: str) -> str:
        return url_of(self.node, user, (self.passwords / user).read_text().strip())

    @asynccontextmanager
    async def connected(self, user: str) -> AsyncIterator[AbstractConnection]:
        async with await aio_pika.connect(self.url(user)) as connection:
            yield connection

    @asynccontextmanager
    async def rpc(self) -> AsyncIterator[RpcClient]:
        async with connect_rpc(self.url(SHIM_USER), "tests", SHARDS) as client:
            yield client

    async def set_passwords(self, *users: str) -> None:
        """Give users new passwords, and import the definitions with those of all."""
        for user in users:
            (self.passwords / user).write_text(f"{secrets.token_urlsafe(24)}\n")
        imported = self.passwords / "definitions.json"
        imported.write_text(definitions_text(self.passwords))
        await rabbitmqctl(self.node, "import_definitions", str(imported))


async def rabbitmqctl(broker: PrivateBroker, *argv: str) -> str:
    """Run `rabbitmqctl` on the node; what it says."""
    process = await asyncio.create_subprocess_exec(
        *(str(find_server().with_name("rabbitmqctl")), "--quiet", *argv),
        env=broker.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


def url_of(broker: PrivateBroker, user: str, password: str) -> str:
    return str(URL(broker.url).with_user(user).with_password(password).with_path(f"/{VHOST}"))


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that nobody tells us of."""
    async with asyncio.timeout(20):
        while not await holds():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


async def refused(channel: AbstractChannel, exchange: str, key: str, **properties: Any) -> bool:
    """Whether the broker refuses a message; it is one that nobody carries out if it does not."""
    try:
        target = channel.default_exchange if not exchange else await channel.get_exchange(exchange, ensure=False)
        await target.publish(aio_pika.Message(b'{"type": "noise", "data": {}}', **properties), key, mandatory=False)
    except ChannelAccessRefused:
        return True
    return False


async def writable(place: BrokerWithUsers, user: str) -> set[str]:
    """The exchanges that a user can publish to. Each refusal costs the channel."""
    async with place.connected(user) as connection:
        found = set()
        for exchange in EXCHANGES:
            if not await refused(await connection.channel(), exchange, "nobody"):
                found.add(exchange)
        return found


async def readable(place: BrokerWithUsers, user: str) -> set[str]:
    """The queues that a user can consume from, looked at one after another and given back."""
    found = set()
    for queue in QUEUES:
        async with place.connected(user) as connection:
            channel = await connection.channel()
            await channel.set_qos(1)
            try:
                taken = await channel.get_queue(queue, ensure=False)
                await taken.consume(asyncio.Queue[Any]().put)
            except ChannelAccessRefused:
                continue
            found.add(queue)
    return found


async def bindable(place: BrokerWithUsers, user: str) -> set[str]:
    """The exchanges whose messages a user can have brought to a queue of its own."""
    async with place.connected(user) as connection:
        found = set()
        for exchange in EXCHANGES:
            if not exchange:
                continue
            channel = await connection.channel()
            try:
                queue = await channel.declare_queue(exclusive=True)
                await queue.bind(exchange, "#")
            except ChannelAccessRefused:
                continue
            found.add(exchange)
        return found


async def spoils(place: BrokerWithUsers, user: str) -> list[str]:
    """What a user can empty or delete that is not its own."""
    done = []
    for queue in QUEUES:
        for spoil in ("queue_purge", "queue_delete"):
            async with place.connected(user) as connection:  # to empty a stream ends the connection
                channel = await (await connection.channel()).get_underlay_channel()
                try:
                    await getattr(channel, spoil)(queue)
                except AMQPError:
                    continue
                done.append(f"{spoil} {queue}")
    return done


async def creates(place: BrokerWithUsers, user: str) -> list[str]:
    """Which of some names a user can create a queue or an exchange under."""
    done = []
    async with place.connected(user) as connection:
        for name in ("mine", "dma.mine", "set_leverage.mine", "amq.gen-mine"):
            for kind in ("queue", "exchange"):
                channel = await connection.channel()
                try:
                    if kind == "queue":
                        await channel.declare_queue(name, auto_delete=True)
                    else:
                        await channel.declare_exchange(name, auto_delete=True)
                except ChannelAccessRefused:
                    continue
                done.append(f"{kind} {name}")
    return done
