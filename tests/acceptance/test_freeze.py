"""Promise 7 on a running service: an admin's freeze stops changes, keeps reads, survives a kill, and is told."""

import asyncio
import getpass
import json
import os
import signal
from collections.abc import AsyncIterator

import httpx
import pytest

from tests.acceptance.conftest import READY_S, RunningUp, Venue
from tests.support.processes import service
from tests.support.strategy import Strategy

ROUTE = "/oems/execution"
BTC = "BTC/USDT:USDT"
ACCOUNT, SAME_VENUE, OTHER_VENUE = "binance-perp-001", "binance-pm-001", "okx-perp-001"
CHANGE = "/fapi/v1/leverage"
READS = {"exchange_account_id": ACCOUNT, "symbol": BTC}


@pytest.fixture
async def admin(running_up: RunningUp, venue: Venue) -> AsyncIterator[httpx.AsyncClient]:
    """An HTTP client with an admin's token. Whatever is frozen behind the test is lifted."""
    token = (await running_up.cli("token", "--role", "admin")).out.strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as client:
        yield client
        for row in (await client.get(f"{ROUTE}/freeze")).json()["data"]["freezes"]:
            kind, _, name = row["scope"].partition(":")
            field = {"account": "exchange_account_id", "exchange": "exchange", "all": "all"}[kind]
            (await client.delete(f"{ROUTE}/freeze", params={field: name or "true"})).raise_for_status()


async def change(client: httpx.AsyncClient, account: str = ACCOUNT) -> httpx.Response:
    """Ask for a change of leverage."""
    return await client.post(f"{ROUTE}/leverage", json={"exchange_account_id": account, "symbol": BTC, "leverage": 7})


async def assert_frozen(client: httpx.AsyncClient, venue: Venue, why: str) -> None:
    """A change is refused with the reason, ends as rejected, and the venue hears nothing; reads go on."""
    before = await venue.changes()
    response = await change(client)
    assert (response.status_code, response.headers["Outcome"]) == (423, "rejected")
    assert response.json()["error"]["code"] == "frozen"
    assert f"{why}; nothing was sent" in response.json()["message"]
    assert await venue.changes() == before
    assert (await client.get(f"{ROUTE}/leverage", params=READS)).status_code == 200


SCOPES = {
    "account": (("--account", ACCOUNT), {SAME_VENUE: 200, OTHER_VENUE: 200}),
    "venue": (("--exchange", "binance"), {SAME_VENUE: 423, OTHER_VENUE: 200}),
    "all": (("--all",), {SAME_VENUE: 423, OTHER_VENUE: 423}),
}


@pytest.mark.usefixtures("admin")
@pytest.mark.parametrize(("scope", "others"), SCOPES.values(), ids=SCOPES)
async def test_a_freeze_stops_changes_in_its_scope_alone_until_it_is_lifted(
    running_up: RunningUp,
    trader: httpx.AsyncClient,
    venue: Venue,
    scope: tuple[str, ...],
    others: dict[str, int],
) -> None:
    frozen = await running_up.cli("freeze", *scope, "--reason", "key leaked")
    assert (frozen.code, frozen.err) == (0, "")
    assert frozen.out.endswith("is frozen\n")
    await assert_frozen(trader, venue, "key leaked")
    assert {account: (await change(trader, account)).status_code for account in others} == others
    lifted = await running_up.cli("unfreeze", *scope)
    assert (lifted.code, lifted.out.endswith("is not frozen\n")) == (0, True)
    assert (await change(trader)).status_code == 200
    assert CHANGE in await venue.changes()


async def test_a_freeze_outlives_a_worker_that_is_killed(
    running_up: RunningUp, trader: httpx.AsyncClient, admin: httpx.AsyncClient, venue: Venue
) -> None:
    await running_up.cli("freeze", "--account", ACCOUNT, "--reason", "audit")
    killed = (await trader.get("/readyz")).json()["worker"]
    os.kill(service(json.loads((running_up.state / "up.json").read_text())["pid"], "worker"), signal.SIGKILL)
    async with asyncio.timeout(READY_S):
        while (await trader.get("/readyz")).json()["worker"] in (None, killed):  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(0.05)
    await assert_frozen(trader, venue, "audit")
    freezes = json.loads((await running_up.cli("freezes", "--json")).out)
    assert [(row["scope"], row["reason"]) for row in freezes] == [(f"account:{ACCOUNT}", "audit")]


async def test_every_change_is_told_with_who_did_it(
    running_up: RunningUp, admin: httpx.AsyncClient, strategy: Strategy
) -> None:
    await running_up.cli("freeze", "--exchange", "okx", "--reason", "maintenance", "--as", "ann")
    told = await strategy.told("freeze", scope="exchange:okx", frozen=True)
    assert (told["reason"], told["actor"]) == ("maintenance", "ann")
    await running_up.cli("unfreeze", "--exchange", "okx")
    told = await strategy.told("freeze", scope="exchange:okx", frozen=False)
    assert told["actor"] == getpass.getuser()


async def test_freezes_lists_what_is_frozen(running_up: RunningUp, admin: httpx.AsyncClient) -> None:
    assert (await running_up.cli("freezes")).out == "nothing is frozen\n"
    await running_up.cli("freeze", "--account", ACCOUNT, "--reason", "key [leaked]", "--as", "ann")
    for command in ("freezes", "status"):
        ended = await running_up.cli(command)
        assert ended.code == 0
        assert all(word in ended.out for word in (f"account:{ACCOUNT}", "ann", "key [leaked]"))


async def test_what_was_so_before_is_said_and_is_no_failure(running_up: RunningUp, admin: httpx.AsyncClient) -> None:
    for _ in range(2):
        ended = await running_up.cli("freeze", "--all", "--reason", "audit")
    assert (ended.code, ended.out) == (0, "all is frozen, as it was before\n")


REFUSED = {
    "no scope": (("unfreeze",), "one of --account ID, --exchange NAME and --all"),
    "two scopes": (("unfreeze", "--all", "--exchange", "okx"), "one of --account ID, --exchange NAME and --all"),
    "an unknown account": (("unfreeze", "--account", "nobody"), "no account 'nobody' is registered"),
    "an unknown venue": (("freeze", "--exchange", "nyse", "--reason", "audit"), "exchange must be 'binance', 'bybit'"),
}


@pytest.mark.parametrize(("arguments", "problem"), REFUSED.values(), ids=REFUSED)
async def test_a_freeze_of_nothing_in_particular_fails_and_says_what_is_wrong(
    running_up: RunningUp, admin: httpx.AsyncClient, arguments: tuple[str, ...], problem: str
) -> None:
    ended = await running_up.cli(*arguments)
    assert ended.code == 1
    assert problem in ended.err
    assert (await running_up.cli("freezes")).out == "nothing is frozen\n"


async def test_only_admins_freeze_over_http(trader: httpx.AsyncClient, admin: httpx.AsyncClient, venue: Venue) -> None:
    request = {"exchange": "binance", "reason": "audit"}
    refused = [
        await trader.post(f"{ROUTE}/freeze", json=request),
        await trader.get(f"{ROUTE}/freeze"),
        await trader.delete(f"{ROUTE}/freeze", params={"exchange": "binance"}),
    ]
    assert [response.status_code for response in refused] == [403, 403, 403]
    assert (await change(trader)).status_code == 200
    done = (await admin.post(f"{ROUTE}/freeze", json=request)).json()["data"]
    assert done == {"scope": "exchange:binance", "frozen": True, "changed": True, "under_way": []}
    await assert_frozen(trader, venue, "audit")


async def test_why_a_freeze_is_lifted_is_told_and_kept(running_up: RunningUp, strategy: Strategy) -> None:
    await running_up.cli("freeze", "--account", ACCOUNT, "--reason", "key leaked")
    await running_up.cli("unfreeze", "--account", ACCOUNT, "--reason", "key changed")
    assert (await strategy.told("freeze", frozen=False, scope=f"account:{ACCOUNT}"))["reason"] == "key changed"
    rows = json.loads((await running_up.cli("audit", "--limit", "20", "--json")).out)
    lifted = next(row for row in rows if row["action"] == "unfreeze")  # denials of others may be noted meanwhile
    assert (lifted["subject"], lifted["details"]["reason"]) == (f"account:{ACCOUNT}", "key changed")
