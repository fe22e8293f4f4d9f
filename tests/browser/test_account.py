"""One account in the browser: now → then, confirmed at the venue; frozen with a reason; swept once."""

import re
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT, BTC = "binance-perp-001", "BTC/USDT:USDT"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


def asked_for(page: Page) -> Any:
    """What this tab has asked for."""
    return page.get_by_label("Asked for in this tab")


async def requests(stand_in: StandIn, venue: str) -> list[dict[str, Any]]:
    """What the venue received since it was seeded."""
    async with httpx.AsyncClient(base_url=f"{stand_in.running.control_urls[venue]}/") as client:
        rows: list[dict[str, Any]] = (await client.get("requests")).json()["requests"]
        return rows


async def changes(stand_in: StandIn, venue: str, path: str) -> int:
    return sum(row["method"] == "POST" and row["path"] == path for row in await requests(stand_in, venue))


@SIZES
async def test_a_leverage_is_set_from_now_to_then_and_shows_as_the_venue_confirmed_it(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, f"account/{ACCOUNT}", size) as (page, _):
        change = page.get_by_label("Change", exact=True)
        await expect(change.locator(".now").first).to_contain_text("10")
        button = change.get_by_role("button", name="Set leverage")
        await expect(button).to_be_disabled()
        await change.get_by_label("New leverage").fill("10")
        await expect(change.get_by_role("button", name="as it is")).to_be_disabled()
        await change.get_by_label("New leverage").fill("17")
        await button.click()
        await expect(asked_for(page)).to_contain_text("applied")
        await expect(change.locator(".now").first).to_contain_text("17")
        await expect(page.get_by_label("Terms by symbol").get_by_role("row").filter(has_text=BTC)).to_contain_text("17")
        assert await changes(stand_in, "binance", "/fapi/v1/leverage") == 1
        await asked_for(page).get_by_role("button", name="dismiss").click()
        await expect(asked_for(page)).to_have_count(0)


async def test_what_the_venue_refuses_is_told_with_what_to_do(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, complaints):
        complaints.allow("409")
        change = page.get_by_label("Change", exact=True)
        await expect(change).to_contain_text("Binance refuses while the market has a position")
        await change.get_by_role("button", name="Set isolated").click()
        await expect(asked_for(page)).to_contain_text("precondition failed")
        await expect(asked_for(page)).to_contain_text("close it before switching")


async def test_a_flat_market_is_read_of_the_venue_when_it_is_named(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, complaints):
        complaints.allow("404")
        change = page.get_by_label("Change", exact=True)
        market = change.get_by_label("Market", exact=True)
        await market.fill("ETH/USDT:USDT")
        await market.press("Enter")
        await expect(change.locator(".now").nth(1)).to_have_text(re.compile("cross|isolated"))
        await market.fill("NONE/USDT:USDT")
        await market.press("Enter")
        await expect(change.get_by_role("alert")).to_contain_text("NONE/USDT:USDT")


@SIZES
async def test_an_account_is_frozen_with_a_reason_by_one_key_and_let_go_again(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    why = 'margin call <img src=x onerror="document.title=1">'
    async with desk.open(admin, f"account/{ACCOUNT}", size) as (page, complaints):
        complaints.allow("423")
        await expect(page.get_by_label("Freeze", exact=True)).to_be_visible()
        await page.keyboard.press("f")
        reason = page.get_by_label("Reason, told to everybody who is refused")
        await expect(reason).to_be_focused()
        await reason.fill(why)
        await reason.press("Enter")
        await expect(page.get_by_role("main")).to_contain_text(f"account:{ACCOUNT}: “{why}”, by")
        await page.get_by_label("New leverage").fill("13")
        await page.get_by_role("button", name="Set leverage").click()
        await expect(asked_for(page)).to_contain_text("rejected")
        await page.evaluate("location.hash = '#/book'")
        row = page.get_by_role("row").filter(has_text=ACCOUNT)
        await expect(row).to_have_class(re.compile("frozen"))
        await page.evaluate(f"location.hash = '#/account/{ACCOUNT}'")
        await page.get_by_role("button", name="Unfreeze").click()
        await expect(page.get_by_role("main")).not_to_contain_text("Frozen: no change is sent")
        assert await page.locator("img").count() == 0


@SIZES
async def test_checks_tell_since_when_and_the_venue_is_asked_anew(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, f"account/{ACCOUNT}", size) as (page, complaints):
        complaints.allow("502", "503", "504")
        checks = page.get_by_label("Checks")
        venue = checks.locator("div").filter(has=page.get_by_text("Venue", exact=True))
        await expect(venue).to_contain_text(re.compile(r"up\s*since .*\d\d:\d\d:\d\d"))
        await expect(checks).to_contain_text(re.compile(r"shown by the venue \d+ s ago"))
        await checks.get_by_role("button", name="Ask the venue now").click()
        await expect(checks.get_by_role("status")).to_contain_text(re.compile(r"answered in .*: \d open position"))
        await stand_in.misbehave("binance", fault="reset", times=None, account=ACCOUNT)
        await checks.get_by_role("button", name="Ask the venue now").click()
        await expect(checks.get_by_role("status")).to_contain_text("not read:")


async def test_a_sweep_asks_twice_and_moves_once(desk: Desk, admin: str, stand_in: StandIn) -> None:
    await stand_in.reset()
    async with desk.open(admin, "account/binance-pm-001") as (page, _):
        balance = page.get_by_label("Portfolio Margin balance")
        usdt = balance.get_by_role("row").filter(has_text="USDT")
        await expect(usdt).to_contain_text("2,500")
        await balance.get_by_role("button", name="Sweep USDT").click()
        assert await changes(stand_in, "binance", "/papi/v1/asset-collection") == 0
        await balance.get_by_role("button", name="Move USDT now").click()
        await expect(asked_for(page)).to_contain_text("applied")
        await expect(usdt).to_contain_text("12,500")
        assert await changes(stand_in, "binance", "/papi/v1/asset-collection") == 1
        await balance.get_by_role("button", name="Sweep all").click()
        await balance.get_by_role("button", name="Move all now").click()
        await expect(asked_for(page)).to_contain_text("sweep all assets")
        await expect(asked_for(page).get_by_text("applied")).to_have_count(2)


async def test_a_position_that_somebody_else_changes_shows_with_its_age(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}", NARROW) as (page, _):
        terms = page.get_by_label("Terms by symbol").first
        await expect(terms).to_contain_text("the venue was asked")
        await stand_in.change(ACCOUNT, "BTCUSDT", leverage=8)
        await expect(terms.get_by_role("row").filter(has_text=BTC)).to_contain_text("8\N{MULTIPLICATION SIGN}")


async def test_another_account_is_chosen_and_its_terms_are_its_own(desk: Desk, admin: str) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, _):
        await page.get_by_label("Account", exact=True).select_option("hyperliquid-perp-001")
        await expect(page).to_have_url(re.compile("#/account/hyperliquid-perp-001$"))
        await expect(page.get_by_label("Change", exact=True).get_by_label("Market", exact=True)).to_have_value(
            re.compile("USDC")
        )
        assert await page.get_by_role("button", name=re.compile("Set (cross|isolated)")).count() == 0


async def test_the_limit_of_the_market_stands_beside_what_is_to_be_set(desk: Desk, admin: str) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, _):
        change = page.get_by_label("Change", exact=True)
        limit = change.locator(".hint strong")
        await expect(limit).to_have_text("At most 125\N{MULTIPLICATION SIGN}")
        await expect(limit).not_to_have_class(re.compile("danger"))
        await change.get_by_label("New leverage").fill("126")
        await expect(limit).to_have_class(re.compile("danger"))


async def test_a_position_mode_is_switched_where_nothing_is_open(desk: Desk, admin: str, stand_in: StandIn) -> None:
    await stand_in.change(ACCOUNT, "BTCUSDT", size="0")
    async with desk.open(admin, f"account/{ACCOUNT}", NARROW) as (page, _):
        mode = page.get_by_label("Position mode").first
        await expect(mode).to_contain_text("one-way")
        await mode.get_by_role("button", name="Set hedge").click()
        await expect(asked_for(page)).to_contain_text("applied")
        await expect(mode.get_by_role("button", name="Set one-way")).to_be_visible()


async def test_the_reason_of_a_change_lands_in_the_audit(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, _):
        change = page.get_by_label("Change", exact=True)
        await change.get_by_label("Why, for the audit").fill("what the désk wants")
        await change.get_by_label("New leverage").fill("21")
        await change.get_by_role("button", name="Set leverage").click()
        await expect(asked_for(page)).to_contain_text("applied")
        await page.evaluate("location.hash = '#/incidents'")
        await expect(page.get_by_label("Audit").first).to_contain_text("what the désk wants")
