"""No secret reaches a log line, an event, a reply, a dead letter, a metric, the ledger or a terminal, whatever fails.

The canaries are the keys of all accounts and of their streams, the passwords of broker and ledger, the secret of the
tokens, and the tokens.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import asyncpg
import httpx
import jwt
import pytest
from aio_pika.abc import AbstractIncomingMessage
from pydantic import AmqpDsn

from schemas import HTTP_PREFIXES, OPERATIONS
from schemas import Kind as OperationKind
from schemas.operations import EVENTS_LOG
from tests.faults.node import Node
from tests.faults.stage import PRODUCTION, Stage, staged, until
from tests.support.canaries import SIGNED_HEADERS, Canaries, forms, of_accounts, of_streams
from tests.support.forks import perps_dma
from tests.support.postgres import PostgresServer
from tests.support.processes import free_port, listening_ports
from tests.support.strategy import Strategy
from tests.unit.test_masking import WRITINGS
from worker.accounts.account import Account
from worker.bus.dead_letters import hold_dead_letters
from worker.config.settings import Settings
from worker.console.accounts.checks import check_accounts
from worker.console.accounts.listing import show_accounts
from worker.console.service.dead_letters import show_letters
from worker.console.service.status import show_status
from worker.runtime.child import Child
from worker.runtime.clock import now
from worker.sandbox.server.faults import Fault, Kind
from worker.sandbox.server.streams import StreamFault

SYMBOLS: Mapping[str, str] = {"hyperliquid": "BTC/USDC:USDC"}
SYMBOL = "BTC/USDT:USDT"

VENUE_TIMEOUT_MS, DEADLINE_MS = 300, 2_500
PATIENCE_S = 60
LONG_AGO = 1_000_000_000
WITHOUT_LEDGER = "ledger_unavailable"

MISPLACED = secrets.token_urlsafe(32)
"""A secret in a request, where none belongs. Its dead letter keeps it, as it keeps all of a message."""

EVERY_FAULT: Mapping[Kind, Mapping[str, Any]] = {
    "delay": {"delay_ms": 2 * VENUE_TIMEOUT_MS},
    "status": {"status": 502},
    "reset": {},
    "reset_mid_body": {},
    "html": {},
    "empty": {},
    "too_large": {},
}
"""Every kind of fault, with what makes it one."""


@dataclass(slots=True)
class Sinks:
    """Whatever came out, by where."""

    stage: Stage
    texts: dict[str, list[str]] = field(default_factory=dict)

    def keep(self, sink: str, *texts: object) -> None:
        """Keep what came out somewhere."""
        self.texts.setdefault(sink, []).extend(map(str, texts))

    async def ask_everything(self, strategy: Strategy, turn: int) -> None:
        """Ask for all that an account of each venue can do, at once, and wait for all answers.

        Every turn takes other accounts of the venues: their limits are kept for each by itself.
        """
        requests = [request for account in self.chosen(turn) for request in _requests(account)]
        for operation, body in requests:
            await strategy.publish(operation, body, reply=True, headers={"deadline": now() + DEADLINE_MS})
        async with asyncio.timeout(PATIENCE_S):
            for _ in requests:
                reply = await strategy.replies.get()
                self.keep("replies", reply.body.decode(), reply.headers)

    def chosen(self, turn: int) -> Iterable[Account]:
        """One account of each venue."""
        for venue in self.stage.sandbox.desks:
            accounts = [account for account in self.stage.sandbox.accounts if account.exchange == venue]
            yield accounts[turn % len(accounts)]


def _requests(account: Account) -> Iterable[tuple[str, dict[str, Any]]]:
    values = {
        "exchange_account_id": account.id,
        "symbol": SYMBOLS.get(account.exchange, SYMBOL),
        "leverage": 2 + secrets.randbelow(8),
        "margin_mode": secrets.choice(("cross", "isolated")),
        "asset": "USDT",
    }
    for name, operation in OPERATIONS.items():
        fields = operation.request.model_fields
        if operation.kind is not OperationKind.CONTROL and (account.portfolio_margin or not name.startswith("pm_")):
            yield name, {field: values[field] for field in fields if field in values}


@dataclass(frozen=True, slots=True)
class Deployment:
    """A worker and a shim in front of the sandbox, on a broker and a ledger with passwords."""

    stage: Stage
    environment: Mapping[str, str]
    ledger_url: str
    http: str
    pids: tuple[int, ...]

    async def cli(self, *arguments: str, **settings: str) -> str:
        """What a command prints, on both its outputs."""
        async with asyncio.timeout(PATIENCE_S):
            ended = await perps_dma(*arguments, environment={**self.environment, **settings})
        return ended.out + ended.err


@pytest.fixture
async def deployment(breakable: str, postgres: PostgresServer, tmp_path: Path) -> AsyncIterator[Deployment]:
    """All of it, logging at DEBUG."""
    ledger_url, port = await postgres.database(), free_port()
    async with staged(breakable, tmp_path) as stage:
        stage.lift_limits()
        settings = {
            "PERPS_DMA_LEDGER_URL": ledger_url,
            "PERPS_DMA_JWT_SECRET": secrets.token_urlsafe(48),
            "PERPS_DMA_LOG_LEVEL": "debug",
            "PERPS_DMA_STREAMS": "on",
            "PERPS_DMA_LOG_FORMAT": "json",
            "PERPS_DMA_VENUE_TIMEOUT_MS": str(VENUE_TIMEOUT_MS),
            "PERPS_DMA_PORT": str(port),
        }
        worker = stage.worker(*PRODUCTION, **settings, PERPS_DMA_METRICS_PORT=str(free_port()))
        await worker.start()
        shim = Child(
            "shim",
            (sys.executable, "-m", "worker.app.cli", "shim"),
            {**worker.environment, "PERPS_DMA_LOG_FORMAT": "text", "PERPS_DMA_METRICS_PORT": str(free_port())},
            tmp_path / "shim.log",
        )
        await shim.start()
        http = f"http://127.0.0.1:{port}"
        try:
            await shim.until(lambda: answers(f"{http}/readyz"), PATIENCE_S)
            assert worker.process is not None
            others = {name: value for name, value in worker.environment.items() if name != "PERPS_DMA_METRICS_PORT"}
            yield Deployment(stage, others, ledger_url, http, (worker.process.pid, shim.pid))
        finally:
            await shim.stop(10)


async def answers(url: str) -> bool:
    """Whether a page is there."""
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(url)).status_code == httpx.codes.OK
    return False


def misbehaviours(stage: Stage) -> Iterable[list[Fault]]:
    """Every fault of the sandbox, one after the other, and a venue that repeats what it was sent."""
    for kind, more in EVERY_FAULT.items():
        # The first request may be carried out, as a client can't tell; those behind it are not.
        yield [Fault.model_validate({"fault": kind, "apply": apply, "times": 3, **more}) for apply in (True, False)]
    yield [
        Fault(fault="status", status=status, account=account.id, times=3, body={"code": -2014, "msg": _echo(account)})
        for account in stage.sandbox.accounts
        for status in (200, 401, 503)
    ]


def _echo(account: Account) -> str:
    """Its credentials, written in every way."""
    credentials = filter(None, map(account.reveal, ("api_key", "secret", "passphrase")))
    written = " ".join(writing(credential) for credential in credentials for writing in WRITINGS.values())
    return f"no such key: {written}; signature={'f' * 64}"


async def through_every_fault_of_the_sandbox(deployment: Deployment, sinks: Sinks) -> None:
    desks = deployment.stage.sandbox.desks.values()
    async with Strategy.connected(deployment.stage.url) as strategy:
        for turn, faults in enumerate(misbehaviours(deployment.stage)):
            for desk in desks:
                desk.faults.clear()
                for fault in faults:
                    desk.faults.add(fault)
            await sinks.ask_everything(strategy, turn)
        for desk in desks:
            desk.faults.clear()
            desk.venue.clock.offset = 3_600_000
        await sinks.ask_everything(strategy, turn)
        for desk in desks:
            desk.venue.clock.offset = 0


def frames_with(key: str) -> Iterable[str]:
    """Frames that hold a listen key where it may be taken for something else."""
    yield "{" + key
    yield json.dumps({"e": key})
    yield json.dumps({"stream": "another", "data": {"e": key}})
    yield json.dumps({"e": "ACCOUNT_UPDATE", "a": {"m": key, "P": [{"s": key, "mt": key}]}})
    yield json.dumps({"e": "MARGIN_CALL", "E": key, "p": [{"s": key}]})
    yield json.dumps({"error": {"code": 2, "msg": f"Invalid request: {key}"}, "id": 1})


async def through_every_fault_of_the_streams(deployment: Deployment) -> None:
    """A venue that repeats the keys of its streams: in frames, in the reason of a close, in answers to requests."""
    desk = deployment.stage.sandbox.desks["binance"]
    await until(lambda: len(of_streams(deployment.stage.sandbox)) > 0)
    for status, ending in ((400, "drop"), (503, "close"), (400, "order")):
        key, *others = of_streams(deployment.stage.sandbox).values()
        known = 1 + len(others)
        answer = {"code": -1125, "msg": f"This listenKey {key} does not exist."}
        desk.faults.add(Fault(fault="status", status=status, method="POST", path="/fapi/v1/listenKey", body=answer))
        for frame in frames_with(key):
            desk.streams.order(StreamFault(fault="malformed", text=frame))
        desk.streams.order(StreamFault(fault=ending, reason=key, name="expire_key"))
        desk.streams.order(StreamFault(fault="order", name="expire_key"))
        await until(lambda: len(of_streams(deployment.stage.sandbox)) > known)  # noqa: B023 - waited for in here
    await until(lambda: not desk.faults.pending)


async def with_a_misplaced_secret(deployment: Deployment, sinks: Sinks) -> None:
    """A secret where a request has something else is not repeated."""
    async with Strategy.connected(deployment.stage.url) as strategy:
        for wrong in ({"leverage": MISPLACED}, {"secret": MISPLACED}, {"market_type": MISPLACED}):
            body = {"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 5, **wrong}
            envelope, _ = await strategy.ask("set_leverage", body)
            assert envelope["statusCode"] == 400
            sinks.keep("replies", envelope)
            letter = await strategy.dead_letter(await strategy.publish("set_leverage", body))
            sinks.keep("dead letters", letter.headers)


def tokens_of(secret: str) -> dict[str, str]:
    """Two tokens that are good, and some that are refused, each for a reason of its own."""
    claims = {"sub": "ann", "role": "trader", "exp": now() // 1000 + 600}
    return {
        "of a trader": jwt.encode(claims, secret, algorithm="HS256"),
        "of an admin": jwt.encode({**claims, "role": "admin"}, secret, algorithm="HS256"),
        "expired": jwt.encode({**claims, "exp": LONG_AGO}, secret, algorithm="HS256"),
        "of no role": jwt.encode({**claims, "role": "nobody"}, secret, algorithm="HS256"),
        "forged": jwt.encode(claims, secrets.token_urlsafe(48), algorithm="HS256"),
        "unsigned": jwt.encode(claims, "", algorithm="none"),
        "no token": secrets.token_urlsafe(24),
    }


async def over_http(deployment: Deployment, sinks: Sinks, tokens: Mapping[str, str]) -> None:
    path = f"{HTTP_PREFIXES[0]}/positions"
    query = {"exchange_account_id": "binance-perp-001"}
    async with httpx.AsyncClient(base_url=deployment.http, timeout=PATIENCE_S) as client:
        for token in tokens.values():
            for scheme in ("Bearer", "bearer ", "Basic"):
                answer = await client.get(path, params=query, headers={"Authorization": f"{scheme} {token}"})
                sinks.keep("answers", answer.text, answer.headers)
            answer = await client.get(path, params={**query, "access_token": token})
            sinks.keep("answers", answer.text, answer.headers)
        for port in set[int]().union(*map(listening_ports, deployment.pids)):
            for page in ("/readyz", "/healthz", "/metrics"):
                answer = await client.get(f"http://127.0.0.1:{port}{page}")
                sinks.keep("pages", answer.text, answer.headers)
    assert any("perps_dma_commands_total{" in page for page in sinks.texts["pages"])


async def without_the_ledger(deployment: Deployment, sinks: Sinks) -> None:
    """The ledger throws everybody out and lets nobody in, while commands come."""
    name = urlsplit(deployment.ledger_url).path[1:]
    connection = await asyncpg.connect(deployment.ledger_url.removesuffix(name) + "postgres")
    async with Strategy.connected(deployment.stage.url) as strategy:
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        await connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
        asking = asyncio.create_task(sinks.ask_everything(strategy, 0))
        [worker] = deployment.stage.workers
        await until(lambda: worker.said(WITHOUT_LEDGER) > 0)
        await connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        await asking
    await connection.close()


async def while_the_broker_restarts(deployment: Deployment, node: Node) -> None:
    for account in deployment.stage.sandbox.accounts:
        symbol = SYMBOLS.get(account.exchange, SYMBOL)
        await deployment.stage.publish("set_leverage", account.id, symbol=symbol, leverage=3)
    await node.restart()
    async with asyncio.timeout(PATIENCE_S):
        while not await answers(f"{deployment.http}/readyz"):
            pass


async def on_a_terminal(deployment: Deployment, sinks: Sinks, capsys: pytest.CaptureFixture[str]) -> None:
    """What the commands print, and what programs say that can't start."""
    settings = Settings(state=deployment.stage.state, amqp_url=AmqpDsn(deployment.stage.url))
    capsys.readouterr()
    for as_json in (False, True):
        await show_accounts(settings, as_json=as_json)
        await check_accounts(settings, [], regions=False, as_json=as_json)
        await show_status(settings, as_json=as_json)
        await show_letters(settings, as_json=as_json)
    sinks.keep("terminal", *capsys.readouterr())
    nowhere = f"amqp://dma:{MISPLACED}@127.0.0.1:{free_port()}/"
    denied = deployment.ledger_url.replace("dma:", f"dma:{MISPLACED}")
    said = (
        await deployment.cli("shim", PERPS_DMA_AMQP_URL=nowhere),
        await deployment.cli("worker", PERPS_DMA_LEDGER_URL=denied),
    )
    assert "the broker can't be reached" in said[0]
    assert "password authentication failed" in said[1]
    sinks.keep("terminal", *said)


async def written_down(deployment: Deployment, sinks: Sinks) -> None:
    """The ledger, the events, the dead letters and the logs, all of them."""
    connection = await asyncpg.connect(deployment.ledger_url)
    tables = await connection.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    for (table,) in tables:
        sinks.keep("ledger", *map(dict, await connection.fetch(f'SELECT * FROM "{table}"')))
    await connection.close()
    async with hold_dead_letters(deployment.stage.url) as held:
        # A dead letter is the sender's message, so what the sender wrote into it stays there.
        sinks.keep("dead letters", *(letter.message.headers for letter in held.letters))
    await every_event(deployment, sinks)
    for log in deployment.stage.state.glob("*.log"):
        sinks.keep(log.name, log.read_text())


async def every_event(deployment: Deployment, sinks: Sinks) -> None:
    """The events from the first to one that is the last."""
    async with Strategy.connected(deployment.stage.url) as strategy:
        await strategy.ask("freeze", {"exchange": "okx", "reason": "the end"})
        await strategy.channel.set_qos(prefetch_count=200)
        inbox = asyncio.Queue[AbstractIncomingMessage]()
        log = await strategy.channel.get_queue(EVENTS_LOG)
        await log.consume(inbox.put, arguments={"x-stream-offset": "first"})
        async with asyncio.timeout(PATIENCE_S):
            while b"the end" not in (event := await inbox.get()).body:
                await event.ack()
                sinks.keep("events", event.body.decode(), event.headers)


@pytest.mark.timeout(300)
async def test_no_secret_reaches_any_sink(
    deployment: Deployment, node: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, sinks = deployment.environment["PERPS_DMA_JWT_SECRET"], Sinks(deployment.stage)
    tokens = tokens_of(secret)
    passwords = {
        "broker": urlsplit(deployment.stage.url).password or "",
        "ledger": urlsplit(deployment.ledger_url).password or "",
        "misplaced": MISPLACED,
        "jwt secret": secret,
    }
    signatures = {
        f"signature of {name}": token.rpartition(".")[2] for name, token in tokens.items() if token[-1] != "."
    }
    await through_every_fault_of_the_sandbox(deployment, sinks)
    await through_every_fault_of_the_streams(deployment)
    await with_a_misplaced_secret(deployment, sinks)
    await over_http(deployment, sinks, tokens)
    await without_the_ledger(deployment, sinks)
    await while_the_broker_restarts(deployment, node)
    await on_a_terminal(deployment, sinks, capsys)
    await written_down(deployment, sinks)

    keys = of_accounts(deployment.stage.sandbox.accounts) | of_streams(deployment.stage.sandbox)
    canaries = Canaries.of(keys | passwords | signatures, tokens)
    leaked = {sink: found for sink, texts in sinks.texts.items() if (found := canaries.found("\n".join(texts)))}
    assert leaked == {}
    written = "\n".join(text for texts in sinks.texts.values() for text in texts)
    assert [name for name in SIGNED_HEADERS if name in written] == []
    for sink in ("replies", "answers", "events", "ledger", "dead letters", "worker0.log", "shim.log"):
        assert len(sinks.texts[sink]) > 0


def test_no_kind_of_fault_is_left_out() -> None:
    assert set(EVERY_FAULT) == set(get_args(Kind))


def test_the_search_finds_every_form_of_a_secret() -> None:
    secret = "0x" + secrets.token_hex(32)
    canaries = Canaries.of({"key": secret}, {})
    for form in forms(secret):
        assert canaries.found(f'{{"event": "command_finished", "key": "{form}"}}') == {"key"}
    assert canaries.found("a line about nothing") == set()
