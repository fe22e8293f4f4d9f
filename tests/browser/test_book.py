"""The Book in a browser: live, exact, and never older than it says."""

import asyncio
import json
import re
from decimal import Decimal

import httpx
import pytest
from playwright.async_api import expect

from schemas.book import Book
from tests.browser.conftest import ENOUGH_MS, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT = "binance-perp-001"
NONE = "\N{EN DASH}"


async def test_what_changes_at_a_venue_shows_while_the_page_is_looked_at(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin) as (page, _):
        row = page.get_by_role("row").filter(has_text=ACCOUNT).filter(has_text="BTC/USDT:USDT")
        await expect(row).to_contain_text("0.05")
        await stand_in.change(ACCOUNT, "BTCUSDT", size="0.07", entry_price="98000")
        await expect(row).to_contain_text("0.07")
        await expect(page.get_by_role("banner")).to_contain_text("live")


async def test_the_token_of_the_link_is_out_of_the_address_at_once_and_stays_in_the_tab(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        assert admin not in page.url
        assert await page.evaluate("history.length") <= 2
        await page.reload()
        await expect(page.get_by_role("table")).to_contain_text(ACCOUNT)
        asked = await page.evaluate("performance.getEntriesByType('resource').map(entry => entry.name)")
        assert asked
        assert not any(admin in address for address in asked)


async def whole_book(desk: Desk, token: str) -> Book:
    """The book as any program reads it."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=desk.running.http, headers=headers) as client:
        answer = (await client.get("/oems/execution/snapshots")).raise_for_status()
    return Book.model_validate(json.loads(answer.text, parse_float=Decimal)["data"])


async def long_totals(desk: Desk, token: str) -> list[str]:
    """What is held long, each currency by itself, as the page writes it."""
    sums: dict[str, Decimal] = {}
    for total in (await whole_book(desk, token)).totals:
        sums[total.notional_currency] = sums.get(total.notional_currency, Decimal()) + total.long_notional
    return [f"{value.normalize():,f}{currency}" for currency, value in sorted(sums.items()) if value]


async def test_the_totals_are_the_exact_sums_of_what_is_shown_each_currency_by_itself(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        tile = page.locator(".totals > div").filter(has=page.get_by_text("Long", exact=True)).locator("dd")
        async with asyncio.timeout(ENOUGH_MS / 1000):  # what an earlier test has changed may be read between the two
            while await tile.all_text_contents() != await long_totals(desk, admin):
                await expect(tile.first).to_be_visible()


async def test_the_filter_narrows_rows_and_totals_and_says_when_none_is_left(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        await page.get_by_label("Filter").fill("okx-perp-001 eth")
        await expect(page.get_by_text("No row fits the filter")).to_be_visible()
        await page.get_by_label("Filter").fill("binance-perp-001")
        await expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
        await expect(page.get_by_label(re.compile("^Totals"))).to_contain_text("1 position")
        await page.get_by_label("Filter").fill("")
        await page.get_by_label("Venue", exact=True).select_option("gate")
        await expect(page.get_by_role("row").filter(has_text="binance")).to_have_count(0)
        await page.get_by_label("Show", exact=True).select_option("frozen")
        await expect(page.get_by_text("No row fits the filter")).to_be_visible()


async def test_rows_are_put_in_order_by_any_column_and_what_is_unknown_comes_last(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        heading = page.get_by_role("columnheader", name="Distance")
        await heading.get_by_role("button").click()
        await expect(heading).to_have_attribute("aria-sort", "descending")
        await heading.get_by_role("button").click()
        await expect(heading).to_have_attribute("aria-sort", "ascending")
        shown = await page.locator('td[data-label="Distance"]').all_text_contents()
        known = [Decimal(text.removesuffix(" %")) for text in shown if text != NONE]
        assert known == sorted(known)
        assert shown[-1] == NONE
        assert shown.index(NONE) == len(known)


async def test_what_the_venue_does_not_tell_is_a_dash_that_says_why_and_never_a_zero(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        row = page.get_by_role("row").filter(has_text="okx-portfolio-001").first
        leverage = row.locator('td[data-label="Leverage"]')
        await expect(leverage).to_have_text(NONE)
        assert await leverage.locator("span").get_attribute("title") == "the venue keeps none for this position"
