import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path

import aio_pika
import aiormq
import pytest

from tests.support.processes import gone, listening_addresses
from worker.broker.node_folder import NodeFolder
from worker.broker.policies import CLIENT_BYTES
from worker.broker.private_broker import Broker, BrokerUnavailable, PrivateBroker, find_broker, find_server
from worker.bus.amqp.publishing import LARGEST_MESSAGE
from worker.config.settings import Settings

OWNER = """
import asyncio, json, sys
from pathlib import Path
from worker.broker.private_broker import PrivateBroker

async def main():
    await PrivateBroker(Path(sys.argv[1])).start()
    print((Path(sys.argv[1]) / "rabbitmq" / "pids").read_text(), flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[PrivateBroker]:
    async with PrivateBroker(tmp_path_factory.mktemp("node")) as running:
        yield running


async def publish(url: str, queue_name: str, body: bytes) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(queue_name, durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, queue.name)


async def take(url: str, queue_name: str) -> bytes:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        message = await (await channel.get_queue(queue_name)).get(timeout=40)
        await message.ack()
        return message.body


@asynccontextmanager
async def killed_owner(state: Path, path: str) -> AsyncIterator[tuple[int, ...]]:
    """The pids of a node whose owner was killed by SIGKILL."""
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", OWNER, str(state), stdout=asyncio.subprocess.PIPE, env=os.environ | {"PATH": path}
    )
    assert owner.stdout is not None
    pids = tuple(int(pid) for pid in (await owner.stdout.readline()).strip(b"[]\n").split(b","))
    owner.kill()
    await owner.communicate()
    try:
        yield pids
    finally:
        for pid in pids:
            if NodeFolder(state / "rabbitmq").owns(pid):
                os.kill(pid, signal.SIGKILL)


async def test_it_serves_as_soon_as_it_has_started(node: PrivateBroker) -> None:
    await publish(node.url, "first", b"10x")
    assert await take(node.url, "first") == b"10x"
    assert node.version.split(".")[0] in {"3", "4"}


async def test_it_offers_streams_and_the_consistent_hash_exchange(node: PrivateBroker) -> None:
    async with await aio_pika.connect(node.url) as connection, connection.channel() as channel:
        await channel.declare_exchange("shards", aio_pika.ExchangeType.X_CONSISTENT_HASH)
        log = await channel.declare_queue("log", durable=True, arguments={"x-queue-type": "stream"})
        await channel.default_exchange.publish(aio_pika.Message(b"event"), log.name)


async def test_no_message_is_larger_than_rabbitmq_4_takes_by_default(node: PrivateBroker) -> None:
    await publish(node.url, "large", bytes(LARGEST_MESSAGE))
    with pytest.raises(aiormq.exceptions.ChannelPreconditionFailed, match="larger than"):
        await publish(node.url, "large", bytes(LARGEST_MESSAGE + 1))


async def test_it_listens_on_loopback_only(node: PrivateBroker) -> None:
    node_pid, epmd_pid = NodeFolder(node.log.parents[1]).running_pids()
    addresses = listening_addresses(node_pid) | listening_addresses(epmd_pid)
    assert IPv4Address("127.0.0.1") in addresses
    assert all(address.is_loopback for address in addresses)


async def test_a_queue_that_nobody_named_and_nobody_reads_is_bounded_on_it_too(node: PrivateBroker) -> None:
    async with await aio_pika.connect(node.url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        for _ in range(8):
            await channel.default_exchange.publish(aio_pika.Message(bytes(CLIENT_BYTES // 6)), queue.name)
        assert (await channel.declare_queue(queue.name, passive=True)).declaration_result.message_count == 6


async def test_nobody_gets_in_with_the_default_password(node: PrivateBroker) -> None:
    with pytest.raises(aiormq.exceptions.ProbableAuthenticationError):
        await aio_pika.connect(f"amqp://guest:guest@{node.address}/")


async def test_its_secrets_are_readable_by_their_owner_only(node: PrivateBroker) -> None:
    folder = node.log.parents[1]
    secret = [folder / name for name in ("password", ".erlang.cookie", "rabbitmq.conf", "definitions.json")]
    assert [file.stat().st_mode & 0o077 for file in secret] == [0] * 4


async def test_what_was_confirmed_survives_an_orderly_restart_and_a_crash(node: PrivateBroker) -> None:
    url = node.url
    await publish(url, "survives", b"orderly")
    await node.restart()
    assert await take(url, "survives") == b"orderly"
    await publish(url, "survives", b"crash")
    await node.kill()
    await node.restart()
    assert await take(url, "survives") == b"crash"


async def test_a_paused_node_answers_again_when_resumed(node: PrivateBroker) -> None:
    node.pause()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(publish(node.url, "paused", b""), timeout=0.5)
    node.resume()
    await publish(node.url, "paused", b"awake")
    assert await take(node.url, "paused") == b"awake"


async def test_two_nodes_run_side_by_side(node: PrivateBroker, tmp_path: Path) -> None:
    async with PrivateBroker(tmp_path) as other:
        await publish(node.url, "whose", b"ours")
        await publish(other.url, "whose", b"theirs")
        assert (await take(node.url, "whose"), await take(other.url, "whose")) == (b"ours", b"theirs")


async def test_a_folder_has_one_node_at_a_time(node: PrivateBroker) -> None:
    with pytest.raises(BrokerUnavailable, match="another process runs"):
        await PrivateBroker(node.log.parents[2]).start()
    await publish(node.url, "undisturbed", b"")


async def test_killing_its_owner_leaves_nothing_behind(tmp_path: Path) -> None:
    async with killed_owner(tmp_path, os.environ["PATH"]) as pids:
        assert len(pids) == 2
        await gone(*pids)


async def test_a_node_left_behind_is_replaced(tmp_path: Path) -> None:
    # Where setpriv can't tie a child to its parent, a killed owner does leave its node.
    setpriv = tmp_path / "bin" / "setpriv"
    setpriv.parent.mkdir()
    setpriv.write_text('#!/bin/sh\nshift 3\nexec "$@"\n')
    setpriv.chmod(0o755)
    async with killed_owner(tmp_path, f"{setpriv.parent}:{os.environ['PATH']}") as left:
        assert all(NodeFolder(tmp_path / "rabbitmq").owns(pid) for pid in left)
        async with PrivateBroker(tmp_path) as successor:
            await gone(*left)
            await publish(successor.url, "successor", b"serves")
            assert successor.pid not in left
    assert "pids" not in os.listdir(tmp_path / "rabbitmq")


async def test_a_process_of_somebody_else_is_never_taken_for_a_node(tmp_path: Path) -> None:
    assert not NodeFolder(tmp_path).owns(os.getpid())


async def test_a_node_that_cannot_start_says_what_its_log_says(tmp_path: Path) -> None:
    broken = tmp_path / "rabbitmq" / "data"
    broken.parent.mkdir()
    broken.write_text("a file where the data folder should be")
    with pytest.raises(BrokerUnavailable, match=r"before it was ready \(exit code 1\)(.|\n)*start_failure"):
        await PrivateBroker(tmp_path).start()


async def test_data_of_a_newer_rabbitmq_is_not_passed_over(node: PrivateBroker, tmp_path: Path) -> None:
    assert (node.log.parents[1] / "version").read_text().strip() == node.version
    noted = tmp_path / "rabbitmq" / "version"
    noted.parent.mkdir()
    noted.write_text("99.1.0\n")
    refusal = rf"is {re.escape(node.version)}, and the data .* by 99\.1\.0, .* remove the folder"
    with pytest.raises(BrokerUnavailable, match=refusal):
        await PrivateBroker(tmp_path).start()
    assert not (noted.parent / "data").exists()


async def test_data_of_an_older_rabbitmq_that_cannot_be_read_is_an_advice_and_no_crash_dump(tmp_path: Path) -> None:
    broken = tmp_path / "rabbitmq" / "data"
    broken.parent.mkdir()
    broken.write_text("a file where the data folder should be")
    (broken.parent / "version").write_text("3.8.9\n")
    with pytest.raises(BrokerUnavailable, match=r"^the RabbitMQ here is .*written by 3\.8\.9, .*$") as refused:
        await PrivateBroker(tmp_path).start()
    assert "\n" not in str(refused.value)


def test_without_rabbitmq_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("RABBITMQ_HOME", raising=False)
    monkeypatch.setattr("worker.broker.private_broker.INSTALLED_AT", ())
    with pytest.raises(BrokerUnavailable, match=r"deploy/install-rabbitmq\.sh(.|\n)*PERPS_DMA_AMQP_URL"):
        find_server()


async def test_a_broker_that_is_named_is_taken_and_nothing_is_written(broker: Broker, tmp_path: Path) -> None:
    async with find_broker(Settings(state=tmp_path, amqp_url=broker.url)) as found:
        assert found.node is None
        assert found.url == broker.url
        assert found.description.endswith("from PERPS_DMA_AMQP_URL")
    assert os.listdir(tmp_path) == []


async def test_a_named_broker_that_does_not_answer_is_an_error_without_its_password(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path, amqp_url="amqp://someone:hunter2@127.0.0.1:1/")
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1 ") as refused:
        async with find_broker(settings):
            pass
    assert "hunter2" not in str(refused.value)
