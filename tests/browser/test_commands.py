"""Commands in the browser: the list, the way of one, and one whose answer was lost."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import Error, Page, Route, expect

from tests.acceptance.conftest import RunningUp
from tests.browser.conftest import NARROW, WIDE, Desk, StandIn

pytestmark = pytest.mark.browser

ACCOUNT, BTC = "binance-perp-001", "BTC/USDT:USDT"
PREFIX = "/oems/execution"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


async def set_leverage(running: RunningUp, token: str, leverage: int, account: str = ACCOUNT) -> str:
    """The id of a command that was carried out, whatever became of it."""
    command_id = str(uuid4())
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": command_id}
    body = {"exchange_account_id": account, "symbol": BTC, "leverage": leverage}
    async with httpx.AsyncClient(base_url=running.http, headers=headers, timeout=30) as client:
        await client.post(f"{PREFIX}/leverage", json=body)
    return command_id


async def steps(page: Page) -> list[str]:
    """The steps that were taken, in their order."""
    return await page.locator(".way li.done .step").all_text_contents()


@SIZES
async def test_the_way_of_a_command_is_shown_as_it_was_recorded(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    command_id = await set_leverage(desk.running, admin, 11)
    async with desk.open(admin, "commands", size) as (page, _):
        row = page.get_by_role("row").filter(has=page.locator(f'a[href="#/commands/{command_id}"]'))
        await row.get_by_role("link", name="set leverage").click()
        await expect(page.get_by_label("Its way")).to_contain_text("published")
        whole = ["received", "lane", "permit", "sent", "confirmed", "recorded", "event"]
        assert await steps(page) == whole
        facts = page.get_by_label("Facts")
        await expect(facts).to_contain_text(command_id)
        await expect(facts).to_contain_text(re.compile(r"Trace id[0-9a-f]{32}"))
        await expect(page.get_by_label("Outcome", exact=True)).to_contain_text("leverage 11")


async def test_a_command_that_was_refused_before_it_was_sent_has_no_such_step(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    command_id = await set_leverage(desk.running, admin, 500)
    async with desk.open(admin, f"commands/{command_id}") as (page, _):
        await expect(page.get_by_label("Its way")).to_contain_text("nothing was sent")
        assert "sent" not in await steps(page)
        assert "confirmed" not in await steps(page)


async def test_commands_are_found_by_outcome_account_and_words(desk: Desk, admin: str, stand_in: StandIn) -> None:
    made = [await set_leverage(desk.running, admin, leverage) for leverage in (9, 500)]
    async with desk.open(admin, "commands") as (page, _):
        rows = page.get_by_role("row")
        refused = rows.filter(has=page.locator(f'a[href="#/commands/{made[1]}"]'))
        taken = rows.filter(has=page.locator(f'a[href="#/commands/{made[0]}"]'))
        await expect(refused).to_have_count(1)
        await page.get_by_label("Outcome").select_option("applied")
        await expect(refused).to_have_count(0)
        await expect(taken).to_have_count(1)
        await page.get_by_label("Account").select_option("okx-perp-001")
        await expect(taken).to_have_count(0)
        await page.get_by_label("Account").select_option("")
        await page.get_by_label("Outcome").select_option("")
        await page.get_by_label("Filter").fill("500x")
        await expect(taken).to_have_count(0)
        await expect(refused).to_have_count(1)
        await page.get_by_label("Filter").fill("")
        await page.get_by_label("Ended").select_option("last hour")
        await expect(taken).to_have_count(1)
        await page.get_by_label("Actor").fill("nobody-at-all")
        await page.get_by_label("Actor").press("Enter")
        await expect(page.get_by_role("main")).to_contain_text("No command")


async def test_older_commands_are_reached_where_there_are_more_than_one_answer_holds(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    for leverage in (4, 5, 6):
        await set_leverage(desk.running, admin, leverage)

    async def two_at_a_time(route: Route) -> None:
        await route.continue_(url=route.request.url.replace("limit=100", "limit=2"))

    async with desk.open(admin) as (page, _):
        await page.route("**/commands?**", two_at_a_time)
        await page.evaluate("location.hash = '#/commands'")
        table = page.get_by_role("table")
        await expect(table.get_by_role("row")).to_have_count(3)
        await page.get_by_role("button", name="older ones").click()
        await expect(table.get_by_role("row")).to_have_count(5)


@asynccontextmanager
async def answers_lost(page: Page) -> AsyncIterator[list[str]]:
    """While this lasts the service carries out what it is asked, and no answer arrives. The ids it was asked with."""
    ids: list[str] = []

    async def lose(route: Route) -> None:
        if route.request.method == "POST":
            ids.append(route.request.headers["idempotency-key"])
            await route.fetch()
        with suppress(Error):  # the page may be gone by now
            await route.abort()

    pattern = re.compile(r"/oems/execution/(leverage|commands/)")
    await page.route(pattern, lose)
    yield ids
    await page.unroute(pattern)


async def changes(stand_in: StandIn) -> int:
    """How often the venue was asked for a leverage."""
    async with httpx.AsyncClient(base_url=f"{stand_in.running.control_urls['binance']}/") as client:
        rows: list[dict[str, Any]] = (await client.get("requests")).json()["requests"]
    return sum(row["method"] == "POST" and row["path"] == "/fapi/v1/leverage" for row in rows)


@SIZES
async def test_a_command_without_an_answer_is_in_flight_and_is_sent_again_under_its_own_id_alone(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, f"account/{ACCOUNT}", size) as (page, complaints):
        complaints.allow("net::ERR_FAILED")
        asked = page.get_by_label("Asked for in this tab")
        # The event would tell what became of it, were it not lost as well.
        await page.route("**/execution/events**", lambda route: route.abort())
        await page.reload()
        await page.get_by_label("New leverage").fill("14")
        async with answers_lost(page) as ids:
            await page.get_by_role("button", name="Set leverage").click()
            again = asked.get_by_role("button", name="send again, same id")
            await expect(again).to_be_visible()
            await expect(asked).to_contain_text("in flight")
            await again.click()
            await expect(again).to_be_visible()
            assert await page.evaluate("JSON.parse(sessionStorage['perps-dma.commands']).length") == 1
        await expect(asked).to_contain_text("applied")
        assert len(ids) == 2
        assert len(set(ids)) == 1
        assert await changes(stand_in) == 1


async def test_what_was_in_flight_is_still_in_flight_when_the_page_is_loaded_again(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, f"account/{ACCOUNT}") as (page, complaints):
        complaints.allow("net::ERR_FAILED")
        # The event would tell what became of it before one sees that the answer is lost.
        events = re.compile(r"/execution/events")
        await page.route(events, lambda route: route.abort())
        await page.reload()
        await page.get_by_label("New leverage").fill("15")
        async with answers_lost(page) as ids:
            await page.get_by_role("button", name="Set leverage").click()
            await expect(page.get_by_label("Asked for in this tab")).to_contain_text("in flight")
        await page.unroute(events)
        await page.reload()
        await expect(page.get_by_label("Asked for in this tab")).to_contain_text("applied")
        assert len(ids) == 1
