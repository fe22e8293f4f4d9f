"""The role viewer: reads all there is to read of its accounts, and changes nothing, on every route."""

from itertools import product
from typing import Any

import pytest

from schemas import HTTP_PREFIXES, OPERATIONS, ROUTES, Kind, Operation
from schemas.book import Book
from schemas.operations import CAPABILITIES_PATH, COMMANDS_EXCHANGE, CONTROL_EXCHANGE
from tests.support.in_memory_caller import InMemoryCaller
from tests.support.shim_client import PREFIX, assert_failure, bearer, shim_client, token
from tests.unit.test_shim_accounts import MINE, OTHER, arguments, named
from worker.shim.auth.tokens import ROLES

VIEWER = bearer(token("viewer"))
LIMITED_VIEWER = bearer(token("viewer", accounts=[MINE]))
LETTERS = {"get_dead_letters", "requeue_dead_letter", "drop_dead_letter"}
READING = [row for row in ROUTES if row.method == "GET" or row.kind is Kind.QUERY]
CHANGING = [row for row in ROUTES if row not in READING]


ASKING = (Kind.QUERY, "POST")
"""A question that is too long for a query string."""


def name_of(value: Any) -> str:
    return str(getattr(value, "name", value))


async def ask(operation: Operation, headers: dict[str, str], account: str, prefix: str = PREFIX) -> Any:
    """What a client is answered, and what reached the bus."""
    told: dict[str, Any] = {"command_id": "7f0c", "exchange_account_id": account}
    if operation.rows_by_account:
        told = {operation.rows_by_account: [{"exchange_account_id": account}], "count": 1}
    if operation.data is Book:
        told = {"snapshots": [], "count": 0, "missing": [account], "totals": [], "next_offset": 7}
    caller = InMemoryCaller({operation.name: named(told)})
    asked = arguments(operation, account) if names_accounts(operation) else {}
    async with shim_client(caller, **headers) as client:
        path = prefix + operation.path.format(command_id="7f0c", letter_id="7f0c")
        return await client.request(operation.method, path, **asked), caller.asked


def names_accounts(operation: Operation) -> bool:
    return "exchange_account_id" in operation.request.model_fields


@pytest.mark.parametrize(("operation", "prefix"), [*product(READING, HTTP_PREFIXES)], ids=name_of)
async def test_a_viewer_may_read_everything(operation: Operation, prefix: str) -> None:
    response, asked = await ask(operation, VIEWER, OTHER, prefix)
    assert response.status_code == 200
    assert len(asked) == 1


@pytest.mark.parametrize(("operation", "prefix"), [*product(CHANGING, HTTP_PREFIXES)], ids=name_of)
async def test_a_viewer_changes_nothing(operation: Operation, prefix: str) -> None:
    for headers in (VIEWER, LIMITED_VIEWER, {**VIEWER, "Prefer": "respond-async"}):
        response, asked = await ask(operation, headers, MINE, prefix)
        assert "this needs the role admin" in assert_failure(response, 403, "forbidden")["message"]
        assert asked == []


@pytest.mark.parametrize("operation", READING, ids=name_of)
async def test_a_viewer_that_is_limited_reads_of_its_accounts_alone(operation: Operation) -> None:
    response, _ = await ask(operation, LIMITED_VIEWER, MINE)
    assert response.status_code == (403 if operation.tells_of_all else 200)
    response, _ = await ask(operation, LIMITED_VIEWER, OTHER)
    names_no_account = bool(operation.rows_by_account) and not names_accounts(operation)
    if names_no_account and operation.name != "get_status":
        assert response.json()["data"] == {operation.rows_by_account: [], "count": 0}
    assert response.status_code == (200 if names_no_account else 404 if operation.name == "get_command" else 403)


@pytest.mark.parametrize("prefix", HTTP_PREFIXES)
@pytest.mark.parametrize("headers", [VIEWER, LIMITED_VIEWER], ids=["unlimited", "limited"])
async def test_a_viewer_may_read_what_venues_can_do(headers: dict[str, str], prefix: str) -> None:
    async with shim_client(InMemoryCaller(), **headers) as client:
        assert (await client.get(prefix + CAPABILITIES_PATH)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_no_other_method_of_any_path_does_anything_for_a_viewer(method: str) -> None:
    caller = InMemoryCaller()
    async with shim_client(caller, **VIEWER) as client:
        rows = [row for row in ROUTES if (row.kind, row.method) != ASKING]
        for path in {row.path.format(command_id="7f0c", letter_id="7f0c") for row in rows}:
            assert (await client.request(method, PREFIX + path)).status_code in (403, 405)
    assert caller.asked == []


async def test_a_viewer_that_is_a_trader_as_well_may_what_a_trader_may() -> None:
    response, _ = await ask(OPERATIONS["set_leverage"], bearer(token("viewer trader")), MINE)
    assert response.status_code == 200


def test_every_operation_is_decided() -> None:
    """The table as a person would write it down: whoever adds an operation decides for all roles."""
    assert {"viewer", "trader", "admin"} == ROLES
    assert {row.name for row in ROUTES if "viewer" in row.roles} == {row.name for row in READING}
    overseen = {"get_freezes", "freeze", "unfreeze", "get_audit", "keep_terms", "drop_terms", *LETTERS}
    assert {row.name for row in ROUTES if "trader" not in row.roles} == overseen
    assert all("admin" in row.roles for row in ROUTES)
    assert all(row.kind is not Kind.COMMAND for row in READING)


def test_the_role_leads_no_operation_to_an_exchange_of_others() -> None:
    """Strategy engines may write to the one and not to the other, whatever roles there are over HTTP."""
    controls = {row.name for row in OPERATIONS.values() if row.exchange == CONTROL_EXCHANGE}
    overseen = {"get_freezes", "freeze", "unfreeze", "get_audit", "keep_terms", "drop_terms", *LETTERS}
    assert controls == overseen | {"report_denials"}
    assert {row.exchange for row in OPERATIONS.values()} == {COMMANDS_EXCHANGE, CONTROL_EXCHANGE}
