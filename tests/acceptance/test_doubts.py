"""A running service ends doubts by itself: nobody sends anything again, and everybody hears what is in force."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Strategy
from tests.support.venues import DESCRIBED
from worker.console.seeded import SEEDED, Seeded

ROUTE, PM_ACCOUNT = "/oems/execution", "binance-pm-001"
Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Obscured:
    """A venue that carries out a change, tells nobody, and is then silent for as long as a test wants."""

    venue: Venue
    api: httpx.AsyncClient

    async def changes(self, path: str) -> int:
        """How many changes it was asked for."""
        return (await self.venue.changes()).count(path)

    async def unknown(self, route: str, path: str, body: Body) -> httpx.Response:
        """The answer to a change that came through."""
        await self.venue.misbehave(method="POST", path=path, fault="status", status=504, apply=True, delay_ms=300)
        asking = asyncio.create_task(self.api.post(ROUTE + route, json=body))
        while not await self.changes(path):  # noqa: ASYNC110 - the venue is another process
            await asyncio.sleep(0.01)
        await self.venue.misbehave(fault="html", times=1_000)
        response = await asking
        assert (response.status_code, response.headers["Outcome"]) == (502, "unknown")
        return response

    async def doubts(self) -> list[Body]:
        """What a trader is told to be in doubt."""
        doubts: list[Body] = (await self.api.get(f"{ROUTE}/doubts")).json()["data"]["doubts"]
        return doubts


@pytest.fixture
async def obscured(running_up: RunningUp, trader_token: str, seeded: Seeded) -> AsyncIterator[Obscured]:
    """The venue of an account, as seeded."""
    headers = {"Authorization": f"Bearer {trader_token}"}
    async with (
        httpx.AsyncClient(base_url=f"{running_up.control_urls[seeded.exchange]}/") as control,
        httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=30) as api,
    ):
        (await control.post("reset")).raise_for_status()
        yield Obscured(Venue(control), api)
        (await control.post("reset")).raise_for_status()


@pytest.mark.parametrize("seeded", SEEDED.values(), ids=str)
async def test_a_setting_is_read_again_when_the_venue_answers_and_its_end_is_told(
    obscured: Obscured, strategy: Strategy, seeded: Seeded
) -> None:
    path = DESCRIBED[seeded.exchange].set_leverage
    body = {"exchange_account_id": seeded.account, "symbol": seeded.held, "leverage": 8}
    response = await obscured.unknown("/leverage", path, body)
    command_id = response.headers["Command-Id"]
    details = response.json()["error"]["details"]
    assert (details["exchange_account_id"], details["symbol"]) == (seeded.account, seeded.held)
    assert details["wanted"] == {"leverage": 8}
    (doubt,) = [row for row in await obscured.doubts() if row["command_id"] == command_id]
    assert (doubt["symbol"], doubt["wanted"], doubt["since"]) == (seeded.held, {"leverage": 8}, details["since"])
    await obscured.venue.client.delete("faults")
    told = await strategy.event("doubt", command_id)
    assert (told["in_force"]["leverage"], told["as_wanted"], told["confirmed_by"]) == (8, True, "read_back")
    assert (told["settled_by"], told["since"]) == (None, details["since"])
    assert command_id not in [row["command_id"] for row in await obscured.doubts()]
    command = (await obscured.api.get(f"{ROUTE}/commands/{command_id}")).json()["data"]
    assert (command["outcome"], command["doubt"], command["resolution"]) == ("unknown", None, told)
    assert await obscured.changes(path) == 1


@pytest.mark.long
@pytest.mark.parametrize("seeded", [SEEDED["binance"]], ids=str)
async def test_people_see_it_in_every_place_they_look(
    running_up: RunningUp, obscured: Obscured, strategy: Strategy, seeded: Seeded
) -> None:
    body = {"exchange_account_id": seeded.account, "symbol": seeded.held, "leverage": 4}
    response = await obscured.unknown("/leverage", DESCRIBED["binance"].set_leverage, body)
    command_id = response.headers["Command-Id"]
    doubts, status, command = await asyncio.gather(
        running_up.cli("doubts"), running_up.cli("status"), running_up.cli("command", command_id)
    )
    for shown in (doubts, status):
        assert f"{seeded.account}  {seeded.held}  leverage 4  20" in shown.out
        assert command_id in shown.out
    assert f"{seeded.account} {seeded.held}, wanted leverage 4, since 20" in command.out
    (told,) = [
        row for row in json.loads((await running_up.cli("doubts", "--json")).out) if row["command_id"] == command_id
    ]
    assert told["wanted"] == {"leverage": 4}
    await obscured.venue.client.delete("faults")
    await strategy.event("doubt", command_id)
    assert f"{seeded.held} is at 4x cross, as was wanted" in (await running_up.cli("command", command_id)).out


@pytest.mark.long
@pytest.mark.parametrize("seeded", [SEEDED["binance"]], ids=str)
async def test_a_sweep_is_not_sent_again_and_the_balances_are_told(
    obscured: Obscured, strategy: Strategy, seeded: Seeded
) -> None:
    path = "/papi/v1/auto-collection"
    response = await obscured.unknown("/portfolio-margin/auto-collection", path, {"exchange_account_id": PM_ACCOUNT})
    assert "look at the balances with pm_get_balance" in response.json()["message"]
    await obscured.venue.client.delete("faults")
    told = await strategy.event("doubt", response.headers["Command-Id"])
    account = {"exchange_account_id": PM_ACCOUNT}
    balances = (await obscured.api.get(f"{ROUTE}/portfolio-margin/balance", params=account)).json()["data"]["assets"]
    assert told["balances"] == balances
    assert (told["in_force"], told["as_wanted"], told["wanted"]) == (None, None, {"collected": "all but BNB"})
    assert await obscured.changes(path) == 1
