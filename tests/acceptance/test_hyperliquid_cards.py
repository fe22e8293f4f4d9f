"""Cards for Hyperliquid alone: many dexes, fills that share a trade, answers in sentences. Played as users would."""

from typing import Any

import pytest

from tests.acceptance.test_cards import ROUTE, Table, table
from worker.console.seeded import SEEDED, Seeded

__all__ = ["table"]

BTC, SHORT, GOLD = "BTC/USDC:USDC", "SOL/USDC:USDC", "XYZ-GOLD/USDC:USDC"


@pytest.fixture
def seeded() -> Seeded:
    return SEEDED["hyperliquid"]


async def play(table: Table, params: dict[str, str], body: Any, **more: Any) -> None:
    """Have the venue answer so, as long as nothing else is said."""
    await table.venue.misbehave(fault="status", path="/info", params=params, body=body, times=None, **more)


def fill(coin: str, tid: int, oid: int, direction: str = "Close Long") -> dict[str, Any]:
    amounts = {"px": "1.0", "sz": "1.0", "closedPnl": "1.5", "fee": "0.0", "startPosition": "1.0"}
    about = {"side": "A", "hash": "0x0", "crossed": True, "feeToken": "USDC", "twapId": None}
    return {**amounts, **about, "coin": coin, "time": 1_790_000_000_000, "dir": direction, "tid": tid, "oid": oid}


async def test_a_dex_that_cannot_be_read_is_named_and_the_others_are_told(table: Table) -> None:
    await play(table, {"type": "clearinghouseState", "dex": "xyz"}, None, status=500)
    response = await table.api.get(f"{ROUTE}/positions", params={"exchange_account_id": table.seeded.account})
    assert response.status_code == 200
    assert {row["symbol"] for row in response.json()["data"]["positions"]} == {BTC, SHORT}
    assert response.headers["coverage"] == "main, flx"
    assert response.headers["coverage-unread"].startswith("xyz: ")
    assert "500" in response.headers["coverage-unread"]


async def test_fills_that_share_a_trade_and_those_of_the_venue_itself_are_all_told(table: Table) -> None:
    rows = [
        *(fill(coin, 7, oid) for coin in ("BTC", "ETH") for oid in (1, 2)),
        *(fill("BTC", 0, oid, "Settlement") for oid in (3, 4, 5)),
        fill("ETH", 0, 0, "Auto-Deleveraging"),
        fill("BTC", 8, 9, "Nobody Heard Of This"),
        fill("@107", 0, 0, "Spot Dust Conversion"),
    ]
    await play(table, {"type": "userFillsByTime"}, rows)
    data = await table.get("/realized-pnl", since=0)
    assert data["count"] == 9
    assert {entry["symbol"] for entry in data["entries"]} == {BTC, "ETH/USDC:USDC"}


async def test_a_history_is_walked_by_its_cursor(table: Table) -> None:
    parameters: dict[str, str | int] = {"exchange_account_id": table.seeded.account, "since": 0, "limit": 900}
    found: list[str] = []
    while parameters:
        response = await table.api.get(f"{ROUTE}/funding-history", params=parameters)
        assert response.status_code == 200, response.text
        found += [payment["id"] for payment in response.json()["data"]["payments"]]
        cursor = response.headers.get("next-cursor")
        parameters = parameters | {"cursor": cursor} if cursor else {}
    assert len(found) == len(set(found)) == 30 * 24 * 3


async def test_a_sentence_that_nobody_knows_is_read_back(table: Table) -> None:
    answer = {"status": "err", "response": "Something that no table has"}
    await table.venue.misbehave(fault="status", path="/exchange", body=answer, apply=True)
    response = await table.post("/leverage", symbol=BTC, leverage=13)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied")
    assert (await table.leverage(BTC))["leverage"] == 13
