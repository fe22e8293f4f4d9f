"""The definitions in deploy/, imported into a real broker: what each user may do works, all else is refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import AMQPError, ChannelAccessRefused, ChannelLockedResource, ProbableAuthenticationError

from schemas import OPERATIONS, NotAllowed, NotServed, Outcome, PerpsDma
from schemas.operations import COMMANDS_EXCHANGE, CONTROL_EXCHANGE, EVENTS_LOG
from tests.support.broker_users import (
    EXCHANGES,
    QUEUES,
    SHARDS,
    BrokerWithUsers,
    bindable,
    creates,
    rabbitmqctl,
    readable,
    refused,
    spoils,
    until,
    url_of,
    writable,
)
from tests.support.memory_venue import ACCOUNT, BTC, MemoryVenue
from tests.support.strategy import Body
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.broker.permissions import RIGHTS, RISK_USER, STRATEGY_USER, VHOST, WORKER_USER, definitions, password_hash
from worker.broker.private_broker import PrivateBroker
from worker.bus.amqp.actors import SHIM_USER
from worker.bus.amqp.connection import connected
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.amqp.topology import EVENTS_EXCHANGE, declare
from worker.bus.dead_letters import Letter, hold_dead_letters
from worker.bus.rpc import REPLY_TO, RpcClient
from worker.bus.sharding.shards import shard_queue
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.runtime.clock import now

DEPLOYED = Path(__file__).parents[2] / "deploy" / "rabbitmq" / "definitions.json"
TO_10X: Body = {"exchange_account_id": ACCOUNT.id, "symbol": BTC.symbol, "leverage": 10}
FREEZE: Body = {"all": True, "reason": "a drill"}


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path_factory.mktemp("rights")) as broker:
        yield broker


@pytest.fixture(scope="module")
async def place(node: PrivateBroker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[BrokerWithUsers]:
    settings = Settings(state=tmp_path_factory.mktemp("state"))
    place = BrokerWithUsers(node, tmp_path_factory.mktemp("passwords"), settings.ledger)
    await place.set_passwords(*RIGHTS)
    settings = Settings(
        state=settings.state,
        amqp_url=place.url(WORKER_USER),
        shards=SHARDS,
        query_queues="quorum",
        snapshot_interval_ms=0,
    )
    async with running_worker(settings, Accounts((ACCOUNT,)), lambda _: MemoryVenue()):
        yield place


def test_the_deployed_definitions_are_those_of_the_program_and_hold_no_password() -> None:
    deployed = json.loads(DEPLOYED.read_text())
    assert deployed == definitions({})
    assert {user["password_hash"] for user in deployed["users"]} == {""}


def test_a_password_is_hashed_as_rabbitmqs_documentation_has_it() -> None:
    assert password_hash("test12", bytes.fromhex("908dc60a")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


async def test_each_user_publishes_where_it_may_and_nowhere_else(place: BrokerWithUsers) -> None:
    assert await writable(place, STRATEGY_USER) == {COMMANDS_EXCHANGE}
    assert await writable(place, RISK_USER) == set()
    assert await writable(place, SHIM_USER) == {COMMANDS_EXCHANGE, CONTROL_EXCHANGE}
    assert await writable(place, WORKER_USER) == set(EXCHANGES) - {"amq.topic"}


async def test_each_user_reads_what_it_may_and_nothing_else(place: BrokerWithUsers) -> None:
    assert await readable(place, STRATEGY_USER) == set()
    assert await readable(place, RISK_USER) == {EVENTS_LOG}
    assert await readable(place, SHIM_USER) == {EVENTS_LOG}


async def test_events_alone_can_be_had_and_by_risk_systems_alone(place: BrokerWithUsers) -> None:
    assert await bindable(place, STRATEGY_USER) == set()
    assert await bindable(place, RISK_USER) == {EVENTS_EXCHANGE}
    assert await bindable(place, SHIM_USER) == set()


@pytest.mark.parametrize("user", [STRATEGY_USER, RISK_USER, SHIM_USER])
async def test_nobody_but_a_worker_creates_deletes_or_empties_anything(place: BrokerWithUsers, user: str) -> None:
    assert await spoils(place, user) == []
    assert await creates(place, user) == []


async def test_a_worker_creates_nothing_under_names_that_are_not_ours(place: BrokerWithUsers) -> None:
    created = await creates(place, WORKER_USER)
    assert not {"queue mine", "exchange mine", "queue amq.gen-mine"}.intersection(created)


async def test_the_shim_may_know_of_every_operation_how_many_consume_it(place: BrokerWithUsers) -> None:
    async with place.rpc() as rpc:
        counts = await rpc.consumers()
    assert counts.keys() == OPERATIONS.keys()
    assert min(counts.values()) > 0


async def test_the_shim_leads_nothing_into_the_queues_that_it_may_ask_about(place: BrokerWithUsers) -> None:
    async with place.connected(SHIM_USER) as connection:
        for queue in (*OPERATIONS, shard_queue(OPERATIONS["set_leverage"], 1, SHARDS)):
            for exchange in (COMMANDS_EXCHANGE, EVENTS_EXCHANGE, "amq.topic"):
                channel = await (await connection.channel()).get_underlay_channel()
                with pytest.raises(ChannelAccessRefused):
                    await channel.queue_bind(queue, exchange)


async def test_a_reply_queue_is_its_owners_alone(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as one, place.connected(STRATEGY_USER) as other:
        own = await (await one.channel()).declare_queue(exclusive=True)
        channel = await other.channel()
        with pytest.raises(ChannelLockedResource):
            await (await channel.get_queue(own.name, ensure=False)).consume(asyncio.Queue[Any]().put)


async def test_without_its_password_nobody_gets_in(node: PrivateBroker, place: BrokerWithUsers) -> None:
    for user in RIGHTS:
        for password in ("", "guess"):
            with pytest.raises((ProbableAuthenticationError, AMQPError, ConnectionError)):
                await aio_pika.connect(url_of(node, user, password))


async def test_importing_again_changes_a_password_and_cuts_nobody_off(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as connection:
        before = place.url(STRATEGY_USER)
        await place.set_passwords(STRATEGY_USER)
        assert not await refused(await connection.channel(), COMMANDS_EXCHANGE, "nobody")
        with pytest.raises(ProbableAuthenticationError):
            await aio_pika.connect(before)
    async with place.connected(STRATEGY_USER):
        pass


async def test_no_user_manages_the_broker(node: PrivateBroker, place: BrokerWithUsers) -> None:
    listed = json.loads(await rabbitmqctl(node, "list_users", "--formatter", "json"))
    assert {row["user"]: row["tags"] for row in listed if row["user"] in RIGHTS} == {user: [] for user in RIGHTS}


async def test_no_queue_is_lost_with_a_node_where_a_cluster_is_asked_for(
    node: PrivateBroker, place: BrokerWithUsers
) -> None:
    listed = await rabbitmqctl(node, "list_queues", "--vhost", VHOST, "--formatter", "json", "name", "type")
    kinds = {row["name"]: row["type"] for row in json.loads(listed)}
    assert {name: kinds[name] for name in QUEUES if kinds[name] != "quorum"} == {EVENTS_LOG: "stream"}


async def answer(channel: AbstractChannel, exchange: str, operation: str, body: Body, **properties: Any) -> Body:
    """What a worker answers to a queue of the asker's own."""
    replies, inbox = await channel.declare_queue(exclusive=True), asyncio.Queue[Any]()
    await replies.consume(inbox.put, no_ack=True)
    target = await channel.get_exchange(exchange)
    message = aio_pika.Message(json.dumps(body).encode(), reply_to=replies.name, **properties)
    await target.publish(message, operation)
    async with asyncio.timeout(20):
        envelope: Body = json.loads((await inbox.get()).body)
    return envelope


async def test_a_strategys_command_is_answered_and_its_user_is_the_actor(place: BrokerWithUsers) -> None:
    command_id = str(uuid4())
    async with place.connected(STRATEGY_USER) as connection:
        channel = await connection.channel()
        claims = {"user_id": STRATEGY_USER, "headers": {"actor": "ann", "account": ACCOUNT.id}}
        told = await answer(channel, COMMANDS_EXCHANGE, "set_leverage", TO_10X, message_id=command_id, **claims)
        assert told["message"] == "Leverage set to 10x for BTC/USDT:USDT"
        status = await answer(channel, COMMANDS_EXCHANGE, "get_command", {"command_id": command_id})
    assert status["data"]["actor"] == STRATEGY_USER


async def test_a_workers_own_command_goes_the_way_of_all_and_its_actor_is_who_it_names(place: BrokerWithUsers) -> None:
    command_id, body = str(uuid4()), json.dumps({"exchange_account_id": ACCOUNT.id}).encode()
    async with connected(place.url(WORKER_USER), "tests") as events, connected(place.url(WORKER_USER), "t") as answers:
        publisher = await MessagePublisher.open(events, answers)
        sweep, deadline = OPERATIONS["pm_auto_collect"], now() + 20_000
        for _ in range(2):
            await publisher.command(sweep, body, command_id=command_id, deadline=deadline, actor="schedule")
    async with place.rpc() as rpc, asyncio.timeout(20):
        asked = json.dumps({"command_id": command_id}).encode()
        while (
            status := await rpc.call(OPERATIONS["get_command"], asked, command_id="1", deadline=now() + 5_000)
        ).status:
            told = json.loads(status.body)
            if status.status == 200 and told["data"]["state"] == "finished":
                break
    assert (told["data"]["actor"], told["data"]["outcome"], told["data"]["attempts"]) == ("schedule", "applied", 1)


async def test_direct_reply_to_takes_no_right(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as connection:
        channel = await connection.channel()
        inbox = asyncio.Queue[Any]()
        await (await channel.get_queue(REPLY_TO)).consume(inbox.put, no_ack=True)
        commands = await channel.get_exchange(COMMANDS_EXCHANGE)
        await commands.publish(aio_pika.Message(json.dumps({}).encode(), reply_to=REPLY_TO), "get_status")
        async with asyncio.timeout(20):
            assert json.loads((await inbox.get()).body)["statusCode"] == 200


async def test_nobody_passes_for_another_user(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as connection:
        commands = await (await connection.channel()).get_exchange(COMMANDS_EXCHANGE)
        with pytest.raises(AMQPError, match="user_id"):
            await commands.publish(aio_pika.Message(b"{}", user_id=SHIM_USER), "get_status")


async def test_a_strategy_does_not_freeze_by_naming_it_where_it_may_write(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as connection:
        channel = await connection.channel()
        told = await answer(channel, COMMANDS_EXCHANGE, "freeze", FREEZE, user_id=STRATEGY_USER)
    assert (told["statusCode"], told["error"]["code"]) == (403, "forbidden")
    async with open_ledger(place.ledger_url) as ledger:
        assert await ledger.freezes.all() == []


async def test_a_binding_that_an_older_version_left_is_gone_once_a_worker_has_started(place: BrokerWithUsers) -> None:
    async with place.connected(WORKER_USER) as connection, place.connected(STRATEGY_USER) as asking:
        channel = await connection.channel()
        await (await channel.get_queue("freeze")).bind(COMMANDS_EXCHANGE, "freeze")
        await declare(channel, sharded=True, replicated=True)
        told = await answer(await asking.channel(), COMMANDS_EXCHANGE, "freeze", FREEZE, user_id=STRATEGY_USER)
    assert told["statusCode"] == 403


async def test_a_freeze_among_the_dead_letters_stays_refused_when_it_is_sent_again(place: BrokerWithUsers) -> None:
    command_id = str(uuid4())
    async with place.connected(STRATEGY_USER) as connection:
        commands = await (await connection.channel()).get_exchange(COMMANDS_EXCHANGE)
        body = json.dumps(FREEZE).encode()
        await commands.publish(aio_pika.Message(body, message_id=command_id, user_id=STRATEGY_USER), "freeze")
    for _ in range(2):
        letter = await requeued(place, command_id)
        assert "freeze is for admins" in letter.reason
        assert letter.actor == STRATEGY_USER
    async with open_ledger(place.ledger_url) as ledger:
        assert await ledger.freezes.all() == []


async def requeued(place: BrokerWithUsers, command_id: str) -> Letter:
    """The letter with this id, once it has come and was sent again."""
    async with asyncio.timeout(20):
        while True:
            async with hold_dead_letters(place.url(WORKER_USER)) as held:
                if found := [letter for letter in held.letters if letter.id == command_id]:
                    assert (await held.requeue(found)).problem is None
                    return found[0]


async def test_an_answer_is_never_led_into_a_queue_of_ours(place: BrokerWithUsers) -> None:
    marker = f"nobody-{uuid4()}"
    async with place.connected(RISK_USER) as listening, place.connected(STRATEGY_USER) as connection:
        inbox = asyncio.Queue[aio_pika.abc.AbstractIncomingMessage]()
        channel = await listening.channel()
        await channel.set_qos(50)
        await (await channel.get_queue(EVENTS_LOG)).consume(inbox.put, arguments={"x-stream-offset": "next"})
        commands = await (await connection.channel()).get_exchange(COMMANDS_EXCHANGE)
        asked = json.dumps({"exchange_account_id": marker}).encode()
        await commands.publish(aio_pika.Message(asked, reply_to=EVENTS_LOG), "get_positions")
        async with place.rpc() as rpc:
            await freeze(rpc, "freeze", FREEZE, "ann")
            await freeze(rpc, "unfreeze", {"all": True}, "ann")
        heard: list[Body] = []
        while not heard or heard[-1]["type"] != "perps-dma.freeze.v1" or heard[-1]["data"]["frozen"]:
            async with asyncio.timeout(20):
                message = await inbox.get()
            heard.append(json.loads(message.body))
            await message.ack()
    assert marker not in json.dumps(heard)


async def freeze(rpc: RpcClient, operation: str, body: Body, actor: str | None) -> None:
    deadline = now() + 20_000
    told = await rpc.call(
        OPERATIONS[operation], json.dumps(body).encode(), command_id=str(uuid4()), deadline=deadline, actor=actor
    )
    assert told.status == 200, told.body


async def test_the_shim_speaks_for_its_tokens_subject_and_the_audit_says_so(place: BrokerWithUsers) -> None:
    async with place.rpc() as rpc:
        await freeze(rpc, "freeze", FREEZE, "ann")
        await freeze(rpc, "unfreeze", {"all": True}, None)
    async with open_ledger(place.ledger_url) as ledger:
        last, before = (await ledger.audit.newest(2))[:2]
    assert [(row.action, row.actor) for row in (before, last)] == [("freeze", "ann"), ("unfreeze", SHIM_USER)]


async def test_a_message_that_names_no_user_is_on_record_as_unverified(place: BrokerWithUsers) -> None:
    async with place.connected(STRATEGY_USER) as connection:
        channel = await connection.channel()
        command_id = str(uuid4())
        await answer(
            channel, COMMANDS_EXCHANGE, "set_leverage", TO_10X, message_id=command_id, headers={"actor": SHIM_USER}
        )
        status = await answer(channel, COMMANDS_EXCHANGE, "get_command", {"command_id": command_id})
    assert status["data"]["actor"] == f"unverified:{SHIM_USER}"


async def test_a_risk_system_hears_results_and_reads_the_log_from_the_first_on(place: BrokerWithUsers) -> None:
    async with place.connected(RISK_USER) as connection, place.rpc() as rpc:
        channel = await connection.channel()
        await channel.set_qos(50)
        live, replayed = asyncio.Queue[Any](), asyncio.Queue[Any]()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS_EXCHANGE, "result.#")
        await queue.consume(live.put, no_ack=True)
        command_id = str(uuid4())
        body = json.dumps(TO_10X).encode()
        await rpc.call(OPERATIONS["set_leverage"], body, command_id=command_id, deadline=now() + 20_000, actor="ann")
        await (await channel.get_queue(EVENTS_LOG)).consume(replayed.put, arguments={"x-stream-offset": "first"})
        for inbox in (live, replayed):
            assert (await result(inbox, command_id))["actor"] == "ann"


async def result(inbox: asyncio.Queue[Any], command_id: str) -> Body:
    """The result of a command among what comes."""
    while True:
        async with asyncio.timeout(20):
            data: Body = json.loads((await inbox.get()).body)["data"]
        if data.get("command_id") == command_id:
            return data


async def test_a_subscriber_that_refuses_events_holds_nobody_up(place: BrokerWithUsers) -> None:
    async with place.connected(RISK_USER) as connection, place.rpc() as rpc:
        channel = await connection.channel()
        await channel.set_qos(50)
        full = await channel.declare_queue(
            exclusive=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await full.bind(EVENTS_EXCHANGE, "#")
        others, log = asyncio.Queue[Any](), asyncio.Queue[Any]()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(EVENTS_EXCHANGE, "#")
        await queue.consume(others.put, no_ack=True)
        await (await channel.get_queue(EVENTS_LOG)).consume(log.put, arguments={"x-stream-offset": "next"})
        commands = [str(uuid4()) for _ in range(5)]
        for command_id in commands:
            body = json.dumps(TO_10X).encode()
            told = await rpc.call(
                OPERATIONS["set_leverage"], body, command_id=command_id, deadline=now() + 20_000, actor="ann"
            )
            assert told.status == 200
        for command_id in commands:
            for inbox in (others, log):
                assert (await result(inbox, command_id))["actor"] == "ann"
        async with open_ledger(place.ledger_url) as ledger:

            async def is_told() -> bool:
                return await ledger.outbox.size() == 0

            await until(is_told)


async def test_the_typed_client_asks_as_one_user_and_follows_as_another(place: BrokerWithUsers) -> None:
    async with PerpsDma(place.url(STRATEGY_USER), events_url=place.url(RISK_USER)) as dma:
        book = dma.book()
        result = await dma.set_leverage(ACCOUNT.id, BTC.symbol, 12)
        while result.command_id not in (change := await anext(book)).snapshot.command_ids:
            """What was there before."""
        await book.aclose()
        told = (await dma.get_commands(actor=STRATEGY_USER)).data.commands
        with pytest.raises(NotAllowed):
            await dma.freeze("a drill", all=True)
    assert (result.outcome, change.account) == (Outcome.APPLIED, ACCOUNT.id)
    assert result.command_id in {row.command_id for row in told}


async def test_the_typed_client_tells_that_a_broker_has_no_worker_yet(node: PrivateBroker) -> None:
    async with PerpsDma(node.url) as dma:
        with pytest.raises(NotServed):
            await dma.set_leverage(ACCOUNT.id, BTC.symbol, 12)
        with pytest.raises(NotServed):
            await anext(dma.events())
    async with PerpsDma(node.url, waits_for_worker=False) as dma:
        with pytest.raises(NotServed, match="no worker was ever started"):
            await dma.get_status()


async def test_who_may_not_read_the_events_is_told_by_the_typed_client(place: BrokerWithUsers) -> None:
    async with PerpsDma(place.url(STRATEGY_USER)) as dma:
        with pytest.raises(NotAllowed):
            await anext(dma.events(start="first"))
