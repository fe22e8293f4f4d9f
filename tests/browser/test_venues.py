"""The venues in the browser: health, what is left of their limits, streams."""

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn
from tests.browser.test_commands import set_leverage

pytestmark = pytest.mark.browser

SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@SIZES
async def test_a_venue_that_begins_to_fail_shows_with_the_reason_and_when_it_works_again(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    async with desk.open(admin, "venues", size) as (page, _):
        card = page.get_by_label("okx", exact=True)
        await expect(card.get_by_role("heading", level=2)).to_contain_text("up")
        await stand_in.misbehave("okx", fault="reset", times=None)
        for _attempt in range(3):
            await set_leverage(desk.running, admin, 5, "okx-perp-001")
        await expect(card.get_by_role("heading", level=2)).to_contain_text(re.compile("failing|down"))
        await expect(card).to_contain_text("okx failed")
        await stand_in.reset()
        for _attempt in range(3):
            await set_leverage(desk.running, admin, 5, "okx-perp-001")
        await expect(card.get_by_role("heading", level=2)).to_contain_text("up", timeout=90_000)


async def test_what_is_left_of_a_limit_goes_down_as_it_is_used(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, "venues") as (page, _):
        limit = page.get_by_label("hyperliquid", exact=True).locator(".limit").first
        await expect(limit).to_contain_text("weight")
        meter = limit.locator("meter")
        value, most = await meter.get_attribute("value"), await meter.get_attribute("max")
        assert value is not None
        assert most is not None
        assert 0 < int(value) <= int(most)
        await expect(limit).to_contain_text(f"of {int(most):,}")


async def test_streams_and_the_worker_that_answered_are_told(desk: Desk, admin: str) -> None:
    async with desk.open(admin, "venues") as (page, _):
        streams = page.get_by_label("Streams by account").first
        await expect(streams.get_by_role("row").filter(has_text="binance-perp-001")).to_contain_text(
            "live", timeout=60_000
        )
        await expect(page.get_by_label("The worker that answered")).to_contain_text("can be written")
