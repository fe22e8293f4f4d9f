"""The stack of deploy/compose.yaml, built and run by a Docker engine. Skipped only where no engine answers.

PostgreSQL and Prometheus are made from Debian's packages, so that no image registry need be reached; Grafana is not in
Debian. RabbitMQ is the image that compose pins, where the engine has it. PERPS_DMA_TEST_IMAGES=public takes all of them
as deploy/compose.yaml names them.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import httpx
import pytest
from aiormq.exceptions import ChannelAccessRefused

from tests.support.processes import free_port
from tests.support.rabbitmq_container import engine_answers, rabbitmq_image
from tests.support.strategy import Body

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "deploy" / "compose.yaml"
STAND_INS = Path(__file__).parent / "stack"
OURS = ("sandbox", "worker", "shim")
SERVICES = (*OURS, "rabbitmq", "postgres", "prometheus")
PUBLIC = os.environ.get("PERPS_DMA_TEST_IMAGES") == "public"
START_S = 300

TO_7X: Body = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 7}

pytestmark = [
    pytest.mark.skipif(not engine_answers(), reason="no Docker engine answers here"),
    pytest.mark.timeout(1_200),
]


def run(*argv: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


def compose_command() -> Sequence[str]:
    if shutil.which("docker-compose"):
        return ("docker-compose",)
    return ("docker", "compose")


@dataclass(frozen=True, slots=True)
class Stack:
    """The running stack: where it is reached, and its secrets."""

    project: str
    secrets: Path
    image: str
    ports: dict[str, int] = field(
        default_factory=lambda: {name: free_port() for name in ("HTTP", "AMQP", "PROMETHEUS")}
    )

    @property
    def environment(self) -> dict[str, str]:
        images = {} if PUBLIC else {f"{name.upper()}_IMAGE": stand_in(name) for name in ("postgres", "prometheus")}
        return {
            **os.environ,
            **{f"PERPS_DMA_{name}_PORT": str(port) for name, port in self.ports.items()},
            "PERPS_DMA_SECRETS_FOLDER": str(self.secrets),
            "PERPS_DMA_IMAGE": self.image,
            **({} if PUBLIC else {"RABBITMQ_IMAGE": rabbitmq_image(), **images}),
        }

    def compose(self, *arguments: str) -> str:
        command = (*compose_command(), "--file", str(COMPOSE), "--project-name", self.project)
        return run(*command, *arguments, environment=self.environment)

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).strip()

    def inspected(self, service: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(run("docker", "inspect", self.container(service)))[0]
        return found

    def inside(self, service: str, *argv: str) -> str:
        return run("docker", "exec", self.container(service), *argv)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text().strip()

    def token(self, role: str = "trader") -> str:
        return self.inside("shim", "perps-dma", "token", "--role", role, "--subject", "ann").strip()

    @contextmanager
    def http(self, role: str = "trader") -> Iterator[httpx.Client]:
        base = f"http://127.0.0.1:{self.ports['HTTP']}"
        with httpx.Client(base_url=base, headers={"Authorization": f"Bearer {self.token(role)}"}, timeout=20) as client:
            yield client

    def amqp_url(self, user: str) -> str:
        return f"amqp://{user}:{self.secret(user)}@127.0.0.1:{self.ports['AMQP']}/perps-dma"


def stand_in(name: str) -> str:
    return f"perps-dma-test/{name}"


def until(what: str, condition: Any, seconds: float = START_S) -> None:
    """Wait for a condition that nothing tells us of."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about within {seconds:g} s"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def image() -> str:
    name = f"perps-dma-test/service:{uuid4().hex[:8]}"
    passed_on = [f"--build-arg={key}={os.environ[key]}" for key in ("PIP_INDEX_URL",) if key in os.environ]
    run("docker", "build", "--network=host", *passed_on, "-f", "deploy/Dockerfile", "-t", name, ".")
    return name


@pytest.fixture(scope="module")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack") / "secrets"
    run("sh", "deploy/make-secrets.sh", str(folder))
    stack = Stack(f"perpsdma{uuid4().hex[:8]}", folder, image)
    if not PUBLIC:
        for name in ("postgres", "prometheus"):
            run("docker", "build", "--network=host", "-t", stand_in(name), str(STAND_INS / name))
    try:
        stack.compose("up", "--no-build", "--detach", *SERVICES, *(("grafana",) if PUBLIC else ()))
        for service in OURS:
            until(f"the health of {service}", lambda service=service: health(stack, service) == "healthy")
        until("readiness", lambda: httpx.get(f"http://127.0.0.1:{stack.ports['HTTP']}/readyz").status_code == 200)
        yield stack
    except AssertionError as error:
        raise AssertionError(f"{error}\n{stack.compose('logs', '--tail=40')}") from error
    finally:
        stack.compose("down", "--volumes", "--timeout=40")
        run("docker", "image", "rm", "--force", image)


def health(stack: Stack, service: str) -> str:
    return str(stack.inspected(service)["State"]["Health"]["Status"])


@pytest.mark.parametrize("service", OURS)
def test_each_service_runs_as_nobody_in_particular_on_a_root_that_cannot_be_written(stack: Stack, service: str) -> None:
    about = stack.inspected(service)
    assert about["Config"]["User"] == "10001:10001"
    assert about["HostConfig"]["ReadonlyRootfs"] is True
    assert about["HostConfig"]["CapDrop"] == ["ALL"]
    assert stack.inside(service, "id", "-u").strip() == "10001"
    tried = "touch /opt/perps-dma/x 2>/dev/null || touch /x 2>/dev/null || echo refused"
    assert stack.inside(service, "sh", "-c", tried).strip() == "refused"


def test_all_of_it_is_compiled(stack: Stack) -> None:
    """What is imported from bytecode is there, for every module of ours."""
    count = "find /opt/perps-dma/lib/python3.*/site-packages/worker -name '*.{}' | wc -l"
    sources, compiled = (int(stack.inside("worker", "sh", "-c", count.format(end))) for end in ("py", "pyc"))
    assert sources == compiled > 100


def test_no_secret_stands_in_an_environment_or_a_command_line(stack: Stack) -> None:
    secrets = [stack.secret(file.name) for file in stack.secrets.iterdir()]
    assert len(secrets) == 10
    for service in SERVICES:
        told = json.dumps(stack.inspected(service))
        assert not [secret for secret in secrets if secret in told]
    logs = stack.compose("logs", "--no-color")
    assert "worker_ready" in logs
    assert not [secret for secret in secrets if secret in logs]


def test_a_change_over_http_is_applied_and_is_on_record_in_postgresql(stack: Stack) -> None:
    command_id = str(uuid4())
    with stack.http() as client:
        answer = client.post("/oems/execution/leverage", json=TO_7X, headers={"Idempotency-Key": command_id})
        assert (answer.status_code, answer.headers["Outcome"]) in {(200, "applied"), (200, "unchanged")}
        query = {"exchange_account_id": TO_7X["exchange_account_id"], "symbol": TO_7X["symbol"]}
        assert client.get("/oems/execution/leverage", params=query).json()["data"]["leverage"] == 7
    row = f"SELECT actor FROM commands WHERE id = '{command_id}'"
    said = stack.inside("postgres", "psql", "-U", "perps_dma", "-d", "perps_dma", "-tAc", row)
    assert said.strip() == "ann"


async def test_a_strategy_engine_publishes_and_may_not_freeze(stack: Stack) -> None:
    async with await aio_pika.connect(stack.amqp_url("dma-strategy")) as connection:
        channel = await connection.channel()
        replies = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(json.dumps(TO_7X).encode(), user_id="dma-strategy", reply_to=replies.name)
        await (await channel.get_exchange("dma.commands", ensure=False)).publish(message, "set_leverage")
        async with replies.iterator(timeout=30) as answers:
            answer = await anext(answers)
            assert json.loads(answer.body)["statusCode"] == 200
        control = await channel.get_exchange("dma.control", ensure=False)
        with pytest.raises(ChannelAccessRefused):
            await control.publish(aio_pika.Message(b"{}", user_id="dma-strategy"), "freeze")


def test_an_admin_freezes_over_http(stack: Stack) -> None:
    with stack.http("admin") as client:
        frozen = client.post("/oems/execution/freeze", json={"all": True, "reason": "a drill"})
        refused = client.post("/oems/execution/leverage", json=TO_7X)
        lifted = client.delete("/oems/execution/freeze", params={"all": "true"})
    assert (frozen.status_code, refused.status_code, lifted.status_code) == (200, 423, 200)


def test_prometheus_watches_every_service_and_the_broker(stack: Stack) -> None:
    def targets() -> dict[str, str]:
        answer = httpx.get(f"http://127.0.0.1:{stack.ports['PROMETHEUS']}/api/v1/targets").json()
        return {row["labels"]["job"]: row["health"] for row in answer["data"]["activeTargets"]}

    up = dict.fromkeys(("rabbitmq", "perps-dma-worker", "perps-dma-shim"), "up")
    until("all metrics", lambda: targets() == up, 60)


def test_a_worker_that_is_stopped_ends_in_order_and_goes_on_when_it_is_started(stack: Stack) -> None:
    container = stack.container("worker")
    run("docker", "stop", "--time=40", container)
    ended = json.loads(run("docker", "inspect", container))[0]["State"]
    assert (ended["Status"], ended["ExitCode"]) == ("exited", 0)
    run("docker", "start", container)
    until("a worker", lambda: health(stack, "worker") == "healthy", 120)
    with stack.http() as client:
        until("readiness", lambda: client.get("/readyz").status_code == 200, 60)
        assert client.post("/oems/execution/leverage", json=TO_7X).status_code == 200
