"""A registry that changes under a running worker: nobody restarts anything, and no command is lost or done twice."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from schemas import OPERATIONS
from schemas.control import Exchange
from tests.support.operation_queues import emptied
from tests.support.strategy import Body, Strategy
from worker.accounts.account import Account, Accounts
from worker.accounts.registry import read_registry, sources_of
from worker.accounts.sealing import add_key, read_keys
from worker.app.bootstrap import open_venues, running_worker
from worker.app.registry_watch import RegistryWatch
from worker.bus.rpc import RpcClient, connect_rpc
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.runtime.background import in_background
from worker.runtime.clock import now
from worker.sandbox.app.server import Sandbox
from worker.venues.limits import Limits

PATIENCE_S = 20
LEVERAGE = "/v5/position/set-leverage"


@dataclass(slots=True)
class Registry:
    """A registry whose accounts are the sandbox's, with their secrets in files, as they are mounted."""

    folder: Path
    sandbox: Sandbox
    tables: dict[str, dict[str, str]] = field(default_factory=dict)
    more: str = ""

    @property
    def path(self) -> Path:
        return self.folder / "accounts.toml"

    @property
    def keys(self) -> Path:
        return self.folder / "keys"

    def account(self, name: str, exchange: Exchange, keys_of: str) -> None:
        """Register an account with the keys that an account of the sandbox has."""
        self.tables[name] = {"exchange": exchange, "api_key": "", "secret": ""}
        self.secrets(name, keys_of)

    def secrets(self, name: str, keys_of: str) -> None:
        """Mount the keys of an account of the sandbox as those of a registered one."""
        owner = next(account for account in self.sandbox.accounts if account.id == keys_of)
        for credential in ("api_key", "secret"):
            (self.folder / f"{name}-{credential}").write_text(owner.reveal(credential))
            self.tables[name][credential] = f"file:{self.folder / f'{name}-{credential}'}"

    def write(self) -> None:
        draft = self.path.with_suffix(".draft")
        draft.write_text("".join((self.more, *(_table(name, fields) for name, fields in self.tables.items()))))
        draft.replace(self.path)

    def read(self) -> tuple[Account, ...]:
        """The accounts of the registry, at the sandbox's addresses."""
        return tuple(
            account.model_copy(update={"base_url": self.sandbox.base_urls[account.exchange]})
            for account in read_registry(self.path, str(self.keys))
        )


def _table(name: str, fields: dict[str, str]) -> str:
    return f"[accounts.{name}]\n" + "".join(f'{key} = "{value}"\n' for key, value in fields.items())


@dataclass(frozen=True, slots=True)
class Floor:
    """The registry, the worker's accounts, a client, and somebody who hears all events."""

    registry: Registry
    accounts: Accounts
    settings: Settings
    rpc: RpcClient
    strategy: Strategy

    async def call(self, operation: str, body: Body) -> Body:
        content, deadline = json.dumps(body).encode(), now() + 20_000
        answer = await self.rpc.call(OPERATIONS[operation], content, command_id=str(uuid4()), deadline=deadline)
        envelope: Body = json.loads(answer.body)
        return envelope

    async def ask(self, account: str, operation: str = "get_leverage", **fields: object) -> Body:
        return await self.call(operation, {"exchange_account_id": account, "symbol": "BTC/USDT:USDT", **fields})

    async def answers(self, account: str) -> int:
        """The status that a query of an account is answered with."""
        return int((await self.ask(account))["statusCode"])

    async def status(self) -> Body:
        data: Body = (await self.call("get_status", {}))["data"]
        return data

    async def received(self, command_id: str) -> bool:
        return not (await self.call("get_command", {"command_id": command_id}))["isError"]

    def changes(self) -> list[str | None]:
        """Who asked Bybit for another leverage, in order."""
        entries = self.registry.sandbox.desks["bybit"].journal.entries
        return [entry.account for entry in entries if entry.path == LEVERAGE]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():  # noqa: ASYNC110 - files and workers announce nothing
            await asyncio.sleep(0.02)


async def served(floor: Floor, *names: str) -> None:
    """Returns when these accounts are served."""

    async def are() -> bool:
        return list(floor.accounts) == list(names)

    await until(are)


@asynccontextmanager
async def waiting(floor: Floor) -> AsyncIterator[list[str]]:
    """Commands that wait for their turn meanwhile, since another worker holds the account, and go on at the end."""
    async with open_ledger(floor.settings.ledger) as another, another.commands.alone("ours"):
        bodies = ({"exchange_account_id": "ours", "symbol": "BTC/USDT:USDT", "leverage": x} for x in (11, 12, 13))
        commands = [await floor.strategy.publish("set_leverage", body) for body in bodies]
        for command in commands:
            await until(partial(floor.received, command))
        yield commands


async def outcomes(floor: Floor, commands: list[str]) -> list[str]:
    """How commands ended."""
    return [(await floor.strategy.event("result", command))["outcome"] for command in commands]


@pytest.fixture
async def floor(amqp_url: str, tmp_path: Path) -> AsyncIterator[Floor]:
    await emptied(amqp_url)
    settings = Settings(amqp_url=amqp_url, state=tmp_path, snapshot_interval_ms=1_000, timeout_ms=20_000)
    async with Sandbox() as sandbox, Strategy.connected(amqp_url) as strategy:
        registry = Registry(tmp_path, sandbox)
        registry.account("ours", "bybit", "bybit-perp-001")
        registry.write()
        accounts = Accounts(registry.read())
        watch = RegistryWatch(accounts, registry.read, partial(sources_of, registry.path, str(registry.keys)), 0.05)
        async with (
            open_venues(accounts, 5_000, Limits(), settings.markets_reload_s) as venues,
            running_worker(settings, accounts, venues.adapter, venues.watch),
            in_background(watch.run(venues.prepare)),
            connect_rpc(amqp_url, "tests") as rpc,
        ):
            yield Floor(registry, accounts, settings, rpc, strategy)


async def test_an_account_that_is_added_is_served_with_its_venue_and_its_snapshots(floor: Floor) -> None:
    assert (await floor.ask("new"))["statusCode"] == 404
    floor.registry.account("new", "okx", "okx-perp-001")
    floor.registry.tables["new"]["passphrase"] = f"file:{floor.registry.folder / 'phrase'}"
    owner = next(account for account in floor.registry.sandbox.accounts if account.id == "okx-perp-001")
    (floor.registry.folder / "phrase").write_text(owner.reveal("passphrase"))
    floor.registry.write()

    await served(floor, "ours", "new")
    assert await floor.answers("new") == 200
    assert (await floor.ask("new", "set_leverage", leverage=7))["data"]["leverage"] == 7
    assert (await floor.strategy.told("positions", exchange_account_id="new", stale=False))["exchange"] == "okx"
    status = await floor.status()
    assert (status["accounts"], [venue["exchange"] for venue in status["venues"]]) == (2, ["bybit", "okx"])


async def test_guardrails_are_in_force_as_they_are_written_also_for_what_waits(floor: Floor) -> None:
    async def limited(highest: int) -> bool:
        return floor.accounts["ours"].guardrails.max_leverage == highest

    async with waiting(floor) as commands:
        floor.registry.more = "[guardrails]\nmax_leverage = 12\n"
        floor.registry.write()
        await until(partial(limited, 12))
    assert await outcomes(floor, commands) == ["applied", "applied", "rejected"]
    assert (await floor.ask("ours", "set_leverage", leverage=13))["error"]["code"] == "guardrail"
    floor.registry.more = "[guardrails]\nmax_leverage = 0\n"
    floor.registry.write()

    async def told() -> bool:
        return "guardrails.max_leverage" in ((await floor.status())["registry_problem"] or "")

    await until(told)
    assert (await floor.ask("ours", "set_leverage", leverage=13))["error"]["code"] == "guardrail"
    assert len(floor.changes()) == 2


async def test_a_mounted_secret_that_is_rotated_takes_effect(floor: Floor) -> None:
    secret = floor.registry.folder / "ours-secret"
    right = secret.read_text()
    for written, status in (("another secret", 409), (right, 200)):
        secret.write_text(written)

        async def answers(expected: int = status) -> bool:
            return await floor.answers("ours") == expected

        await until(answers)


async def test_a_credential_that_is_sealed_meanwhile_is_the_same(floor: Floor) -> None:
    add_key(floor.registry.keys)
    ours = floor.accounts["ours"]
    sealed = read_keys(str(floor.registry.keys)).seal(ours.reveal("secret"), "ours", "secret")
    floor.registry.tables["ours"]["secret"] = sealed
    floor.registry.account("new", "bybit", "bybit-perp-001")
    floor.registry.write()
    await served(floor, "ours", "new")
    assert floor.accounts["ours"] is ours
    assert (await floor.ask("ours"))["statusCode"] == 200


async def test_an_account_that_is_removed_is_refused_and_its_waiting_commands_are_finished_once(floor: Floor) -> None:
    floor.registry.account("other", "gate", "gate-perp-001")
    floor.registry.write()
    await served(floor, "ours", "other")
    async with waiting(floor) as commands:
        del floor.registry.tables["ours"]
        floor.registry.write()
        await served(floor, "other")
        assert (await floor.ask("ours", "set_leverage", leverage=9))["statusCode"] == 404
        assert [venue["exchange"] for venue in (await floor.status())["venues"]] == ["gate"]
        assert floor.changes() == []
    assert await outcomes(floor, commands) == ["applied"] * 3
    assert floor.changes() == ["bybit-perp-001"] * 3


async def test_commands_that_wait_when_a_key_changes_are_sent_once_each_with_the_new_one(floor: Floor) -> None:
    newer = floor.registry.sandbox.open_account("bybit", id="bybit-newer")

    async def is_in_force() -> bool:
        return all(floor.accounts["ours"].reveal(name) == newer.reveal(name) for name in ("api_key", "secret"))

    async with waiting(floor) as commands:
        floor.registry.secrets("ours", newer.id)
        await until(is_in_force)
        assert floor.changes() == []
    assert await outcomes(floor, commands) == ["applied"] * 3
    assert floor.changes() == ["bybit-newer"] * 3


async def test_a_broken_registry_leaves_the_accounts_in_force_and_status_says_why(floor: Floor) -> None:
    text = floor.registry.path.read_text()
    floor.registry.path.write_text(text + '[accounts.next]\nexchange = "bybit"\nsecret = "in the clear"\n')

    async def is_told() -> bool:
        return (await floor.status())["registry_problem"] is not None

    await until(is_told)
    problem = (await floor.status())["registry_problem"]
    assert "account 'next': secret: must be a reference" in problem
    assert "in the clear" not in problem
    assert (await floor.ask("ours"))["statusCode"] == 200
    floor.registry.path.write_text(text)

    async def is_over() -> bool:
        return (await floor.status())["registry_problem"] is None

    await until(is_over)
