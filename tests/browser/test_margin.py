"""Margin in the browser: how near each account is to liquidation, live, and moved once."""

import re
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.acceptance.conftest import GRANTED, RunningUp, up
from tests.browser.conftest import NARROW, WIDE, Desk, StandIn, scrolls_sideways
from tests.browser.test_account import asked_for, changes

pytestmark = pytest.mark.browser

ACCOUNT, HEDGE = "binance-perp-001", "binance-hedge-001"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
NONE = "\N{EN DASH}"


@pytest.fixture(scope="module")
async def running_up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    """One whose margin is read every two seconds: no venue pushes how a ratio turns with its positions."""
    async with up(tmp_path_factory.mktemp("up"), GRANTED, PERPS_DMA_SNAPSHOT_INTERVAL_MS="2000") as running:
        yield running


@pytest.fixture(scope="module")
def desk(running_up: RunningUp, chromium: Browser) -> Desk:
    """What opens its pages."""
    return Desk(running_up, chromium)


@pytest.fixture(scope="module")
async def admin(desk: Desk) -> str:
    """A token that may do all there."""
    return await desk.token("admin")


async def margin_of(page: Page, account: str) -> Locator:
    """What the Book shows of an account's margin, however far it is from liquidation."""
    margins = page.get_by_label("Margin of the accounts below")
    await margins.get_by_role("button", name=re.compile("margin of all")).click()
    return margins.get_by_role("listitem").filter(has_text=account)


@SIZES
async def test_the_book_shows_each_accounts_margin_and_its_nearest_liquidation_as_they_turn(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    async with desk.open(admin, size=size) as (page, _):
        margin = await margin_of(page, ACCOUNT)
        await expect(margin).to_contain_text(re.compile(r"0\.\d+…? ok"))
        await expect(margin).to_contain_text(re.compile(r"BTC/USDT:USDT long \d+(\.\d+)? %"))
        await stand_in.change(ACCOUNT, "BTCUSDT", size="5", entry_price="200000")
        await expect(margin).to_contain_text("critical")
        first = page.get_by_label("Margin of the accounts below").get_by_role("listitem").first
        await expect(first).to_contain_text("critical")
        await stand_in.change(ACCOUNT, "BTCUSDT", size="0.05", entry_price="98000")
        await expect(margin).to_contain_text("ok")


async def test_the_book_shows_the_accounts_nearest_to_liquidation_first_and_all_on_demand(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin) as (page, _):
        margins = page.get_by_label("Margin of the accounts below")
        await expect(margins.get_by_role("listitem")).to_have_count(4)
        await margins.get_by_role("button", name=re.compile("margin of all")).click()
        shown = margins.get_by_role("listitem")
        await expect(shown).not_to_have_count(4)
        ratios = [await one.locator(".figures").inner_text() for one in await shown.all()]
        told = [float(found[0]) for text in ratios if (found := re.findall(r"\d\.\d+", text))]
        assert told == sorted(told, reverse=True)
        await margins.get_by_role("button", name="the 4 nearest").click()
        await expect(shown).to_have_count(4)


async def test_what_no_venue_tells_of_margin_is_a_dash_with_the_reason(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin) as (page, _):
        margin = await margin_of(page, "bybit-perp-001")
        unknown = margin.locator(".none").first
        await expect(unknown).to_have_text(NONE)
        assert len(await unknown.get_attribute("title") or "") > 20


async def test_a_margin_that_can_be_read_no_more_is_stale_with_its_age(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin) as (page, _):
        margin = await margin_of(page, HEDGE)
        await expect(margin).not_to_contain_text("stale")
        await stand_in.misbehave("binance", fault="reset", times=None, account=HEDGE)
        await expect(margin).to_contain_text(re.compile(r"stale \d+ (s|min)"), timeout=60_000)
        await stand_in.reset()
        await expect(margin).not_to_contain_text("stale", timeout=60_000)


@SIZES
async def test_the_account_shows_its_pools_beside_the_thresholds_that_are_told(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, f"account/{ACCOUNT}", size) as (page, _):
        health = page.get_by_label("Margin health")
        await expect(health).to_contain_text("warn from 0.5 on, as critical from 0.8 on")
        level, pools = health.locator("p .badge"), health.get_by_role("table")
        await expect(level).to_have_text("ok")
        cross = pools.get_by_role("row").filter(has_text="USDT").first
        await expect(cross).to_contain_text("BTC/USDT:USDT long")
        await expect(cross.locator(".danger")).to_have_count(0)
        await stand_in.change(ACCOUNT, "BTCUSDT", size="5", entry_price="200000")
        await expect(pools.locator(".badge.danger").first).to_be_visible()
        await expect(level).to_have_text("critical")


@SIZES
@pytest.mark.parametrize("account", [HEDGE, "binance-pm-001", "gate-perp-001"])
async def test_pools_fit_the_page_whatever_their_names_and_figures(
    desk: Desk, admin: str, stand_in: StandIn, account: str, size: tuple[int, int]
) -> None:
    async with desk.open(admin, f"account/{account}", size) as (page, _):
        await expect(page.get_by_label("Margin health").get_by_role("row").last).to_be_visible()
        await expect(page.get_by_label("Terms by symbol").get_by_role("row").last).to_be_visible()
        assert not await scrolls_sideways(page)


def of_the_position(page: Page) -> Locator:
    return page.get_by_role("group", name="margin of ETH/USDT:USDT long")


@SIZES
async def test_margin_is_added_and_taken_out_once_from_now_to_then(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, f"account/{HEDGE}", size) as (page, _):
        line = of_the_position(page)
        now, then = line.locator(".now"), line.locator("span.then")
        await expect(now).to_contain_text("650")
        for button in ("Add", "Remove"):
            await expect(line.get_by_role("button", name=button, exact=True)).to_be_disabled()
        await line.get_by_role("textbox").fill("25.5")
        await line.get_by_role("button", name="Add", exact=True).click()
        await expect(then).to_contain_text("675.5")
        assert await changes(stand_in, "binance", "/fapi/v1/positionMargin") == 0
        await line.get_by_role("button", name="Add 25.5 USDT now").click()
        await expect(asked_for(page)).to_contain_text("applied")
        await expect(now).to_contain_text("675.5")
        await line.get_by_role("textbox").fill("5.5")
        await line.get_by_role("button", name="Remove", exact=True).click()
        await expect(then).to_contain_text("670")
        await line.get_by_role("button", name="Remove 5.5 USDT now").click()
        await expect(now).to_contain_text("670")
        assert await changes(stand_in, "binance", "/fapi/v1/positionMargin") == 2


async def test_what_was_asked_of_margin_is_asked_anew_when_the_amount_is_another(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, f"account/{HEDGE}") as (page, _):
        line = of_the_position(page)
        await line.get_by_role("textbox").fill("25")
        await line.get_by_role("button", name="Add", exact=True).click()
        await line.get_by_role("textbox").fill("250")
        await expect(line.get_by_role("button", name=re.compile("now"))).to_have_count(0)
        await line.get_by_role("textbox").fill("0.12345678901234567891")
        await expect(line.get_by_role("button", name="Add", exact=True)).to_be_disabled()
        await expect(line).to_contain_text("can't be sent from here exactly")


async def test_more_than_the_venue_lets_out_is_its_refusal(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, f"account/{HEDGE}") as (page, complaints):
        complaints.allow("409", "422", "400", "502")
        line = of_the_position(page)
        await line.get_by_role("textbox").fill("100000")
        await line.get_by_role("button", name="Remove", exact=True).click()
        await expect(line.locator("span.then")).to_have_class(re.compile("danger"))
        await line.get_by_role("button", name=re.compile("now$")).click()
        await expect(asked_for(page).locator(".badge")).to_have_text(re.compile("rejected|refused|precondition failed"))


async def test_a_viewer_is_offered_no_way_to_move_margin(desk: Desk, stand_in: StandIn) -> None:
    async with desk.open(await desk.token("viewer"), f"account/{HEDGE}") as (page, _):
        await expect(page.get_by_label("Margin health")).to_contain_text("1 is liquidation")
        await expect(page.get_by_label("Margin of isolated positions")).to_have_count(0)
