"""What an account may at most, and when it is swept by itself: as the registry has it, changed while one looks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from tests.acceptance.conftest import GRANTED, RunningUp, up
from tests.browser.conftest import NARROW, WIDE, Desk
from tests.browser.test_account import asked_for

pytestmark = pytest.mark.browser

ACCOUNT, SWEPT = "okx-perp-001", "binance-pm-001"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@pytest.fixture(scope="module")
async def registered(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[RunningUp, Path]]:
    """An `up` of its own with a registry, which is watched."""
    folder = tmp_path_factory.mktemp("registered")
    registry = folder / "accounts.toml"
    registry.write_text('[accounts.elsewhere-001]\nexchange = "gate"\napi_key = "env:KEY"\nsecret = "env:KEY"\n')
    about = {"PERPS_DMA_ACCOUNTS": str(registry), "KEY": "of nothing", "PERPS_DMA_SNAPSHOT_INTERVAL_MS": "2000"}
    async with up(folder, GRANTED, **about) as running:
        yield running, registry


def change(running: RunningUp, registry: Path, account: str, **facts: Any) -> None:
    """Have an account of the stand-in venues served otherwise, as an edit of the registry does."""
    file = running.state / "sandbox.json"
    told = json.loads(file.read_text())
    next(row for row in told["accounts"] if row["id"] == account).update(facts)
    file.write_text(json.dumps(told))
    registry.write_text(registry.read_text() + "# changed\n")


@SIZES
async def test_what_an_account_may_at_most_shows_and_breaking_it_is_refused(
    registered: tuple[RunningUp, Path], chromium: Browser, size: tuple[int, int]
) -> None:
    running, registry = registered
    change(running, registry, ACCOUNT, guardrails={})
    desk = Desk(running, chromium)
    async with desk.open(await desk.token("admin"), f"account/{ACCOUNT}", size) as (page, complaints):
        complaints.allow("403")
        rules = page.get_by_label("Guardrails")
        await expect(rules).to_contain_text("Nothing is forbidden by the registry")
        limits = {"max_leverage": 5, "max_leverage_of": {"ETH/USDT:USDT": 3}, "margin_modes": ["cross"]}
        more = {"operations": ["set_leverage", "set_margin_mode"], "only_lower_while_open": True}
        change(running, registry, ACCOUNT, guardrails=limits | more)
        await expect(rules).to_contain_text("5 rules hold")
        for words in (
            "at most 5\N{MULTIPLICATION SIGN}",
            "at most 3\N{MULTIPLICATION SIGN}",
            "cross",
            "set leverage, set margin mode",
            "only be lowered",
        ):
            await expect(rules).to_contain_text(words)
        terms = page.get_by_label("Change", exact=True)
        await terms.get_by_label("New leverage").fill("9")
        await expect(terms.locator(".hint .danger").first).to_have_text(
            "Guardrails: at most 5\N{MULTIPLICATION SIGN}. "
        )
        await terms.get_by_role("button", name="Set leverage").click()
        await expect(asked_for(page)).to_contain_text("rejected")


async def test_a_schedule_of_sweeps_shows_with_its_next_slot_and_its_absence_is_said(
    registered: tuple[RunningUp, Path], chromium: Browser
) -> None:
    running, registry = registered
    desk = Desk(running, chromium)
    async with desk.open(await desk.token("viewer"), f"account/{SWEPT}", NARROW) as (page, _):
        balance = page.get_by_label("Portfolio Margin balance").first
        await expect(balance).to_contain_text("the registry has no schedule")
        change(running, registry, SWEPT, auto_collect="weekly mon 00:05")
        await expect(balance).to_contain_text("Swept by itself weekly mon 00:05 UTC")
        await expect(balance.locator(".counts time")).to_contain_text("00:05:00")
