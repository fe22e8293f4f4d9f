"""`perps-dma up`: broker, sandbox venues, worker and HTTP shim together, until Ctrl-C."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from time import monotonic

import httpx
from pydantic import SecretStr
from rich.console import Console

from worker.app.first_steps import first_steps
from worker.broker.private_broker import Broker, BrokerUnavailable, find_broker
from worker.config.locations import displaced_accounts
from worker.config.settings import Settings
from worker.config.tls import CertificateProblem, local_client_context
from worker.ledger.ledger import forget_ledger
from worker.ledger.sql.errors import LedgerError
from worker.messages.wire import encode
from worker.runtime.backoff import Backoff
from worker.runtime.child import Child, ChildFailed, tail
from worker.runtime.clock import now
from worker.runtime.errors import ConfigurationError, OperatorError
from worker.runtime.files.state_files import hold_lock, kept_secret, write_private
from worker.runtime.periodic import periodically
from worker.shim.auth.tokens import issue_token
from worker.shim.console.routes import CONSOLE_PATH

READY_S = 90
"""How long sandbox, worker and shim may take to become ready."""

TOKEN_LIFETIME_S = 24 * 3600
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
"""Pauses before a program that ended is started again."""

PRIVATE = 0o077
"""What no file that is made here, or by what is started here, grants to others: logs that RabbitMQ rotates, for one."""

LOGS_S = 2.0
"""How often it is looked how large the logs are."""

HIGHEST_PORT, LOWEST_PORT = 65535, 1024


class UpFailed(OperatorError):
    """`up` can't start; the message says what to do."""


async def run(settings: Settings, *, new_ledger: bool = False) -> int:
    """Run everything until SIGINT or SIGTERM; the exit code: 0 after a stop that was asked for, 1 after a failure.

    With `new_ledger` the worker goes on without the ledger that is gone; only now, not whenever it is started again.
    """
    os.umask(PRIVATE)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    code = 0
    try:
        with _alone(settings):
            _require_free(settings.host, settings.port, "PORT=")
            if new_ledger:
                await asyncio.to_thread(forget_ledger, settings.ledger, settings.state)
            await _until(stop, Up(settings, console).serve())
            console.print("stopped")
    except* (UpFailed, BrokerUnavailable, ChildFailed, CertificateProblem, LedgerError) as failures:
        console.print(*(f"error     {failure}" for failure in failures.exceptions), sep="\n")
        code = 1
    return code


async def _until(stop: asyncio.Event, serving: Coroutine[None, None, None]) -> None:
    service, asked = asyncio.create_task(serving), asyncio.create_task(stop.wait())
    await asyncio.wait((service, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not service.done():
        service.cancel()
    with suppress(asyncio.CancelledError):
        await service


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    lock = hold_lock(settings.state / "up.lock")
    if lock is None:
        raise UpFailed(f"another `up` runs on {settings.state}; stop it, or give this one a folder with STATE=")
    with lock:
        yield


def _require_free(host: str, port: int, choose: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise UpFailed(
            f"can't listen on {host}:{port} ({error.strerror}); choose another port with {choose}"
        ) from error


def _is_free(host: str, port: int) -> bool:
    try:
        _require_free(host, port, "PERPS_DMA_METRICS_PORT")
    except UpFailed:
        return False
    return True


def metrics_ports(settings: Settings) -> tuple[int, ...]:
    """Where worker and shim serve their metrics: on the port that was asked for and the next, else near the shim's own.

    Raises UpFailed when one that was asked for is taken, or too few are free.
    """
    host = settings.metrics_host
    if (first := settings.metrics_port) is not None:
        for port in (first, first + 1):
            _require_free(host, port, "PERPS_DMA_METRICS_PORT")
        return first, first + 1
    near = chain(range(settings.port + 1, HIGHEST_PORT + 1), range(settings.port - 1, LOWEST_PORT, -1))
    found = tuple(islice((port for port in near if _is_free(host, port)), 2))
    if len(found) < 2:
        raise UpFailed(f"no port is free on {host} to serve metrics on; see PERPS_DMA_METRICS_HOST")
    return found


@dataclass(frozen=True, slots=True)
class _Kept:
    """A program that is started again when it ends."""

    name: str
    log: Path
    ended: Callable[[], Awaitable[str]]
    again: Callable[[], Awaitable[None]]


class Up:
    """Everything that `up` runs, from the first process to the last."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._settings = settings
        self._console = console
        self._url = f"{'http' if settings.tls_cert is None else 'https'}://{settings.host}:{settings.port}"
        self._metrics_ports = dict(zip(("worker", "shim"), metrics_ports(settings), strict=True))

    async def serve(self) -> None:
        """Start everything, say so, and keep it running until cancelled; then stop it in the opposite order.

        Raises BrokerUnavailable or ChildFailed, in a group, when something does not become ready.
        """
        sandbox = self._service("sandbox")
        async with AsyncExitStack() as broker_stack, self._stopped_after(sandbox):
            async with asyncio.TaskGroup() as starts:
                search = starts.create_task(self._start_broker(broker_stack))
                starts.create_task(self._start_sandbox(sandbox))
            broker = search.result()
            worker, shim = (self._service(name, broker) for name in ("worker", "shim"))
            async with self._stopped_after(worker), self._stopped_after(shim):
                await self._start_worker_and_shim(worker, shim)
                with self._announced(broker):
                    await self._keep_running(broker, sandbox, worker, shim)

    def _service(self, name: str, broker: Broker | None = None) -> Child:
        environment = os.environ | {
            "PERPS_DMA_STATE": str(self._settings.state.absolute()),
            "PERPS_DMA_PORT": str(self._settings.port),
            "PYTHONUNBUFFERED": "1",
        }
        if broker is not None:
            environment["PERPS_DMA_AMQP_URL"] = broker.url
            environment["PERPS_DMA_METRICS_PORT"] = str(self._metrics_ports[name])
        log = self._settings.state / "log" / f"{name}.log"
        return Child(name, (sys.executable, "-m", "worker.app.cli", name), environment, log)

    @asynccontextmanager
    async def _stopped_after(self, child: Child) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await child.stop(self._settings.grace_ms / 1000 + 5)

    async def _start_broker(self, stack: AsyncExitStack) -> Broker:
        broker = await stack.enter_async_context(find_broker(self._settings))
        self._say("rabbitmq", broker.description)
        return broker

    async def _start_sandbox(self, sandbox: Child) -> None:
        file = self._settings.sandbox_file
        file.unlink(missing_ok=True)
        began = monotonic()
        await sandbox.start()
        await sandbox.until(partial(_exists, file), READY_S)
        self._say("sandbox", f"venues and keys in {file} ({monotonic() - began:.1f} s)")
        self._say_displaced()

    def _say_displaced(self) -> None:
        """Which accounts are the registry's, though the sandbox has the ids. A bad registry is the worker's to tell."""
        with suppress(ConfigurationError):
            if displaced := displaced_accounts(self._settings):
                self._say("accounts", f"{', '.join(displaced)}: as {self._settings.accounts} has it, not the sandbox")

    async def _start_worker_and_shim(self, worker: Child, shim: Child) -> None:
        self._secret()  # made here if need be: the shim looks for the file
        began = monotonic()
        await worker.start()
        await shim.start()
        verify = local_client_context(self._settings)
        async with httpx.AsyncClient(base_url=self._url, timeout=2, verify=verify) as client:

            async def ready() -> bool:
                await worker.must_run()
                with suppress(httpx.TransportError):
                    return (await client.get("/readyz")).status_code == httpx.codes.OK
                return False

            await shim.until(ready, READY_S)
        self._say("worker", f"consumes, and the shim finds it ({monotonic() - began:.1f} s)")

    @contextmanager
    def _announced(self, broker: Broker) -> Iterator[None]:
        started = now()
        host = self._settings.metrics_host
        metrics = {name: f"http://{host}:{port}/metrics" for name, port in self._metrics_ports.items()}
        about = {"http": self._url, "amqp": broker.url, "broker": broker.description, "pid": os.getpid()}
        if broker.node is not None:
            about["stream"] = broker.node.stream_url
        write_private(self._settings.up_file, encode(about | {"metrics": metrics, "started": started}).decode())
        self._say("logs", str(self._settings.state / "log"))
        for what, (name, address) in zip(("metrics", ""), metrics.items(), strict=True):
            self._say(what, f"{address} ({name})")
        self._say("ready", self._url)
        if (secret := self._secret()) is not None:
            token = partial(issue_token, secret, subject="up", lifetime_s=TOKEN_LIFETIME_S, now=started)
            self._say("token", token(role="trader"))
            # Behind a # it stays in the browser: it is in no request, and in no log of a proxy.
            self._say("console", f"{self._url}{CONSOLE_PATH}#token={token(role='admin')}")
        self._say("try", "in another terminal, in this folder:")
        self._console.print(first_steps(self._settings, self._url, has_secret=secret is not None))
        try:
            yield
        finally:
            self._console.print("stopping")
            self._settings.up_file.unlink(missing_ok=True)

    def _secret(self) -> SecretStr | None:
        """What tokens are signed with, made here where nothing is set; None where others sign them."""
        if self._settings.jwt_public_key or self._settings.jwt_jwks_url:
            return None
        return self._settings.jwt_secret or SecretStr(kept_secret(self._settings.jwt_secret_file))

    async def _keep_running(self, broker: Broker, sandbox: Child, worker: Child, shim: Child) -> None:
        async def sandbox_again() -> None:
            await self._start_sandbox(sandbox)
            worker.send(signal.SIGTERM)  # its accounts name the ports of the sandbox that is gone

        kept = [_Kept(child.name, child.log, child.ended, child.start) for child in (worker, shim)]
        kept.append(_Kept(sandbox.name, sandbox.log, sandbox.ended, sandbox_again))
        if (node := broker.node) is not None:
            kept.append(_Kept("rabbitmq", node.log, node.ended, node.restart))
        async with asyncio.TaskGroup() as keepers:
            keepers.create_task(_keep_logs_short(worker, shim, sandbox))
            for one in kept:
                keepers.create_task(self._keep(one))

    async def _keep(self, kept: _Kept) -> None:
        backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            began = monotonic()
            how = await kept.ended()
            if monotonic() - began > LONGEST_PAUSE_S:
                backoff.reset()
            pause_s = backoff.next_s()
            self._say(kept.name, f"ended ({how}), starts again in {pause_s:.1f} s; the end of {kept.log}:")
            self._console.print(tail(kept.log))
            await asyncio.sleep(pause_s)
            try:
                await kept.again()
            except (BrokerUnavailable, ChildFailed) as failure:
                self._console.print(str(failure))

    def _say(self, what: str, text: str) -> None:
        self._console.print(f"{what:<9} {text}")


async def _keep_logs_short(*children: Child) -> None:
    async def rotate() -> None:
        for child in children:
            await asyncio.to_thread(child.rotate_log)

    await periodically(rotate, LOGS_S)


async def _exists(file: Path) -> bool:
    return await asyncio.to_thread(file.exists)
