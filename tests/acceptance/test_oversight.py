"""`perps-dma status` and `perps-dma command` on a running service, and what `/readyz` tells."""

import json
from dataclasses import replace
from uuid import uuid4

import httpx

from tests.acceptance.conftest import RunningUp, Venue

TO_10X = '{"exchange_account_id": "binance-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 10}'
VENUES = ["binance", "bybit", "gate", "hyperliquid", "okx"]


async def test_status_shows_people_that_it_is_ready_and_how_the_venues_fare(running_up: RunningUp) -> None:
    ended = await running_up.cli("status")
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0].startswith("worker  ")
    assert lines[0].endswith("  ready")
    assert "ledger  writes" in lines
    venues = [line.split()[:3] for line in lines[-5:]]
    assert [(venue, markets) for venue, _, markets in venues] == [(venue, "loaded") for venue in VENUES]
    assert {health for _, health, _ in venues} <= {"up", "failing"}  # other tests let a venue fail


async def test_status_and_readyz_tell_programs_the_same(running_up: RunningUp) -> None:
    told = json.loads((await running_up.cli("status", "--json")).out)
    assert set(told) == {
        "worker",
        "ready",
        "ledger_writes",
        "ledger_problem",
        "audit_head",
        "outbox",
        "venues",
        "accounts",
        "streams",
        "limits",
        "registry_problem",
        "doubts",
        "freezes",
    }
    async with httpx.AsyncClient(base_url=running_up.http) as client:
        ready = (await client.get("/readyz")).json()
    assert (ready["ready"], ready["worker"], ready["ledger"]) == (True, told["worker"], True)
    assert ready["venues"] == told["venues"]
    assert [row["exchange"] for row in told["venues"]] == VENUES


async def test_command_tells_what_became_of_one(running_up: RunningUp, venue: Venue) -> None:
    command_id = str(uuid4())
    await running_up.cli("send", "set_leverage", TO_10X, "--id", command_id)
    told = json.loads((await running_up.cli("command", command_id, "--json")).out)
    assert (told["command_id"], told["state"], told["outcome"]) == (command_id, "finished", "applied")
    shown = await running_up.cli("command", command_id)
    assert shown.code == 0
    rows = {words[0]: " ".join(words[1:]) for line in shown.out.splitlines() if (words := line.split())}
    assert (rows["outcome"], rows["message"]) == ("applied", "Leverage set to 10x for BTC/USDT:USDT")
    assert rows["finished"].endswith("Z")


async def test_a_command_that_nobody_knows_fails_and_says_why_that_may_be(running_up: RunningUp) -> None:
    for more in ((), ("--json",)):
        ended = await running_up.cli("command", "never-sent", *more)
        assert (ended.code, ended.out) == (1, "")
        assert "perps-dma: no command never-sent is known: it has not reached a worker yet" in ended.err


async def test_without_a_running_up_they_say_how_to_start_one(running_up: RunningUp) -> None:
    environment = {**running_up.environment, "PERPS_DMA_STATE": str(running_up.state / "nowhere")}
    elsewhere = replace(running_up, environment=environment)
    for command in (("status",), ("doubts",), ("freezes",), ("command", "1"), ("freeze", "--all", "--reason", "audit")):
        ended = await elsewhere.cli(*command)
        assert (ended.code, ended.out) == (1, "")
        assert "make up" in ended.err
