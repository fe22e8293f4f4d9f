"""`perps-dma accounts check` in front of a running `up`: as a person reads it, and as a script does."""

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.acceptance.conftest import RunningUp

Rows = dict[tuple[str, str], list[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Venues:
    """The control sides of all stand-in venues."""

    clients: dict[str, httpx.AsyncClient]

    async def change(self, account_id: str, **content: Any) -> None:
        exchange = account_id.partition("-")[0]
        (await self.clients[exchange].patch(f"accounts/{account_id}", json=content)).raise_for_status()

    async def skew(self, exchange: str, offset_ms: int) -> None:
        (await self.clients[exchange].put("clock", json={"offset_ms": offset_ms})).raise_for_status()

    async def asked(self) -> set[tuple[str, str]]:
        """Method and path of all requests since the test began."""
        rows = [row for client in self.clients.values() for row in (await client.get("requests")).json()["requests"]]
        return {(row["method"], row["path"]) for row in rows}

    async def reset(self) -> None:
        for client in self.clients.values():
            (await client.post("reset")).raise_for_status()


@pytest.fixture
async def venues(running_up: RunningUp) -> AsyncIterator[Venues]:
    """All venues as seeded, and so again afterwards."""
    async with AsyncExitStack() as stack:
        clients = {
            exchange: await stack.enter_async_context(httpx.AsyncClient(base_url=f"{url}/"))
            for exchange, url in running_up.control_urls.items()
        }
        venues = Venues(clients)
        await venues.reset()
        yield venues
        await venues.reset()


def rows_of(out: str) -> Rows:
    """Verdict and words by account and check, from the JSON."""
    found: Rows = {}
    for account in json.loads(out):
        for row in account["findings"]:
            found.setdefault((account["id"], row["check"]), []).append((row["verdict"], row["says"]))
    return found


async def test_all_seeded_accounts_pass_and_nothing_but_reads_is_sent(running_up: RunningUp, venues: Venues) -> None:
    ended = await running_up.cli("accounts", "check")
    lines = ended.out.splitlines()
    accounts = json.loads((running_up.state / "sandbox.json").read_text())["accounts"]
    assert (ended.code, ended.err) == (0, "")
    assert lines[0].split() == ["account", "exchange", "check", "verdict", "what", "it", "says", "what", "to", "do"]
    assert lines[-1].startswith(f"{len(accounts)} accounts, no problems")
    assert {line.split()[0] for line in lines[1:-1]} == {account["id"] for account in accounts}
    asked = {(method, path) for method, path in await venues.asked() if method != "GET"}
    assert asked == {("POST", "/info")}
    for account in accounts:
        assert account["secret"] not in ended.out


async def test_every_problem_of_every_account_is_listed_at_once(running_up: RunningUp, venues: Venues) -> None:
    await venues.change("binance-perp-001", can_trade=False, key={"withdrawals": True})
    await venues.change("bybit-perp-001", key={"read_only": True})
    await venues.change("gate-perp-001", key={"perms": {"account": True, "futures": True, "delivery": True}})
    await venues.change("okx-perp-001", level=1, key={"perm": ["read_only"]})
    await venues.change("hyperliquid-perp-001", agent={"approved": False})
    await venues.skew("okx", -60_000)
    ended = await running_up.cli("accounts", "check", "--json")
    assert ended.code == 1
    problems = {
        (account, check, says)
        for (account, check), rows in rows_of(ended.out).items()
        for verdict, says in rows
        if verdict == "problem"
    }
    assert {(account, check) for account, check, _ in problems} == {
        ("binance-perp-001", "account"),
        ("bybit-perp-001", "permissions"),
        ("gate-perp-001", "permissions"),
        ("okx-perp-001", "account"),
        ("okx-perp-001", "permissions"),
        *((f"okx-{account}-001", "clock") for account in ("perp", "hedge", "portfolio", "tour")),
        ("hyperliquid-perp-001", "key"),
    }
    assert len(problems) == 11, "gate's key may neither change perpetuals nor deliveries"
    assert [account["id"] for account in json.loads(ended.out) if account["ok"]] == [
        "binance-hedge-001",
        "binance-pm-001",
        "binance-tour-001",
        "binance-pm-tour-001",
        "bybit-classic-001",
        "bybit-hedge-001",
        "bybit-tour-001",
        "gate-hedge-001",
        "gate-tour-001",
        "hyperliquid-vault-001",
        "hyperliquid-tour-001",
    ]


def elsewhere(running_up: RunningUp, state: Path, **changes: dict[str, Any]) -> RunningUp:
    """The same sandbox as registered in another state folder, where accounts are registered otherwise."""
    listed = json.loads((running_up.state / "sandbox.json").read_text())
    listed["accounts"] = [account | changes.get(account["id"].replace("-", "_"), {}) for account in listed["accounts"]]
    (state / "sandbox.json").write_text(json.dumps(listed))
    return replace(running_up, environment={**running_up.environment, "PERPS_DMA_STATE": str(state)})


async def test_what_is_registered_wrongly_is_told_with_what_to_do(
    running_up: RunningUp, venues: Venues, tmp_path: Path
) -> None:
    wrongly = elsewhere(
        running_up,
        tmp_path,
        binance_pm_001={"portfolio_margin": False},
        bybit_perp_001={"secret": "x" * 36},
        okx_hedge_001={"position_mode": "one_way"},
        hyperliquid_perp_001={"secret": "hunter2"},
    )
    names = ("binance-pm-001", "bybit-perp-001", "okx-hedge-001", "hyperliquid-perp-001")
    ended = await wrongly.cli("accounts", "check", *names)
    assert ended.code == 1
    problems = [line for line in ended.out.splitlines() if " problem " in line]
    assert [line.split()[0] for line in problems] == list(names)
    for line, says in zip(problems, ("portfolio_margin = true", "error sign", "position_mode", "64 hexa"), strict=True):
        assert says in line
    assert "x" * 36 not in ended.out
    assert "hunter2" not in ended.out


async def test_a_clock_that_the_venue_still_tolerates_is_a_warning_only(running_up: RunningUp, venues: Venues) -> None:
    await venues.skew("bybit", 3_000)
    ended = await running_up.cli("accounts", "check", "bybit-perp-001")
    assert ended.code == 0
    [line] = [line for line in ended.out.splitlines() if " clock " in line]
    assert " warning " in line
    assert "behind the venue's" in line


async def test_only_the_accounts_that_are_named_are_asked_about(running_up: RunningUp, venues: Venues) -> None:
    ended = await running_up.cli("accounts", "--json", "check", "okx-perp-001", "gate-perp-001")
    assert [account["id"] for account in json.loads(ended.out)] == ["gate-perp-001", "okx-perp-001"]
    assert all(path.startswith("/api/v") for _, path in await venues.asked())


async def test_an_account_that_nobody_knows_is_named(running_up: RunningUp) -> None:
    ended = await running_up.cli("accounts", "check", "binance-perp-001", "nobody")
    assert ended.code == 1
    assert "there is no account nobody; there are binance-perp-001" in ended.err


async def test_help_says_what_is_looked_at_and_that_nothing_is_changed(running_up: RunningUp) -> None:
    told = " ".join((await running_up.cli("accounts", "check", "--help")).out.split())
    for words in ("permissions", "position mode", "clock", "Only reads", "exit code is 1", "Example:"):
        assert words in told
    assert "check" in (await running_up.cli("accounts", "--help")).out
