"""Funding and PnL in the browser: all of a span, exactly, with how far it is."""

import csv
import io
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT = "binance-hedge-001"
KINDS = {"Funding": ("/funding-history", "payments"), "Realized PnL": ("/realized-pnl", "entries")}
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


async def everything(desk: Desk, token: str, path: str, rows: str, since: int) -> list[dict[str, Any]]:
    """All records, as a program reads them."""
    found: list[dict[str, Any]] = []
    query: dict[str, Any] = {"exchange_account_id": ACCOUNT, "since": since, "limit": 1000}
    async with httpx.AsyncClient(
        base_url=desk.running.http, headers={"Authorization": f"Bearer {token}"}, timeout=60
    ) as client:
        while True:
            answer = (await client.get(f"/oems/execution{path}", params=query)).raise_for_status()
            found += answer.json()["data"][rows]
            if (cursor := answer.headers.get("next-cursor")) is None:
                return found
            query["cursor"] = cursor


async def read(page: Page, kind: str) -> None:
    await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
    await page.get_by_label("Show").select_option(kind)
    await page.get_by_role("button", name="Read", exact=True).click()


@SIZES
@pytest.mark.parametrize("kind", KINDS)
async def test_the_records_of_a_span_are_all_there_and_their_sums_are_exact(
    desk: Desk, admin: str, tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    async with desk.open(admin, "money", size) as (page, _):
        await read(page, kind)
        await expect(page.locator(".reading")).to_contain_text("all read")
        await expect(page.locator(".reading")).to_contain_text("Nothing is missing from")
        async with page.expect_download() as begun:
            await page.get_by_role("button", name="CSV").click()
        download = await begun.value
        await download.save_as(tmp_path / "records.csv")
        saved = list(csv.DictReader(io.StringIO((tmp_path / "records.csv").read_text())))
        since = await page.evaluate("Date.now() - 30 * 86400000")
        expected = await everything(desk, admin, *KINDS[kind], since)
        assert {row["id"] for row in saved} >= {row["id"] for row in expected}
        sums: dict[str, Decimal] = {}
        for row in saved:
            sums[row["currency"]] = sums.get(row["currency"], Decimal()) + Decimal(row["amount"])
        tiles = page.get_by_label("Sums by currency")
        for currency, value in sums.items():
            shown = f"{abs(value.normalize()):,f}"
            await expect(tiles).to_contain_text(f"{shown}{currency}")
            await expect(page.get_by_label(f"By day, {currency}").get_by_role("img")).to_be_visible()


async def test_a_long_span_is_read_page_by_page_and_can_be_stopped_and_gone_on_with(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    await stand_in.reset()
    asked: list[str] = []

    async def few(route: Route) -> None:
        asked.append(route.request.url)
        await route.continue_(url=route.request.url.replace("limit=1000", "limit=100"))

    async with desk.open(admin, "money") as (page, _):
        await page.route("**/funding-history?**", few)
        await page.get_by_label("Of the last").select_option("30 days")
        await read(page, "Funding")
        await page.get_by_role("button", name="stop").click()
        await expect(page.locator(".reading")).to_contain_text("stopped: what follows is a part")
        assert await page.get_by_role("button", name="CSV").count() == 0
        before = len(asked)
        await page.get_by_role("button", name="go on").click()
        await expect(page.get_by_role("progressbar")).to_be_visible()
        await expect(page.locator(".reading")).to_contain_text("all read", timeout=60_000)
        assert len(asked) > before


async def test_a_page_that_fails_leaves_what_was_read_and_says_that_it_is_a_part(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    await stand_in.reset()
    asked = 0

    async def fail_the_third(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 3:
            await route.abort()
        else:
            await route.continue_(url=route.request.url.replace("limit=1000", "limit=100"))

    async with desk.open(admin, "money") as (page, complaints):
        complaints.allow("net::ERR_FAILED")
        await page.route("**/funding-history?**", fail_the_third)
        await read(page, "Funding")
        await expect(page.locator(".reading")).to_contain_text("broken off: what follows is a part")
        await expect(page.locator(".reading")).to_contain_text(re.compile("[1-9][0-9]* records"))
        await page.get_by_role("button", name="go on").click()
        await expect(page.locator(".reading")).to_contain_text("all read", timeout=60_000)


async def test_where_the_limit_is_used_up_it_waits_as_long_as_it_is_told_and_goes_on(desk: Desk, admin: str) -> None:
    asked = 0

    async def throttle_the_second(route: Route) -> None:
        nonlocal asked
        asked += 1
        if asked == 2:
            body = {"isError": True, "message": "Error - later", "statusCode": 429, "error": {"code": "throttled"}}
            await route.fulfill(status=429, headers={"Retry-After": "3"}, json=body)
        else:
            await route.continue_(url=route.request.url.replace("limit=1000", "limit=400"))

    async with desk.open(admin, "money") as (page, complaints):
        complaints.allow("429")
        await page.route("**/funding-history?**", throttle_the_second)
        await read(page, "Funding")
        await expect(page.locator(".reading")).to_contain_text("goes on in")
        await expect(page.locator(".reading")).to_contain_text("all read", timeout=60_000)
