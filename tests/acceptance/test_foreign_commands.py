"""An id is one command's, on every channel and for everybody; who may not name its account learns nothing of it."""

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Body, Strategy

ROUTE = "/oems/execution"
MINE, OTHER = "binance-perp-001", "binance-hedge-001"
TO_9X: Body = {"symbol": "BTC/USDT:USDT", "leverage": 9}
OF_OTHER: Body = {"exchange_account_id": OTHER, **TO_9X}


@pytest.fixture
async def limited(running_up: RunningUp, venue: Venue) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose token is for one account, in a name of its own."""
    subject = f"engine-{uuid4()}"
    token = (await running_up.cli("token", "--role", "trader", "--subject", subject, "--account", MINE)).out.strip()
    headers = {"Authorization": f"Bearer {token}", "Subject": subject}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as client:
        yield client


def bare(response: httpx.Response, command_id: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """A response without what differs from any request to the next."""
    moving = {b"date", b"traceparent", b"command-id"}
    headers = [(name, b"" if name.lower() in moving else value) for name, value in response.headers.raw]
    return response.status_code, headers, response.content.replace(command_id.encode(), b"ID")


async def test_a_command_of_others_looks_like_none(
    limited: httpx.AsyncClient, trader: httpx.AsyncClient, strategy: Strategy
) -> None:
    of_others, of_nobody = str(uuid4()), str(uuid4())
    done = await trader.post(f"{ROUTE}/leverage", json=OF_OTHER, headers={"Idempotency-Key": of_others})
    assert done.status_code == 200
    assert (await trader.get(f"{ROUTE}/commands/{of_others}")).json()["data"]["exchange_account_id"] == OTHER
    for headers in ({}, {"Prefer": "wait=5"}):
        one, none = [
            bare(await limited.get(f"{ROUTE}/commands/{command_id}", headers=headers), command_id)
            for command_id in (of_others, of_nobody)
        ]
        assert one == none
        assert one[0] == 404
    told = await strategy.told("denial", actor=limited.headers["subject"])
    assert (told["status"], told["reason"], told["operation"], told["account"], told["count"]) == (
        *(404, "account", "get_command", OTHER),
        2,
    )


async def test_who_uses_the_id_of_others_is_told_that_it_is_used_and_nothing_more(
    limited: httpx.AsyncClient, trader: httpx.AsyncClient, strategy: Strategy, venue: Venue
) -> None:
    of_others = str(uuid4())
    await trader.post(f"{ROUTE}/leverage", json=OF_OTHER, headers={"Idempotency-Key": of_others})
    before = await venue.changes()
    key = {"Idempotency-Key": of_others}
    told = await limited.post(f"{ROUTE}/leverage", json={"exchange_account_id": MINE, **TO_9X}, headers=key)
    assert (told.status_code, told.json()["error"]["details"]) == (409, {"command_id": of_others})
    assert not any(word in f"{told.text} {told.headers}" for word in (OTHER, "applied", "hedge", "leverage", "BTC"))
    assert (await limited.post(f"{ROUTE}/leverage", json=OF_OTHER, headers=key)).status_code == 403
    assert await venue.changes() == before
    denial = await strategy.told("denial", actor=limited.headers["subject"], status=409)
    assert (denial["reason"], denial["operation"], denial["account"]) == ("command_id", "set_leverage", MINE)


async def test_an_id_is_one_command_over_http_and_on_the_bus(
    trader: httpx.AsyncClient, strategy: Strategy, venue: Venue, running_up: RunningUp
) -> None:
    command_id = str(uuid4())
    first = await trader.post(f"{ROUTE}/leverage", json=OF_OTHER, headers={"Idempotency-Key": command_id})
    before = await venue.changes()
    again, _ = await strategy.ask("set_leverage", OF_OTHER, message_id=command_id)
    assert again == first.json()
    user = httpx.URL(running_up.amqp).username
    another = {"message_id": command_id, "user_id": user, "headers": {"actor": f"desk-{command_id}"}}
    conflict, _ = await strategy.ask("set_leverage", {**OF_OTHER, "leverage": 8}, **another)
    assert (conflict["statusCode"], conflict["error"]["details"]) == (409, {"command_id": command_id})
    assert await venue.changes() == before
    denial = await strategy.told("denial", actor=f"desk-{command_id}")
    assert (denial["status"], denial["reason"], denial["account"]) == (409, "command_id", OTHER)
    assert await entries_of(running_up, f"desk-{command_id}") == [("denial", "set_leverage", 409)]


async def entries_of(running_up: RunningUp, actor: str) -> list[tuple[str, str, int]]:
    shown: list[dict[str, Any]] = json.loads((await running_up.cli("audit", "--limit", "1000", "--json")).out)
    return [(row["action"], row["subject"], row["details"]["status"]) for row in shown if row["actor"] == actor]


async def test_a_viewer_reads_on_a_running_service_and_changes_nothing(running_up: RunningUp, venue: Venue) -> None:
    token = (await running_up.cli("token", "--role", "viewer", "--account", MINE)).out.strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as client:
        reads = [
            (await client.get(f"{ROUTE}/positions", params={"exchange_account_id": account})).status_code
            for account in (MINE, OTHER)
        ]
        change = await client.post(f"{ROUTE}/leverage", json={"exchange_account_id": MINE, **TO_9X})
    assert (reads, change.status_code) == ([200, 403], 403)
    assert await venue.changes() == []
