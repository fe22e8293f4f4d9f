"""A connection that is lost: nothing on the page looks as if it were live, and all of it says how old it is."""

import asyncio
import json
import os
import re
import signal
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.acceptance.conftest import RunningUp
from tests.browser.conftest import NARROW, WIDE, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT = "binance-perp-001"
BACK_MS = 60_000
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


def shim_of(running: RunningUp) -> int:
    """The process that serves HTTP, among those that `up` has started."""
    up = json.loads((running.state / "up.json").read_text())["pid"]
    children = Path(f"/proc/{up}/task/{up}/children").read_text().split()
    (shim,) = (int(pid) for pid in children if Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").endswith("shim"))
    return shim


@SIZES
async def test_a_lost_connection_marks_all_as_stale_with_its_age_until_it_is_back_and_read_anew(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    async with desk.open(admin, size=size) as (page, complaints):
        complaints.allow("net::ERR")
        row = page.get_by_role("row").filter(has_text=ACCOUNT)
        await expect(row).to_be_visible()
        assert await row.locator("td").first.evaluate("one => getComputedStyle(one).fontStyle") == "normal"
        os.kill(shim_of(desk.running), signal.SIGKILL)
        await expect(page.get_by_role("alert").first).to_contain_text("Not live for")
        await expect(page.get_by_text(re.compile(r"stale: read \d+ s ago"))).to_be_visible()
        ages = page.get_by_role("table").get_by_role("row").locator("td:last-child")
        shown = await ages.all_text_contents()
        assert shown
        assert all(age.startswith("stale ") for age in shown)
        assert await row.locator("td").first.evaluate("one => getComputedStyle(one).fontStyle") == "italic"
        await stand_in.change(ACCOUNT, "BTCUSDT", size="0.09", entry_price="98000")
        await expect(row).to_contain_text("0.09", timeout=BACK_MS)
        await expect(page.get_by_role("banner")).to_contain_text("live")
        await expect(page.get_by_text("Not live for")).to_have_count(0)


async def test_a_service_that_goes_silent_is_lost_as_well(desk: Desk, admin: str) -> None:
    shim = shim_of(desk.running)
    async with desk.open(admin) as (page, complaints):
        # What was asked before it stopped is past its time when it goes on.
        complaints.allow("net::ERR", "aborted", "503", "504")
        await expect(page.get_by_role("banner")).to_contain_text("live")
        os.kill(shim, signal.SIGSTOP)
        try:
            await expect(page.get_by_role("alert").first).to_contain_text("Not live for", timeout=BACK_MS)
            margin = page.get_by_label("Margin of the accounts below").get_by_role("listitem").first
            await expect(margin).to_have_css("font-style", "italic")
            await expect(margin).to_contain_text(re.compile("stale|never read"))
        finally:
            os.kill(shim, signal.SIGCONT)
        await expect(page.get_by_text("Not live for")).to_have_count(0, timeout=BACK_MS)


async def test_an_account_whose_venue_cannot_be_read_is_stale_on_a_page_that_is_live(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin) as (page, _):
        row = page.get_by_role("row").filter(has_text="gate-perp-001").first
        await expect(row).to_be_visible()
        await stand_in.misbehave("gate", fault="reset", times=None)
        # While its changes are pushed it is read seldom; blind, it is read at once.
        await stand_in.running.cli("sandbox", "stream-fault", "gate-perp-001", "close")
        await expect(row).to_contain_text("stale", timeout=BACK_MS)
        await expect(row).to_have_class(re.compile("faded"))
        await expect(page.get_by_label(re.compile("^Totals"))).to_contain_text("In doubt")
        await asyncio.wait_for(stand_in.reset(), 10)
        await expect(row).not_to_contain_text("stale", timeout=BACK_MS)
