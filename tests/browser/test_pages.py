"""Every page, wide and narrow, by day and by night: it fits, it can be used without a mouse, and nothing complains."""

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, Desk, scrolls_sideways

pytestmark = pytest.mark.browser

PAGES = {
    "book": "Unrealized PnL",
    "account/binance-pm-001": "Portfolio Margin balance",
    "terms": "What an account shall have",
    "commands": "Operation",
    "incidents": "Settings in doubt",
    "money": "Nothing has been read yet",
    "venues": "Left of its limits",
}
"""By its address, what shows that a page is there."""

NAMELESS = """() => [...document.querySelectorAll('input, select, button, a, meter, progress, svg[role=img]')]
    .filter(one => one.checkVisibility() && !one.labels?.length && !one.getAttribute('aria-label'))
    .filter(one => !one.textContent.trim())
    .map(one => one.outerHTML)"""


async def shows(page: Page, words: str) -> None:
    await expect(page.get_by_role("main")).to_contain_text(words)


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page_fits_and_names_all_its_controls(
    desk: Desk, admin: str, name: str, size: tuple[int, int], scheme: str
) -> None:
    async with desk.open(admin, name, size, color_scheme=scheme) as (page, _):
        await shows(page, PAGES[name])
        assert not await scrolls_sideways(page)
        assert await page.evaluate(NAMELESS) == []
        for table in await page.get_by_role("table").all():
            assert (await table.locator("caption").text_content()) != ""
            assert await table.get_by_role("cell").count() or await table.get_by_role("row").count()


BROKEN = """() => [...document.querySelectorAll('td .amount, dd .amount')].filter(one => {
    const text = document.createRange();
    text.selectNodeContents(one);
    return new Set([...text.getClientRects()].map(line => Math.round(line.bottom / 8))).size > 1;
}).map(one => one.textContent)"""
"""The figures that are broken over several lines."""

CUT = """() => [...document.querySelectorAll('.table')].filter(one => one.scrollWidth > one.clientWidth)
    .map(one => one.textContent.slice(0, 40))"""
"""The tables that are wider than the sheet that they stand on."""


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", ["book", "account/binance-pm-001", "account/okx-perp-001"])
async def test_no_figure_is_broken_over_lines_nor_parted_from_its_currency(
    desk: Desk, admin: str, name: str, size: tuple[int, int]
) -> None:
    async with desk.open(admin, name, size) as (page, _):
        await shows(page, PAGES.get(name, "Terms by symbol"))
        await expect(page.locator("td .amount").nth(3)).to_be_visible()
        assert await page.evaluate(BROKEN) == []
        assert await page.evaluate(CUT) == []


async def test_the_pages_are_reached_by_their_links_and_by_keys_alone(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        for title, words in (("Commands", "Operation"), ("Venues", "Left of its limits"), ("Book", "Unrealized PnL")):
            link = page.get_by_role("navigation").get_by_role("link", name=title)
            await link.focus()
            await page.keyboard.press("Enter")
            await shows(page, words)
            assert await page.title() == f"{title} · Perps DMA"
            await expect(link).to_have_attribute("aria-current", "page")


@pytest.mark.parametrize("name", ["book", "commands", "incidents"])
async def test_a_stroke_goes_to_the_filter_and_escape_leaves_it(desk: Desk, admin: str, name: str) -> None:
    async with desk.open(admin, name) as (page, _):
        await shows(page, PAGES[name])
        field = page.locator("#filter")
        await page.keyboard.press("/")
        await expect(field).to_be_focused()
        await page.keyboard.type("/x")
        await expect(field).to_have_value("/x")
        await page.keyboard.press("Escape")
        await expect(field).not_to_be_focused()


async def test_what_has_the_focus_is_outlined(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        await shows(page, "Unrealized PnL")
        for _step in range(12):
            await page.keyboard.press("Tab")
            width, style = await page.evaluate(
                "[getComputedStyle(document.activeElement).outlineWidth,"
                " getComputedStyle(document.activeElement).outlineStyle]"
            )
            assert (style, width) == ("solid", "2px")


async def test_figures_stand_under_one_another(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        cell = page.locator("td.figures").first
        await expect(cell).to_be_visible()
        assert await cell.evaluate("one => getComputedStyle(one).textAlign") == "right"
        assert "tabular-nums" in await cell.evaluate("one => getComputedStyle(one).fontVariantNumeric")


async def test_narrow_rows_are_cards_whose_values_keep_their_titles(desk: Desk, admin: str) -> None:
    async with desk.open(admin, size=NARROW) as (page, _):
        row = page.get_by_role("row").filter(has_text="binance-perp-001").first
        await expect(row).to_be_visible()
        assert await row.evaluate("one => getComputedStyle(one).display") == "grid"
        label = await row.locator("td").nth(4).evaluate("one => getComputedStyle(one, '::before').content")
        assert label == '"Notional"'


async def test_an_account_that_is_not_there_and_a_command_that_nobody_knows_say_why(desk: Desk, admin: str) -> None:
    async with desk.open(admin, "account/nobody") as (page, complaints):
        complaints.allow("404")
        await shows(page, "No account nobody is served here")
        await page.evaluate("location.hash = '#/commands/none-such'")
        await shows(page, "no command none-such is known")
