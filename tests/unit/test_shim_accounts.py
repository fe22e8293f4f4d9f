"""A token that is limited to some accounts: what it may name, what it may read, and that nothing else is sent."""

import json
from decimal import Decimal
from typing import Any

import pytest

from schemas import ROUTES, Kind, Operation, Success
from schemas.book import Book, BookEntry, totals_of
from schemas.control import unknown_command
from schemas.events import Trigger
from schemas.replies import Position
from schemas.requests import MarginMode
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import (
    BOUNDS,
    PREFIX,
    SECRET,
    assert_failure,
    bearer,
    client_of,
    gate,
    now_ms,
    shim_client,
    token,
)
from worker.bus.rpc import RpcReply
from worker.messages.wire import encode
from worker.shim.app import create_app
from worker.shim.auth.claims import ClaimPaths
from worker.shim.auth.denials import Denials
from worker.shim.auth.keys import SharedSecret
from worker.shim.auth.tokens import TokenRules, Verifier

MINE, OTHER = "mine-001", "other-001"
LIMITED = bearer(token("admin", accounts=[MINE, "mine-002"]))
UNLIMITED = bearer(token("admin"))
REQUEST: dict[str, Any] = {
    "symbol": "BTC/USDT:USDT",
    "leverage": 10,
    "margin_mode": "cross",
    "asset": "USDT",
    "position_mode": "hedge",
    "amount": 10,
}

NAMING = [row for row in ROUTES if "exchange_account_id" in row.request.model_fields and not row.tells_of_all]
naming = pytest.mark.parametrize("operation", NAMING, ids=lambda row: row.name)


def named(row: dict[str, Any]) -> RpcReply:
    return RpcReply(200, json.dumps({"message": "Success", "data": row}).encode(), {})


def arguments(operation: Operation, account: str) -> dict[str, Any]:
    wanted = {name: value for name, value in REQUEST.items() if name in operation.request.model_fields}
    if operation.name == "freeze":
        wanted["reason"] = "audit"
    if "select" in operation.request.model_fields:
        wanted["select"] = "open"
    if operation.name == "apply_terms":
        wanted["force"] = True
    if "leverage" in wanted and operation.name != "set_leverage":
        del wanted["leverage"]
    return {"json" if operation.has_body else "params": {"exchange_account_id": account, **wanted}}


@naming
async def test_its_own_accounts_can_be_named(operation: Operation) -> None:
    empty = Success(message="Success", data=Book(snapshots=(), count=0, missing=(), totals=(), next_offset=0))
    told = named({operation.rows_by_account: []}) if operation.data is not Book else RpcReply(200, encode(empty), {})
    caller = InMemoryCaller({operation.name: told})
    async with shim_client(caller, **LIMITED) as client:
        response = await client.request(operation.method, PREFIX + operation.path, **arguments(operation, MINE))
    assert response.status_code == 200
    assert len(caller.asked) == 1


@pytest.mark.parametrize("account", [OTHER, "mine-00", "mine-0011", "MINE-001", "mine-001 ", "*"])
@naming
async def test_any_other_is_403_and_nothing_is_sent(operation: Operation, account: str) -> None:
    caller = InMemoryCaller({operation.name: named({})})
    for headers in ({}, {"Prefer": "respond-async"}):
        async with shim_client(caller, **LIMITED, **headers) as client:
            response = await client.request(operation.method, PREFIX + operation.path, **arguments(operation, account))
        assert "limited to others" in assert_failure(response, 403, "forbidden")["message"]
    assert caller.asked == []


async def test_an_account_that_is_named_twice_is_the_one_that_the_worker_would_take() -> None:
    caller = InMemoryCaller({"set_leverage": named({})})
    body = f'{{"exchange_account_id": "{MINE}", "symbol": "B", "leverage": 1, "exchange_account_id": "{OTHER}"}}'
    async with shim_client(caller, **LIMITED) as client:
        response = await client.post(f"{PREFIX}/leverage", content=body)
    assert_failure(response, 403, "forbidden")
    assert caller.asked == []


@pytest.mark.parametrize("scope", [{"all": True}, {"exchange": "binance"}])
async def test_a_freeze_of_more_than_an_account_takes_a_token_without_limits(scope: dict[str, Any]) -> None:
    caller = InMemoryCaller({"freeze": named({}), "unfreeze": named({})})
    async with shim_client(caller, **LIMITED) as client:
        refused = [
            await client.post(f"{PREFIX}/freeze", json={**scope, "reason": "audit"}),
            await client.delete(f"{PREFIX}/freeze", params={name: str(value).lower() for name, value in scope.items()}),
        ]
    for response in refused:
        assert "more than one account" in assert_failure(response, 403, "forbidden")["message"]
    assert caller.asked == []


@pytest.mark.parametrize("operation", [row for row in ROUTES if row.tells_of_all], ids=lambda row: row.name)
async def test_what_tells_of_all_accounts_takes_a_token_without_limits(operation: Operation) -> None:
    caller = InMemoryCaller({operation.name: named({})})
    path, why = PREFIX + operation.path.format(letter_id="c-1"), {"reason": "mended"} if operation.path_names else None
    async with shim_client(caller, **LIMITED) as client:
        assert_failure(await client.request(operation.method, path, params=why), 403, "forbidden")
    assert caller.asked == []
    async with shim_client(caller, **UNLIMITED) as client:
        assert (await client.request(operation.method, path, params=why)).status_code == 200


async def test_a_command_can_be_read_by_those_who_may_name_its_account() -> None:
    of_others = {"command_id": "7f0c", "exchange_account_id": OTHER, "message": "leverage of others"}
    caller = InMemoryCaller({"get_command": named(of_others)})
    async with shim_client(caller, **LIMITED) as client:
        response = await client.get(f"{PREFIX}/commands/7f0c")
        assert_failure(response, 404, "unknown_command")
        assert response.json()["message"] == unknown_command("7f0c").message
        assert not any(word in f"{response.text} {response.headers}" for word in ("leverage of others", OTHER))
        caller.answers["get_command"] = named({"command_id": "7f0c", "exchange_account_id": MINE})
        assert (await client.get(f"{PREFIX}/commands/7f0c")).status_code == 200
    async with shim_client(caller, **UNLIMITED) as client:
        caller.answers["get_command"] = named(of_others)
        assert (await client.get(f"{PREFIX}/commands/7f0c")).status_code == 200


async def test_who_asks_for_a_command_of_others_is_in_the_audit() -> None:
    caller = InMemoryCaller({"get_command": named({"command_id": "7f0c", "exchange_account_id": OTHER})})
    denials = Denials(caller)
    async with client_of(create_app(caller, gate(caller, denials=denials), BOUNDS), LIMITED) as client:
        await client.get(f"{PREFIX}/commands/7f0c")
    caller.answers["report_denials"] = named({"recorded": 1})
    await denials.tell(1_000)
    [denial] = json.loads(caller.asked[-1].body)["denials"]
    assert (denial["status"], denial["reason"], denial["operation"]) == (404, "account", "get_command")
    assert (denial["actor"], denial["account"]) == ("engine-7", OTHER)


LISTS = [row for row in ROUTES if row.rows_by_account and row.data is not Book]


@pytest.mark.parametrize("operation", LISTS, ids=lambda row: row.name)
async def test_of_a_list_about_accounts_it_is_shown_its_own(operation: Operation) -> None:
    rows = [{"exchange_account_id": account, "n": n} for n, account in enumerate((MINE, OTHER, MINE))]
    caller = InMemoryCaller({operation.name: named({operation.rows_by_account: rows, "count": 3})})
    async with shim_client(caller, **LIMITED) as client:
        mine = await client.get(PREFIX + operation.path)
        assert mine.json()["data"] == {operation.rows_by_account: [rows[0], rows[2]], "count": 2}
        assert OTHER not in mine.text
        assert mine.headers["content-length"] == str(len(mine.content))
        caller.answers[operation.name] = RpcReply(503, b'{"isError":true}', {})
        assert (await client.get(PREFIX + operation.path)).status_code == 503
    caller.answers[operation.name] = named({operation.rows_by_account: rows, "count": 3})
    async with shim_client(caller, **UNLIMITED) as client:
        assert (await client.get(PREFIX + operation.path)).json()["data"]["count"] == 3


def book_entry(account: str, symbol: str, notional: int) -> BookEntry:
    return BookEntry(
        exchange="binance",
        exchange_account_id=account,
        seq=1,
        as_of=1,
        trigger=Trigger.SCHEDULE,
        command_ids=(),
        coverage=("linear",),
        stale=False,
        positions=(position(symbol, account, notional),),
        epoch=1,
        confirmed=2,
        age_ms=3,
    )


def position(symbol: str, account: str, notional: int) -> Position:
    one = Decimal(1)
    return Position(
        symbol=symbol,
        side="long",
        contracts=one,
        contract_size=one,
        entry_price=one,
        mark_price=one,
        notional=Decimal(notional),
        leverage=one,
        unrealized_pnl=one,
        percentage=one,
        margin_mode=MarginMode.CROSS,
        liquidation_price=None,
        collateral=None,
        timestamp=None,
        datetime=None,
        exchange="binance",
        exchange_account_id=account,
    )


async def test_of_the_book_it_is_shown_its_own_accounts_and_totals_of_those() -> None:
    rows = (book_entry(MINE, "BTC/USDT:USDT", 10), book_entry(OTHER, "BTC/USDT:USDT", 1_000))
    book = Book(snapshots=rows, count=2, missing=(OTHER, "mine-002"), totals=totals_of(rows), next_offset=7)
    told = RpcReply(200, encode(Success(message="Success", data=book)), {})
    caller = InMemoryCaller({"get_snapshots": told})
    async with shim_client(caller, **LIMITED) as client:
        answer = await client.get(f"{PREFIX}/snapshots")
    data = Book.model_validate(answer.json()["data"])
    assert OTHER not in answer.text
    assert (data.count, data.missing, data.next_offset) == (1, ("mine-002",), 7)
    assert [(int(row.long_notional), row.accounts) for row in data.totals] == [(10, 1)]
    async with shim_client(caller, **UNLIMITED) as client:
        whole = Book.model_validate((await client.get(f"{PREFIX}/snapshots")).json()["data"])
    assert [(int(row.long_notional), row.accounts) for row in whole.totals] == [(1_010, 2)]


async def test_what_tells_of_no_account_is_open_to_it() -> None:
    caller = InMemoryCaller({"get_status": named({})})
    async with shim_client(caller, **LIMITED) as client:
        assert (await client.get(f"{PREFIX}/status")).status_code == 200
        assert (await client.get(f"{PREFIX}/capabilities")).status_code == 200


def test_every_route_is_decided() -> None:
    """Whoever adds an operation decides what a limited token may do with it."""
    decided = {row.name for row in ROUTES if row.tells_of_all or row.rows_by_account or row in NAMING}
    assert {row.name for row in ROUTES} - decided == {"get_command"}
    assert all(row in NAMING for row in ROUTES if row.kind is not Kind.CONTROL)


SAID: dict[str, tuple[dict[str, Any], frozenset[str] | None]] = {
    "no claim": ({}, None),
    "a list": ({"accounts": [MINE, OTHER]}, frozenset({MINE, OTHER})),
    "one": ({"accounts": MINE}, frozenset({MINE})),
    "an empty list": ({"accounts": []}, frozenset()),
    "nothing": ({"accounts": None}, frozenset()),
    "no text": ({"accounts": [7, {}, [MINE]]}, frozenset()),
    "an object": ({"accounts": {MINE: True}}, frozenset()),
}


@pytest.mark.parametrize(("said", "accounts"), SAID.values(), ids=SAID)
def test_a_claim_that_cant_be_understood_allows_nothing(said: dict[str, Any], accounts: frozenset[str] | None) -> None:
    assert ClaimPaths().actor(said).accounts == accounts
    nested = ClaimPaths(accounts="dma.accounts").actor({"dma": said})
    assert nested.accounts == accounts


async def test_the_claim_can_have_another_name() -> None:
    rules = TokenRules(claims=ClaimPaths(accounts="desks"))
    header = f"Bearer {token(accounts=[MINE])}"
    assert (await Verifier(SharedSecret(SECRET), rules).actor(header, now_ms())).accounts is None
    assert (await Verifier(SharedSecret(SECRET)).actor(header, now_ms())).accounts == frozenset({MINE})
