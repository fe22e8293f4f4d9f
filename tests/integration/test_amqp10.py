"""A strategy engine that speaks AMQP 1.0. RabbitMQ 4 does; on RabbitMQ 3 a plugin, whose messages are refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest

from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.strategy import Body
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.private_broker import PrivateBroker, find_server
from worker.config.settings import Settings
from worker.runtime.clock import now

CLIENT = Path(__file__).parents[1] / "support" / "amqp10_strategy.py"
PYTHON = "/usr/bin/python3"
"""Debian's, with Debian's python3-qpid-proton; `make amqp10` installs it."""

TO_10X: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}
REPLIES = "replies of a strategy"


@dataclass(frozen=True, slots=True)
class Desk:
    """A broker with a worker and the queue for its answers."""

    node: PrivateBroker
    venue: MemoryVenue

    @property
    def is_native(self) -> bool:
        return not self.node.version.startswith("3.")

    async def ask(self, command_id: str, **request: Any) -> Body:
        """What is answered to a command."""
        replies = f"/queues/{REPLIES.replace(' ', '%20')}"
        addresses = ("/queues/set_leverage", replies, replies)
        if not self.is_native:
            addresses = ("/amq/queue/set_leverage", f"/amq/queue/{REPLIES}", REPLIES)
        asked = {"body": TO_10X, "id": command_id, "deadline": now() + 20_000, **request}
        process = await asyncio.create_subprocess_exec(
            *(PYTHON, str(CLIENT), self.node.url, *addresses, json.dumps(asked)), stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        answer: Body = json.loads(said)
        return answer


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    async with PrivateBroker(tmp_path_factory.mktemp("node")) as node:
        if node.version.startswith("3."):
            await plugin(node, "rabbitmq_amqp1_0")
        settings = Settings(amqp_url=node.url, state=tmp_path_factory.mktemp("state"), snapshot_interval_ms=0)
        venue = MemoryVenue()
        async with (
            running_worker(settings, Accounts((ACCOUNT,)), lambda _: venue),
            await aio_pika.connect(node.url) as connection,
        ):
            await (await connection.channel()).declare_queue(REPLIES, durable=True)
            yield Desk(node, venue)


async def plugin(node: PrivateBroker, name: str) -> None:
    program = str(find_server().with_name("rabbitmq-plugins"))
    process = await asyncio.create_subprocess_exec(program, "--quiet", "enable", name, env=node.environment)
    assert await process.wait() == 0


async def test_a_command_over_amqp_1_0_is_carried_out_once_and_answered(desk: Desk) -> None:
    command_id = str(uuid4())
    answers = [await desk.ask(command_id) for _ in range(2)]
    if not desk.is_native:
        assert {json.loads(answer["body"])["statusCode"] for answer in answers} == {400}
        assert "AMQP 1.0 through the plugin of RabbitMQ 3" in answers[0]["body"]
        assert desk.venue.log == []
        return
    assert [answer["id"] for answer in answers] == [command_id] * 2
    assert answers[0]["properties"]["Outcome"] == "applied"
    assert json.loads(answers[0]["body"])["message"] == "Leverage set to 10x for BTC/USDT:USDT"
    assert answers[1]["body"] == answers[0]["body"]
    assert desk.venue.log.count("leverage 10") == 1


REFUSED = {
    "a binary message id": ({"binary_id": True}, "message_id must be text"),
    "a body that is a value": ({"value": True}, "is no data section of AMQP 1.0"),
    "a deadline that is no integer": ({"deadline": "soon"}, "deadline must be an integer"),
}


@pytest.mark.parametrize(("odd", "reason"), REFUSED.values(), ids=REFUSED)
async def test_what_does_not_arrive_as_it_was_meant_is_refused_with_the_reason(
    desk: Desk, odd: dict[str, Any], reason: str
) -> None:
    before = desk.venue.log.count("leverage 10")
    answer = json.loads((await desk.ask(str(uuid4()), **odd))["body"])
    assert answer["statusCode"] == 400
    assert (reason if desk.is_native else "AMQP 1.0 through the plugin of RabbitMQ 3") in answer["message"]
    assert desk.venue.log.count("leverage 10") == before
