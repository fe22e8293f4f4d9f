"""The broker that the tests run on: a real one, chosen once for the whole run."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Generator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.postgres import PostgresServer, postgres_server
from tests.support.rabbitmq_container import engine_answers, rabbitmq_container
from worker.broker.private_broker import Broker, BrokerUnavailable, find_broker, find_server
from worker.bus.amqp.connection import prepare_client_library
from worker.config.settings import Settings

collect_ignore = ["support/amqp10_strategy.py"]
"""A program for another Python than ours."""

_SERVED = pytest.StashKey[list[str]]()
_CHOICES = ("url", "private", "container")


def _choice() -> str:
    """PERPS_DMA_TEST_BROKER, or the first of: PERPS_DMA_AMQP_URL, rabbitmq-server, a Docker engine."""
    if forced := os.environ.get("PERPS_DMA_TEST_BROKER"):
        if forced not in _CHOICES:
            raise BrokerUnavailable(f"PERPS_DMA_TEST_BROKER must be one of {', '.join(_CHOICES)}, not {forced!r}")
        return forced
    if os.environ.get("PERPS_DMA_AMQP_URL"):
        return "url"
    try:
        find_server()
    except BrokerUnavailable:
        if engine_answers():
            return "container"
        raise
    return "private"


@asynccontextmanager
async def _container() -> AsyncIterator[Broker]:
    with ExitStack() as stack:
        yield await asyncio.to_thread(stack.enter_context, rabbitmq_container())


def _serving(state: Path) -> AbstractAsyncContextManager[Broker]:
    choice = _choice()
    if choice == "container":
        return _container()
    if choice == "private":
        return find_broker(Settings(state=state, amqp_url=None))
    if (settings := Settings(state=state)).amqp_url is None:
        raise BrokerUnavailable("PERPS_DMA_TEST_BROKER=url needs PERPS_DMA_AMQP_URL")
    return find_broker(settings)


@pytest.fixture(scope="session")
async def broker(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> AsyncIterator[Broker]:
    """The broker of this run. Where none is possible, whoever asks for it fails with what to do."""
    async with _serving(tmp_path_factory.mktemp("broker")) as serving:
        pytestconfig.stash.setdefault(_SERVED, []).append(serving.description)
        yield serving


@pytest.fixture(scope="session")
def amqp_url(broker: Broker) -> str:
    """Its URL. All tests share it: use accounts and queues of your own."""
    return broker.url


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresServer]:
    """A PostgreSQL server for the whole run."""
    async with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_server(request: pytest.FixtureRequest) -> PostgresServer | None:
    """What the ledgers of a test are on: a file, or a server."""
    # Asked for here and not as an argument: who runs the tests on SQLite alone needs no PostgreSQL.
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


@pytest.fixture
async def ledger_url(ledger_server: PostgresServer | None, tmp_path: Path) -> str:
    """The URL of an empty ledger, of each kind there is."""
    return await ledger_server.database() if ledger_server else f"sqlite:///{tmp_path / 'ledger.db'}"


@pytest.fixture
async def a_loop_apart() -> AsyncIterator[None]:
    """For a test that runs a loop of its own: ours is the thread's again after it, and owes nothing before.

    A connection that was refused is held by its own traceback. aio-pika closes it when it is collected, at any moment;
    while the thread has no loop, that is a warning for whoever runs then.
    """
    gc.collect()
    ours = asyncio.get_running_loop()
    yield
    asyncio.set_event_loop(ours)


def pytest_configure() -> None:
    """Tests open connections themselves; one that was refused would warn whichever test runs as it is collected."""
    prepare_client_library()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Nearly all that is made for the tests stays, and was a third of the time of collecting them to look through."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where several processes share the tests, each tells the first one what it ran on."""
    if (output := getattr(session.config, "workeroutput", None)) is not None:
        output["served"] = session.config.stash.get(_SERVED, [])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """A process has ended, and tells what it ran on."""
    node.config.stash.setdefault(_SERVED, []).extend(getattr(node, "workeroutput", {}).get("served", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for served in config.stash.get(_SERVED, []):
        terminalreporter.write_line(f"rabbitmq: {served}")
