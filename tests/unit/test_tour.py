"""The tour walks on the sandbox's accounts that are its own, and lifts no freeze but its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Unpack

import pytest

from schemas import HTTP_PREFIXES, Operation
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import BOUNDS, SECRET, client_of, gate
from worker.bus.rpc import About, RpcReply
from worker.config.settings import Settings
from worker.console.tour import (
    ACCOUNTS,
    AFTERWARDS,
    FROZEN,
    REFUSALS,
    SCOPES,
    SERVICE,
    WHILE_FROZEN,
    Step,
    Tour,
    Visit,
    require_sandbox,
    stages,
)
from worker.runtime.errors import ConfigurationError
from worker.sandbox.app.server import Sandbox
from worker.shim.app import create_app

SCOPE = f"account:{FROZEN['exchange_account_id']}"


class Freezes(InMemoryCaller):
    """A worker that keeps freezes and fails at all else. Freezes in `meddled` are there from its first failure on."""

    def __init__(self, *frozen: str) -> None:
        super().__init__()
        self.frozen = dict.fromkeys(frozen, "margin call")
        self.meddled: dict[str, str] = {}

    async def call(self, operation: Operation, body: bytes, **about: Unpack[About]) -> RpcReply:
        request = json.loads(body)
        match operation.name:
            case "freeze":
                changed = SCOPE not in self.frozen
                self.frozen.setdefault(SCOPE, request["reason"])
                return done({"scope": SCOPE, "frozen": True, "changed": changed})
            case "unfreeze":
                del self.frozen[SCOPE]
                return done({"scope": SCOPE, "frozen": False, "changed": True})
            case "get_freezes":
                rows = [
                    {"scope": scope, "reason": reason, "actor": None, "since": 1}
                    for scope, reason in self.frozen.items()
                ]
                return done({"freezes": rows, "count": len(rows)})
        self.frozen |= self.meddled
        raise NotImplementedError(operation.name)


def done(data: dict[str, Any]) -> RpcReply:
    body = {"isError": False, "message": "Success", "statusCode": 200, "data": data}
    return RpcReply(200, json.dumps(body).encode(), {})


@asynccontextmanager
async def touring(worker: Freezes, kind: type[Tour] = Tour) -> AsyncIterator[Tour]:
    async with client_of(create_app(worker, gate(worker), BOUNDS), {}) as client:
        yield kind(client, Settings(state=Path("/nonexistent"), jwt_secret=SECRET))


@pytest.mark.parametrize("scope", sorted(SCOPES))
async def test_it_does_not_begin_while_something_is_frozen_that_it_would_meet(scope: str) -> None:
    worker = Freezes(scope)
    async with touring(worker) as tour:
        with pytest.raises(ConfigurationError, match=f"frozen: {scope}.*has changed nothing"):
            await tour.require_free()
    assert worker.frozen == {scope: "margin call"}


async def test_a_freeze_of_others_that_it_does_not_meet_is_no_matter() -> None:
    worker = Freezes("account:binance-perp-001")
    async with touring(worker) as tour:
        await tour.require_free()
        await tour.frozen((), HTTP_PREFIXES[0])
    assert worker.frozen == {"account:binance-perp-001": "margin call"}


async def test_a_freeze_that_was_set_between_the_look_and_its_own_stays() -> None:
    worker = Freezes(SCOPE)
    async with touring(worker) as tour:
        [visit] = await tour.frozen(WHILE_FROZEN, HTTP_PREFIXES[0])
    assert visit.fault == "somebody else has frozen it meanwhile"
    assert worker.frozen == {SCOPE: "margin call"}


async def test_a_freeze_that_took_the_place_of_its_own_stays() -> None:
    worker = Freezes()
    worker.meddled = {SCOPE: "margin call"}
    async with touring(worker) as tour:
        *_, last = await tour.frozen(WHILE_FROZEN, HTTP_PREFIXES[0])
    assert last.fault == "the freeze in force is not the tour's any more, and stays"
    assert worker.frozen == {SCOPE: "margin call"}


class Interrupted(BaseException):
    """As Ctrl-C is."""


class CutShort(Tour):
    async def visit(self, step: Step, prefix: str) -> Visit:
        if step.operation == "set_leverage":
            raise Interrupted
        return await super().visit(step, prefix)


async def test_its_own_freeze_is_lifted_though_the_tour_is_cut_short() -> None:
    worker = Freezes()
    async with touring(worker, CutShort) as tour:
        with pytest.raises(Interrupted):
            await tour.frozen(WHILE_FROZEN, HTTP_PREFIXES[0])
    assert worker.frozen == {}


async def test_it_needs_the_sandbox(tmp_path: Path) -> None:
    settings = Settings(state=tmp_path)
    with pytest.raises(ConfigurationError, match="make up"):
        require_sandbox(settings)
    async with Sandbox() as sandbox:
        told = sandbox.describe()
    settings.sandbox_file.write_text(json.dumps(told))
    require_sandbox(settings)
    told["accounts"] = [row for row in told["accounts"] if row["id"] not in ACCOUNTS]
    settings.sandbox_file.write_text(json.dumps(told))
    with pytest.raises(ConfigurationError, match="the sandbox, which has no binance-pm-tour-001"):
        require_sandbox(settings)


async def test_a_real_account_under_the_name_of_one_of_its_own_does_not_help(tmp_path: Path) -> None:
    registry = tmp_path / "accounts.toml"
    tables = (f'[accounts.{name}]\nexchange = "bybit"\napi_key = "env:X"\nsecret = "env:X"\n' for name in ACCOUNTS)
    registry.write_text("\n".join(tables))
    with pytest.raises(ConfigurationError):
        require_sandbox(Settings(state=tmp_path, accounts=registry))


def test_nothing_that_it_asks_for_is_about_an_account_of_others() -> None:
    steps = [*REFUSALS, *SERVICE, *WHILE_FROZEN, *AFTERWARDS]
    steps.extend(step for _, _, stage in stages() for step in stage)
    named = {step.request.get("exchange_account_id") for step in steps} - {None}
    assert named - ACCOUNTS == {"nobody"}
