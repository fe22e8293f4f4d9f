"""A risk desk that starts late: the whole book in one request, and the events from there on, without a gap."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from schemas import HTTP_PREFIXES
from schemas.book import Book
from tests.acceptance.conftest import RunningUp, Venue

PREFIX = HTTP_PREFIXES[0]
ACCOUNT, BTC = "binance-perp-001", "BTC/USDT:USDT"
ENOUGH_S = 30

Told = tuple[int, str, dict[str, Any]]
"""An event as it came: its id, its name, its JSON."""


@asynccontextmanager
async def following(
    client: httpx.AsyncClient, query: dict[str, str], last: int | None = None
) -> AsyncIterator[AsyncIterator[Told]]:
    """The events, as any client of Server-Sent Events reads them."""
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    async with client.stream("GET", f"{PREFIX}/events", params=query, headers=headers, timeout=ENOUGH_S) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield _events(answer)


async def _events(answer: httpx.Response) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        name, _, value = line.partition(": ")
        if line:
            fields[name] = value
        elif "data" in fields:
            yield int(fields["id"]), fields["event"], json.loads(fields["data"])
            fields = {}


async def set_leverage(client: httpx.AsyncClient, leverage: int, **headers: str) -> None:
    body = {"exchange_account_id": ACCOUNT, "symbol": BTC, "leverage": leverage}
    (await client.post(f"{PREFIX}/leverage", json=body, headers=headers)).raise_for_status()


async def whole_book(client: httpx.AsyncClient) -> Book:
    answer = await client.get(f"{PREFIX}/snapshots")
    return Book.model_validate(answer.raise_for_status().json()["data"])


async def test_the_book_is_followed_without_a_gap_from_where_it_says(trader: httpx.AsyncClient) -> None:
    await set_leverage(trader, 21)
    book = await whole_book(trader)
    while ACCOUNT in book.missing or not book.snapshots:
        book = await whole_book(trader)
    known = next(row for row in book.snapshots if row.exchange_account_id == ACCOUNT)
    for leverage in (22, 23, 24):
        await set_leverage(trader, leverage)
    place, seen = (known.epoch, known.seq), known.positions
    async with (
        following(trader, {"types": "positions", "from": str(book.next_offset)}) as events,
        asyncio.timeout(ENOUGH_S),
    ):
        async for _, name, event in events:
            data = event["data"]
            if data["exchange_account_id"] != ACCOUNT or (event["epoch"], data["seq"]) <= place:
                continue
            assert name == "positions"
            assert (event["epoch"], data["seq"]) == (place[0], place[1] + 1)
            place, seen = (event["epoch"], data["seq"]), data["positions"]
            if next(row["leverage"] for row in seen if row["symbol"] == BTC) == 24:
                break


async def test_who_comes_back_goes_on_behind_the_last_event_it_has(trader: httpx.AsyncClient) -> None:
    names = [f"back-{number}" for number in range(4)]
    for number, name in enumerate(names):
        await set_leverage(trader, 30 + number, **{"Idempotency-Key": name})
    wanted: dict[str, str] = {"types": "result", "account": ACCOUNT}
    found: list[tuple[int, str]] = []
    async with asyncio.timeout(ENOUGH_S):
        async with following(trader, {**wanted, "from": "5m"}) as events:
            async for offset, _, event in events:
                if (name := event["data"]["command_id"]) in names:
                    found.append((offset, name))
                    break
        async with following(trader, wanted, found[0][0]) as events:
            async for offset, _, event in events:
                found.append((offset, event["data"]["command_id"]))
                if found[-1][1] == names[-1]:
                    break
    assert [name for _, name in found] == names


async def test_only_what_is_asked_for_is_told(trader: httpx.AsyncClient) -> None:
    await set_leverage(trader, 40)
    body = {"exchange_account_id": ACCOUNT, "symbol": BTC, "leverage": 999}
    refused = await trader.post(f"{PREFIX}/leverage", json=body, headers={"Idempotency-Key": "far-too-high"})
    assert refused.headers["outcome"] == "rejected"
    query = {"types": "result", "outcome": "rejected", "account": ACCOUNT, "from": "5m"}
    async with following(trader, query) as events, asyncio.timeout(ENOUGH_S):
        async for _, name, event in events:
            assert (name, event["data"]["outcome"]) == ("result", "rejected")
            if event["data"]["command_id"] == "far-too-high":
                break


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"types": "results"}, "there is no event results"),
        ({"from": "yesterday"}, "an age like 15m"),
        ({"outcome": "fine"}, "outcome"),
        ({"acount": ACCOUNT}, "acount"),
    ],
)
async def test_what_is_not_understood_is_refused(trader: httpx.AsyncClient, query: dict[str, str], word: str) -> None:
    answer = await trader.get(f"{PREFIX}/events", params=query)
    assert answer.status_code == 400
    assert word in answer.json()["message"]


async def test_an_account_that_there_is_not_is_404(trader: httpx.AsyncClient) -> None:
    answer = await trader.get(f"{PREFIX}/events", params={"account": "binance-prep-001"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_account")


async def test_who_has_no_token_follows_nothing(running_up: RunningUp) -> None:
    async with httpx.AsyncClient(base_url=running_up.http) as client:
        assert (await client.get(f"{PREFIX}/events")).status_code == 401


async def test_a_token_that_is_limited_is_told_of_its_own_accounts_alone(
    running_up: RunningUp, trader: httpx.AsyncClient, venue: Venue
) -> None:
    token = (await running_up.cli("token", "--role", "trader", "--account", "okx-perp-001")).out.strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=running_up.http, headers=headers, timeout=ENOUGH_S) as limited:
        assert (await limited.get(f"{PREFIX}/events", params={"account": ACCOUNT})).status_code == 403
        async with following(limited, {"types": "result"}) as events, asyncio.timeout(ENOUGH_S):
            await set_leverage(trader, 50)
            body = {"exchange_account_id": "okx-perp-001", "symbol": BTC, "leverage": 9}
            (await trader.post(f"{PREFIX}/leverage", json=body)).raise_for_status()
            async for _, _, event in events:
                assert event["data"]["exchange_account_id"] == "okx-perp-001"
                break
