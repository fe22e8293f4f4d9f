"""Doubts and incidents in the browser: what is in doubt is read now, what is frozen let go, what was denied told."""

import json
import re
from uuid import uuid4

import httpx
import pytest
from playwright.async_api import expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn
from tests.browser.test_commands import set_leverage
from tests.support.strategy import Strategy

pytestmark = pytest.mark.browser

BTC = "BTC/USDT:USDT"
SET_33 = "\N{RIGHTWARDS ARROW} 33"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])


@SIZES
async def test_a_setting_in_doubt_is_shown_and_reading_it_ends_the_doubt(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    account = "bybit-perp-001"
    await stand_in.misbehave("bybit", fault="reset", times=None, account=account)
    command_id = await set_leverage(desk.running, admin, 6, account)
    async with desk.open(admin, "incidents", size) as (page, complaints):
        complaints.allow("502")
        doubts = page.get_by_label("Settings in doubt").first
        row = doubts.get_by_role("row").filter(has=page.locator(f'a[href="#/commands/{command_id}"]'))
        await expect(row).to_contain_text(account)
        await row.get_by_role("button", name="read now").click()
        await expect(row).to_contain_text("not known:")
        await row.get_by_role("link", name="set_leverage").click()
        await expect(page.get_by_label("Doubt", exact=True)).to_contain_text("What is in force is not known since")
        await stand_in.reset()
        await page.go_back()
        read = row.get_by_role("button", name="read now")
        if await read.count():
            await read.click()
        await expect(row).to_have_count(0)
        await page.evaluate(f"location.hash = '#/commands/{command_id}'")
        await expect(page.get_by_label("How its doubt ended")).to_contain_text("In force")


@SIZES
async def test_a_venue_is_frozen_and_let_go_again(desk: Desk, admin: str, size: tuple[int, int]) -> None:
    async with desk.open(admin, "incidents", size) as (page, _):
        freezes = page.get_by_label("Freezes").first
        await expect(freezes).to_contain_text("Nothing is frozen")
        await freezes.get_by_label("Freeze", exact=True).select_option("bybit")
        await freezes.get_by_role("button", name="Freeze…").click()
        await freezes.get_by_role("textbox").fill("a test of the console")
        await freezes.get_by_role("button", name="Freeze all of bybit").click()
        row = freezes.get_by_role("row").filter(has_text="exchange:bybit")
        await expect(row).to_contain_text("a test of the console")
        await expect(page.get_by_label("Audit").first).to_contain_text("exchange:bybit")
        await row.get_by_role("button", name="unfreeze").click()
        await expect(freezes).to_contain_text("Nothing is frozen")


async def test_a_leverage_that_somebody_else_changed_is_told_as_drift(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, "incidents") as (page, _):
        told = page.get_by_label("The last day, and from now on")
        await expect(told).to_contain_text("live")
        await stand_in.change("binance-perp-001", "BTCUSDT", leverage=33)
        await expect(told.get_by_role("row").filter(has_text=SET_33)).to_contain_text("drift")
        await told.get_by_label("Kind").select_option("epoch")
        await expect(told.get_by_role("row").filter(has_text=SET_33)).to_have_count(0)
        await told.get_by_label("Kind").select_option("drift")
        await told.get_by_label("Filter").fill("btc/usdt")
        await expect(told.get_by_role("row").filter(has_text=SET_33)).to_have_count(1)


async def test_who_was_denied_is_told_and_stands_in_the_audit(desk: Desk, admin: str) -> None:
    viewer = await desk.token("viewer")
    headers = {"Authorization": f"Bearer {viewer}"}
    body = {"exchange_account_id": "binance-perp-001", "symbol": BTC, "leverage": 3}
    async with desk.open(admin, "incidents") as (page, _):
        await expect(page.get_by_label("The last day, and from now on")).to_contain_text("live")
        async with httpx.AsyncClient(base_url=desk.running.http, headers=headers) as client:
            assert (await client.post("/oems/execution/leverage", json=body)).status_code == 403
        await expect(page.get_by_label("The last day, and from now on")).to_contain_text("denied (role): set_leverage")
        await expect(page.get_by_label("Audit").first).to_contain_text(re.compile("denial.*set_leverage"))


async def test_a_sweep_in_doubt_is_never_offered_again_and_its_balance_is_read(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    await stand_in.misbehave("binance", fault="reset", times=None, account="binance-pm-001")
    command_id = str(uuid4())
    headers = {"Authorization": f"Bearer {admin}", "Idempotency-Key": command_id}
    async with httpx.AsyncClient(base_url=desk.running.http, headers=headers, timeout=30) as client:
        body = {"exchange_account_id": "binance-pm-001", "asset": "USDT"}
        await client.post("/oems/execution/portfolio-margin/asset-collection", content=json.dumps(body))
    async with desk.open(admin, "incidents") as (page, complaints):
        complaints.allow("502", "503")
        row = (
            page.get_by_label("Settings in doubt")
            .first.get_by_role("row")
            .filter(has=page.locator(f'a[href="#/commands/{command_id}"]'))
        )
        await expect(row).to_contain_text("USDT")
        assert await row.get_by_role("button").all_text_contents() == ["read now"]
    async with desk.open(await desk.token("viewer"), "incidents") as (page, _):
        row = page.get_by_label("Settings in doubt").first.get_by_role("row").filter(has_text="USDT")
        await expect(row).to_be_visible()
        assert await row.get_by_role("button").count() == 0


@SIZES
async def test_a_dead_letter_is_shown_as_text_sent_again_and_dropped_each_with_a_reason(
    desk: Desk, admin: str, size: tuple[int, int]
) -> None:
    mark = f"is no JSON {uuid4()}"
    body = f'<img src=x onerror="document.title=1"> {mark}'.encode()
    async with Strategy.connected(desk.running.amqp) as engine, desk.open(admin, "incidents", size) as (page, _):
        letter_id = await engine.publish("set_leverage", body)
        await engine.dead_letter(letter_id)
        await page.reload()
        await page.evaluate("location.hash = '#/incidents'")
        row = page.get_by_label("Dead letters").first.get_by_role("row").filter(has_text=mark)
        await expect(row).to_contain_text("<img src=x")
        await row.get_by_role("button", name="requeue…").click()
        await expect(row.get_by_role("button", name="requeue", exact=True)).to_be_disabled()
        await row.get_by_label("Reason").fill("the cause is mended")
        await row.get_by_role("button", name="requeue", exact=True).click()
        await engine.dead_letter(letter_id)  # its body is as bad as before
        await expect(page.get_by_label("Audit").first).to_contain_text("the cause is mended")
        await row.get_by_role("button", name="drop…").click()
        await row.get_by_label("Reason").fill("it will never be JSON")
        await row.get_by_role("button", name="drop", exact=True).click()
        await expect(row).to_have_count(0)
        await expect(page.get_by_label("Audit").first).to_contain_text("it will never be JSON")
        assert await page.locator("img").count() == 0
