"""Terms in the browser: a plan to read at a glance, applied with its progress, and kept."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT, BTC, ETH = "okx-perp-001", "BTC/USDT:USDT", "ETH/USDT:USDT"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@SIZES
async def test_a_plan_shows_now_and_then_and_is_applied_symbol_by_symbol(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, "terms", size) as (page, _):
        await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
        await page.get_by_label("Symbols").select_option("these")
        await page.get_by_label("Names").fill(f"{BTC} {ETH} NONE/USDT:USDT")
        await page.get_by_label("Leverage").fill("4")
        await page.get_by_role("button", name="Plan").click()
        plan = page.get_by_label("Plan", exact=True).first
        rows = plan.get_by_role("row")
        await expect(rows.filter(has_text=BTC)).to_contain_text("change")
        await expect(rows.filter(has_text=BTC)).to_contain_text(re.compile("→.*4"))
        await expect(rows.filter(has_text="NONE")).to_contain_text("impossible")
        await plan.get_by_role("button", name=re.compile("Apply to")).click()
        await expect(page.get_by_label("Apply", exact=True).first).to_contain_text("2 applied, 1 rejected")
        await expect(page.get_by_label("Asked for in this tab")).not_to_contain_text("in flight")
        await page.get_by_role("button", name="Plan").click()
        await expect(plan).to_contain_text("No changes.")


async def test_a_document_is_kept_and_kept_no_more(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, "terms") as (page, _):
        kept = page.get_by_label("Kept", exact=True).first
        await expect(kept).to_contain_text("Nothing is kept")
        await page.get_by_label("Account", exact=True).select_option("gate-perp-001")
        await page.get_by_label("Leverage").fill("10")
        await page.get_by_role("button", name="Plan").click()
        await page.get_by_role("button", name="Keep it so").click()
        await expect(kept).to_contain_text("gate-perp-001")
        await kept.get_by_role("button", name="keep it no more").click()
        await expect(kept.get_by_role("button", name="keep it no more")).to_have_count(0)


async def test_a_viewer_plans_and_is_offered_nothing_that_changes(desk: Desk, stand_in: StandIn) -> None:
    async with desk.open(await desk.token("viewer"), "terms") as (page, _):
        await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
        await page.get_by_label("Leverage").fill("4")
        await page.get_by_role("button", name="Plan").click()
        await expect(page.get_by_label("Plan", exact=True).first).to_contain_text("to change")
        assert await page.get_by_role("button", name=re.compile("Apply|Keep")).count() == 0
