"""Any answer of a venue can be played through a running service, and what is told of it is true."""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningUp, Venue

PERP, BTC = "binance-perp-001", "BTC/USDT:USDT"
FUNDING, POSITIONS, MODE, LEVERAGE = (
    f"/oems/execution/{path}" for path in ("funding-history", "positions", "margin-mode", "leverage")
)
ABOUT: dict[str, Any] = {"exchange_account_id": PERP, "symbol": BTC}
HAS_ORDERS = {"code": -4067, "msg": "Position side cannot be changed if there exists open orders."}


async def test_a_refusal_of_what_is_so_already_is_no_refusal(trader: httpx.AsyncClient, venue: Venue) -> None:
    path = "/fapi/v1/marginType"
    await venue.misbehave(method="POST", path=path, fault="status", status=400, body=HAS_ORDERS, times=None)
    so = await trader.post(MODE, json=ABOUT | {"margin_mode": "cross"})
    assert (so.status_code, so.headers["outcome"]) == (200, "unchanged")
    other = await trader.post(MODE, json=ABOUT | {"margin_mode": "isolated"})
    assert (other.status_code, other.headers["outcome"]) == (409, "precondition_failed")
    assert other.json()["error"]["venue_code"] == "-4067"


@pytest.mark.parametrize(("apply", "outcome"), [(True, "applied"), (False, "unknown")])
async def test_a_code_in_no_table_refuses_nothing_for_certain(
    trader: httpx.AsyncClient, venue: Venue, apply: bool, outcome: str
) -> None:
    body = {"code": -99_999, "msg": "Nobody knows."}
    await venue.misbehave(
        method="POST", path="/fapi/v1/leverage", fault="status", status=400, body=body, apply=apply, times=None
    )
    answer = await trader.post(LEVERAGE, json=ABOUT | {"leverage": 33})
    assert answer.headers["outcome"] == outcome
    if not apply:
        assert answer.json()["error"]["venue_code"] == "-99999"


async def test_a_family_that_is_barred_hides_no_other_and_is_named(trader: httpx.AsyncClient, venue: Venue) -> None:
    barred = {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."}
    for path in ("/dapi/v1/positionRisk", "/dapi/v1/account"):
        await venue.misbehave(path=path, fault="status", status=401, body=barred, times=None)
    await venue.misbehave(path="/dapi/v1/income", fault="status", status=401, body=barred, times=None)
    positions = await trader.get(POSITIONS, params={"exchange_account_id": PERP})
    assert (positions.status_code, positions.headers["coverage"]) == (200, "linear")
    assert positions.headers["coverage-unread"].startswith("inverse: Binance says 'Invalid API-key")
    assert positions.json()["data"]["count"] > 0
    funding = await trader.get(FUNDING, params={"exchange_account_id": PERP, "since": 0})
    assert funding.json()["data"]["count"] > 0
    assert "inverse" in funding.headers["coverage-unread"]
    assert not {"coverage-from", "coverage-to"} & funding.headers.keys()


async def test_a_history_is_walked_from_cursor_to_cursor(trader: httpx.AsyncClient) -> None:
    asked: dict[str, Any] = {"exchange_account_id": PERP, "since": 0, "limit": 400}
    everything = (await trader.get(FUNDING, params=asked | {"limit": 100_000})).json()["data"]["payments"]
    walked: list[Any] = []
    while True:
        page = await trader.get(FUNDING, params=asked)
        walked += page.json()["data"]["payments"]
        assert {"coverage-from", "coverage-to"} <= page.headers.keys()
        if "next-cursor" not in page.headers:
            break
        asked["cursor"] = page.headers["next-cursor"]
    assert len(walked) > 400
    assert walked == everything


@pytest.mark.parametrize("cursor", ["nonsense", "a b", "x" * 5_000])
async def test_a_cursor_that_is_none_is_refused(trader: httpx.AsyncClient, cursor: str) -> None:
    answer = await trader.get(FUNDING, params={"exchange_account_id": PERP, "cursor": cursor})
    assert answer.status_code == 400


async def test_a_list_of_markets_is_played_by_a_hangup_of_the_worker(
    trader: httpx.AsyncClient, venue: Venue, running_up: RunningUp
) -> None:
    await venue.misbehave(path="/fapi/v1/exchangeInfo", fault="status", body={"symbols": [odd_market()]}, times=1)
    os.kill(_worker_of(running_up), signal.SIGHUP)
    await _until(trader, "BTC/USDT:USDT", 404)
    os.kill(_worker_of(running_up), signal.SIGHUP)
    await _until(trader, "BTC/USDT:USDT", 200)


def odd_market() -> dict[str, Any]:
    return {"symbol": "ODDUSDT", "contractType": "PERPETUAL", "status": "TRADING"}


async def _until(trader: httpx.AsyncClient, symbol: str, status: int) -> None:
    answers = set[int]()
    for _ in range(100):
        answers.add((await trader.get(LEVERAGE, params=ABOUT | {"symbol": symbol})).status_code)
        if status in answers:
            return
        await asyncio.sleep(0.1)  # nobody tells when a list was loaded
    raise AssertionError(f"{symbol} answered {answers}, never {status}")


def _worker_of(running: RunningUp) -> int:
    """The process id of the worker of a running `up`: the one with its state folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            environment = (process / "environ").read_bytes()
        except OSError:
            continue
        state = f"PERPS_DMA_STATE={running.state}".encode()
        if command.endswith(b"worker.app.cli\0worker\0") and state in environment.split(b"\0"):
            return int(process.name)
    raise AssertionError("no worker runs")
