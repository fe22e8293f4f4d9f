"""What a token does not allow is not offered, and what it may not see is not there."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, Desk

pytestmark = pytest.mark.browser

ACCOUNT = "binance-pm-001"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@SIZES
async def test_a_viewer_sees_all_and_no_button_that_changes_anything(desk: Desk, size: tuple[int, int]) -> None:
    async with desk.open(await desk.token("viewer"), f"account/{ACCOUNT}", size) as (page, _):
        await expect(page.get_by_label("Portfolio Margin balance").get_by_role("row").first).to_be_visible()
        await expect(page.get_by_label("Terms of one market")).to_contain_text("Leverage")
        buttons = [text for text in await page.get_by_role("button").all_text_contents() if ":" not in text]
        assert buttons == ["leave"]
        assert await page.get_by_label("New leverage").count() == 0
        await page.keyboard.press("f")
        assert await page.get_by_label("Freeze", exact=True).count() == 0
        await page.evaluate("location.hash = '#/incidents'")
        await expect(page.get_by_label("Audit").first).to_be_visible()
        assert await page.get_by_role("button").all_text_contents() == ["leave"]


async def test_a_trader_changes_and_does_not_freeze(desk: Desk) -> None:
    async with desk.open(await desk.token("trader"), f"account/{ACCOUNT}") as (page, _):
        await expect(page.get_by_role("button", name="Set leverage")).to_be_visible()
        assert await page.get_by_label("Freeze", exact=True).count() == 0
        await page.evaluate("location.hash = '#/incidents'")
        await expect(page.get_by_label("Freezes").first).to_contain_text("None of your accounts is frozen")
        assert await page.get_by_label("Audit").count() == 0


async def test_a_token_of_some_accounts_shows_these_alone(desk: Desk) -> None:
    token = await desk.token("admin", ACCOUNT)
    async with desk.open(token) as (page, _):
        await expect(page.get_by_role("row").filter(has_text=ACCOUNT).first).to_be_visible()
        assert await page.get_by_role("row").filter(has_text="bybit-perp-001").count() == 0
        await page.evaluate("location.hash = '#/account/bybit-perp-001'")
        await expect(page.get_by_role("main")).to_contain_text("this token may not see it")
        await page.evaluate(f"location.hash = '#/account/{ACCOUNT}'")
        await expect(page.get_by_role("button", name="Freeze…")).to_be_visible()
        await page.evaluate("location.hash = '#/incidents'")
        await expect(page.get_by_label("Settings in doubt").first).to_be_visible()
        assert await page.get_by_role("button", name="Freeze…").count() == 0


@SIZES
async def test_without_a_good_token_the_page_asks_for_one_and_shows_nothing(desk: Desk, size: tuple[int, int]) -> None:
    async with desk.open("no.token.at-all", size=size) as (page, complaints):
        complaints.allow("401")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await page.get_by_role("table").count() == 0
        await page.get_by_label("Token").fill(await desk.token("viewer"))
        await page.get_by_role("button", name="Open").click()
        await expect(page.get_by_role("table")).to_contain_text("binance-perp-001")


async def test_a_token_without_any_right_says_which_it_needs(desk: Desk) -> None:
    async with desk.open(desk.signed("clerk")) as (page, complaints):
        complaints.allow("403")
        await expect(page.get_by_role("alert")).to_contain_text("this needs the role")


async def test_who_leaves_leaves_nothing_in_the_tab(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        await expect(page.get_by_role("table")).to_be_visible()
        await page.get_by_role("button", name="leave").click()
        await expect(page.get_by_label("Token")).to_be_visible()
        assert await page.evaluate("Object.values(sessionStorage).join()") == ""
