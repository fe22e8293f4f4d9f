"""What people see on a real terminal of 80, 100 and 120 columns: every number of what a program would get, in full."""

import asyncio
import json
import re
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from schemas.base import utc_text
from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Strategy
from tests.support.terminal import shown_on_terminal
from worker.runtime.clock import now

WIDTHS = (80, 100, 120)

widths = pytest.mark.parametrize("columns", WIDTHS)


async def screen(running_up: RunningUp, columns: int, *arguments: str) -> str:
    command = (sys.executable, "-m", "worker.app.cli", *arguments)
    return await shown_on_terminal(columns, *command, environment=running_up.environment)


OTHERWISE = frozenset({"info", "updateTime"})
"""Fields that are not for people, or differ from answer to answer."""


def numbers(document: Any) -> Iterator[str]:
    """Every number of a document, as it is written."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name not in OTHERWISE:
                yield from numbers(value)
    elif isinstance(document, list):
        for value in document:
            yield from numbers(value)
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield str(document)


def missing(shown: str, wanted: Iterator[str]) -> list[str]:
    """The numbers that do not stand on the screen as words of their own."""
    return [number for number in wanted if not re.search(rf"(?<![\w.-]){re.escape(number)}(?![\d.])", shown)]


def widest(shown: str) -> int:
    return max(map(len, shown.splitlines()))


@widths
@pytest.mark.parametrize("account", ["binance-hedge-001", "bybit-perp-001", "gate-perp-001", "hyperliquid-vault-001"])
async def test_send_get_positions_shows_every_number(
    running_up: RunningUp, venue: Venue, columns: int, account: str
) -> None:
    request = json.dumps({"exchange_account_id": account})
    answer = json.loads((await running_up.cli("send", "get_positions", request, "--json")).out)
    shown = await screen(running_up, columns, "send", "get_positions", request)
    assert answer["data"]["count"]
    assert missing(shown, numbers(answer["data"])) == []
    assert widest(shown) <= columns


@widths
async def test_nested_balances_show_every_number(running_up: RunningUp, venue: Venue, columns: int) -> None:
    request = json.dumps({"exchange_account_id": "binance-pm-001"})
    for operation in ("pm_get_balance", "pm_get_account"):
        answer = json.loads((await running_up.cli("send", operation, request, "--json")).out)
        shown = await screen(running_up, columns, "send", operation, request)
        assert missing(shown, numbers(answer["data"])) == []


PEOPLES = ("contracts", "entry_price", "mark_price", "liquidation_price", "unrealized_pnl", "leverage")


@widths
async def test_positions_of_all_accounts_show_every_number(running_up: RunningUp, venue: Venue, columns: int) -> None:
    rows = json.loads((await running_up.cli("positions", "--json")).out)
    shown = await screen(running_up, columns, "positions")
    assert len(rows) > 30
    assert (
        missing(
            shown.replace("x cross", " cross").replace("x isolated", " isolated"),
            numbers([{name: row[name] for name in PEOPLES} for row in rows]),
        )
        == []
    )
    assert all(row["symbol"] in shown for row in rows)
    assert widest(shown) <= columns


@widths
async def test_the_book_shows_every_number_and_its_totals(running_up: RunningUp, venue: Venue, columns: int) -> None:
    await running_up.cli("leverage", "binance-perp-001", "BTC/USDT:USDT", "12")
    rows: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not rows:  # the snapshot after the command is taken a moment later
            book = json.loads((await running_up.cli("book", "--venue", "binance", "--json")).out)
            held = [row for snapshot in book["snapshots"] for row in snapshot["positions"]]
            rows = [{name: row[name] for name in PEOPLES} for row in held]
    shown = await screen(running_up, columns, "book", "--venue", "binance")
    assert missing(shown.replace("x cross", " cross").replace("x isolated", " isolated"), numbers(rows)) == []
    assert missing(shown, numbers(book["totals"])) == []
    assert widest(shown) <= columns


@widths
async def test_commands_are_listed_with_what_came_of_them(running_up: RunningUp, venue: Venue, columns: int) -> None:
    await running_up.cli("leverage", "binance-perp-001", "BTC/USDT:USDT", "12", "--id", f"listed-{columns}")
    shown = await screen(running_up, columns, "commands", "--account", "binance-perp-001", "-n", "3")
    assert f"listed-{columns}" in shown
    assert all(word in shown for word in ("set_leverage", "leverage 12", "applied", "echo"))
    assert widest(shown) <= columns


@widths
async def test_a_history_shows_every_amount(running_up: RunningUp, venue: Venue, columns: int) -> None:
    lately = ("--since", utc_text(now() - 7 * 24 * 3_600_000))
    rows = json.loads((await running_up.cli("history", "pnl", "okx-perp-001", *lately, "--json")).out)
    shown = await screen(running_up, columns, "history", "pnl", "okx-perp-001", *lately)
    assert rows
    assert [row["amount"] for row in rows if str(row["amount"]) not in shown.split()] == []


@widths
async def test_accounts_are_listed_whole(running_up: RunningUp, venue: Venue, columns: int) -> None:
    rows = json.loads((await running_up.cli("accounts", "--json")).out)
    shown = await screen(running_up, columns, "accounts")
    assert all(row["id"] in shown for row in rows)
    assert widest(shown) <= columns
    assert "\N{HORIZONTAL ELLIPSIS}" not in shown


@widths
async def test_a_check_tells_all_it_found(running_up: RunningUp, venue: Venue, columns: int) -> None:
    names = ("okx-perp-001", "bybit-hedge-001")
    reports = json.loads((await running_up.cli("accounts", "--json", "check", *names)).out)
    words = (await screen(running_up, columns, "accounts", "check", *names)).split()
    for report in reports:
        assert report["id"] in words
        for row in report["findings"]:
            if row["check"] != "clock":  # what a clock is off by differs from look to look
                assert [word for word in row["says"].split() if word not in words] == []


@widths
async def test_dead_letters_show_their_ids_and_reasons(
    running_up: RunningUp, venue: Venue, strategy: Strategy, columns: int
) -> None:
    await strategy.publish("set_leverage", {"exchange_account_id": "binance-perp-001", "leverage": 0})
    [letter] = await _letters(running_up)
    try:
        shown = await screen(running_up, columns, "dead-letters", "list")
        assert letter["id"] in shown.split()
        assert letter["time"] in shown.split()
        assert [word for word in letter["reason"].split() if word not in shown.split()] == []
    finally:
        await running_up.cli("dead-letters", "drop", letter["id"])


async def _letters(running_up: RunningUp) -> list[dict[str, Any]]:
    """What has died, once something has."""
    while not (letters := json.loads((await running_up.cli("dead-letters", "list", "--json")).out)):
        pass
    assert isinstance(letters, list)
    return letters


@widths
async def test_status_shows_every_number(running_up: RunningUp, venue: Venue, columns: int) -> None:
    status = json.loads((await running_up.cli("status", "--json")).out)
    shown = await screen(running_up, columns, "status")
    assert missing(shown, iter([str(status["outbox"]), str(status["accounts"])])) == []
    assert all(row["exchange"] in shown for row in status["venues"])
    assert widest(shown) <= columns


@widths
async def test_the_tour_shows_what_it_was_told(running_up: RunningUp, venue: Venue, columns: int) -> None:
    async with httpx.AsyncClient() as client:  # venues count what the tests before have asked in this minute
        for control in running_up.control_urls.values():
            (await client.post(f"{control}/reset")).raise_for_status()
    shown = await screen(running_up, columns, "tour")
    rows = json.loads((await running_up.cli("positions", "gate-tour-001", "--json")).out)
    told = [{name: row[name] for name in ("contracts", "entry_price", "unrealized_pnl", "percentage")} for row in rows]
    assert missing(shown, numbers(told)) == []
    assert shown.splitlines()[-1] == "all as documented"
    assert widest(shown) <= columns
