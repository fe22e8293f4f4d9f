"""RabbitMQ from a Docker engine, through testcontainers."""

import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from worker.broker.private_broker import Broker

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose.yaml"
ANY_4 = "rabbitmq:4-management"
AMQP_PORT = 5672
USER = "perps-dma"
START_S = 90


def _listens(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def engine_answers() -> bool:
    """Whether a Docker engine can be talked to from here."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    # The client leaves a socket open behind it when nobody listens, so it is asked only when somebody does.
    if host.startswith("unix://") and not _listens(host.removeprefix("unix://")):
        return False
    try:
        client = docker.from_env()
    except DockerException:
        return False
    try:
        return bool(client.ping())
    except DockerException:
        return False
    finally:
        client.close()


def rabbitmq_image() -> str:
    """The image that compose pins, where the engine has it; else whatever it has, or fetches, as RabbitMQ 4."""
    (pinned,) = re.findall(r"RABBITMQ_IMAGE:-([^}]+)}", COMPOSE.read_text())
    client = docker.from_env()
    try:
        client.images.get(pinned)
    except ImageNotFound:
        return ANY_4
    finally:
        client.close()
    return str(pinned)


@contextmanager
def rabbitmq_container() -> Iterator[Broker]:
    """A RabbitMQ that accepts logins, until the end of the context."""
    image, password = rabbitmq_image(), secrets.token_hex(16)
    # Not testcontainers' RabbitMqContainer: it brings a second AMQP client along and warns that it is deprecated.
    container = (
        DockerContainer(image)
        .with_exposed_ports(AMQP_PORT)
        .with_envs(RABBITMQ_DEFAULT_USER=USER, RABBITMQ_DEFAULT_PASS=password)
        .waiting_for(LogMessageWaitStrategy("Server startup complete").with_startup_timeout(START_S))
    )
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(AMQP_PORT)}"
        yield Broker(f"amqp://{USER}:{password}@{address}/", f"container of {image} at {address}")
