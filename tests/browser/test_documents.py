"""Documents of terms in the browser: read as Python's own TOML reader reads them, and planned as they are written."""

import re
import tomllib
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import NARROW, WIDE, Desk, StandIn, scrolls_sideways

pytestmark = pytest.mark.browser

ACCOUNT, BTC, ETH = "okx-perp-001", "BTC/USDT:USDT", "ETH/USDT:USDT"
SIZES = pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])

GUIDE = Path("deploy/docs/TERMS.md").read_text()
WRITTEN = {
    "the guide's": re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)[1],  # type: ignore[index]
    "inline": 'exchange_account_id=\'a\'\ndefaults={ leverage = 2.5, margin_mode="cross" }\nsymbols."A/B:B" = {}\n',
    "dotted": 'exchange_account_id="a" # why\r\ndefaults.leverage=1_000\r\nsymbols . "A/B:B" . leverage = 0.10\r\n',
    "escaped": 'exchange_account_id = "a#\\"b\\\\ \\u00e9"\n[ symbols . "A=B]" ]\nmargin_mode = \'iso#lated\' # so\n',
    "nothing": "\n # nothing\n\n",
}
WRONG = {
    "a = 1\na = 2": "line 2: a is there twice",
    "[a]\n[a]": "line 2: [a] is there twice",
    "a = 1\n[a]": "line 2: a is a value, and no table",
    "a": "line 1: = is missing",
    "\na = ": "line 2: no value: nothing",
    "a = 1 2": "line 1: what stands behind is not understood: 2",
    'a = "b': 'line 1: " is missing',
    "a = {b = 1": "line 1: } is missing",
    "a = 3x": "line 1: no value: 3x",
    "a = 0.1234567890123456789": "more digits than can be sent exactly",
    "a = [1]": "line 1: lists mean nothing here",
    "[[a]]": "line 1: lists of tables mean nothing here",
}


async def parsed(page: Page, text: str) -> Any:
    return await page.evaluate("async text => (await import('/console/page/toml.js')).parseToml(text)", text)


async def test_a_document_is_read_as_any_reader_of_toml_reads_it_and_written_so(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        for name, text in WRITTEN.items():
            read = await parsed(page, text)
            assert read == tomllib.loads(text), name
            again = await page.evaluate(
                "async told => (await import('/console/page/toml.js')).writeToml(told)", {"symbols": {}, **read}
            )
            assert tomllib.loads(again) == {key: value for key, value in read.items() if value != {}}, name


async def test_what_is_no_document_is_refused_with_its_line(desk: Desk, admin: str) -> None:
    async with desk.open(admin) as (page, _):
        for text, why in WRONG.items():
            told = await page.evaluate(
                "async text => { const { parseToml } = await import('/console/page/toml.js');"
                " try { parseToml(text); return null; } catch (error) { return error.message; } }",
                text,
            )
            assert told is not None, text
            assert why in told, text


DOCUMENT = f'''exchange_account_id = "{ACCOUNT}"

[defaults]
margin_mode = "cross"

[symbols."{BTC}"]
leverage = 6

[symbols."{ETH}"]
leverage = 7
'''


@SIZES
async def test_a_document_that_is_pasted_has_terms_for_each_symbol_of_its_own(
    desk: Desk, admin: str, stand_in: StandIn, size: tuple[int, int]
) -> None:
    await stand_in.reset()
    async with desk.open(admin, "terms", size) as (page, _):
        await page.get_by_label("Said by").select_option("text")
        field, plan_button = page.get_by_label("Document, as TOML or JSON"), page.get_by_role("button", name="Plan")
        await expect(plan_button).to_be_disabled()
        await field.fill(DOCUMENT.replace("= 6", "= six"))
        await expect(page.get_by_text("Not understood: line 7: no value: six")).to_be_visible()
        await expect(plan_button).to_be_disabled()
        await field.fill(DOCUMENT)
        await plan_button.click()
        rows = page.get_by_label("Plan", exact=True).first.get_by_role("row")
        await expect(rows.filter(has_text=BTC)).to_contain_text(re.compile("→.*6"))
        await expect(rows.filter(has_text=ETH)).to_contain_text(re.compile("→.*7"))
        assert not await scrolls_sideways(page)


async def test_what_the_fields_say_becomes_a_document_that_can_be_written_on(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, "terms") as (page, _):
        await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
        await page.get_by_label("Symbols").select_option("these")
        await page.get_by_label("Names").fill(f"{BTC} {ETH}")
        await page.get_by_label("Leverage").fill("4")
        await page.get_by_label("Position mode").select_option("one-way")
        await page.get_by_label("Said by").select_option("text")
        text = await page.get_by_label("Document, as TOML or JSON").input_value()
        assert tomllib.loads(text) == {
            "exchange_account_id": ACCOUNT,
            "position_mode": "one_way",
            "symbols": {BTC: {"leverage": 4}, ETH: {"leverage": 4}},
        }


async def test_a_document_that_the_service_refuses_says_why_and_nothing_is_offered(desk: Desk, admin: str) -> None:
    async with desk.open(admin, "terms") as (page, complaints):
        complaints.allow("400", "422", "404")
        await page.get_by_label("Said by").select_option("text")
        await page.get_by_label("Document, as TOML or JSON").fill(DOCUMENT.replace("leverage", "levrage"))
        await page.get_by_role("button", name="Plan").click()
        plan = page.get_by_label("Plan", exact=True).first
        await expect(plan.get_by_role("alert")).to_contain_text("levrage")
        await expect(page.get_by_role("button", name=re.compile("Apply|Keep"))).to_have_count(0)


async def test_a_kept_document_is_taken_up_again_and_a_new_version_of_it_is_kept(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    async with desk.open(admin, "terms") as (page, _):
        await page.get_by_label("Said by").select_option("text")
        await page.get_by_label("Document, as TOML or JSON").fill(DOCUMENT)
        await page.get_by_role("button", name="Plan").click()
        await page.get_by_role("button", name="Keep it so").click()
        kept = page.get_by_label("Kept", exact=True).first
        await expect(kept).to_contain_text(re.compile(f"{ACCOUNT} kept version [0-9]+"))
        await page.reload()
        await kept.get_by_role("button", name="edit").click()
        text = await page.get_by_label("Document, as TOML or JSON").input_value()
        assert tomllib.loads(text) == {"market_type": "swap", **tomllib.loads(DOCUMENT)}
        for symbol in (BTC, ETH):
            await expect(kept.get_by_role("row").filter(has_text=symbol)).to_have_count(1)
        await kept.get_by_text("The document").click()
        await expect(kept.locator("pre")).to_contain_text("leverage = 7")
        await kept.get_by_role("button", name="keep it no more").click()
        await expect(kept.get_by_role("button", name="keep it no more")).to_have_count(0)


async def test_an_apply_is_followed_by_whoever_looks_and_stopped_before_its_next_symbol(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    await stand_in.reset()
    slow = {"fault": "delay", "delay_ms": 2500, "times": None, "path": "/api/v5/account/set-leverage"}
    async with (
        desk.open(admin, "terms") as (page, _),
        desk.open(await desk.token("viewer"), "terms", NARROW) as (other, _),
    ):
        await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
        await page.get_by_label("Symbols").select_option("all USDT perpetuals")
        await page.get_by_label("Leverage").fill("9")
        await page.get_by_role("button", name="Plan").click()
        apply = page.get_by_role("button", name=re.compile("Apply to"))
        await expect(apply).to_be_visible()
        await stand_in.misbehave("okx", **slow)
        await apply.click()
        for tab in (page, other):
            progress = tab.get_by_label("Apply", exact=True).first
            await expect(progress).to_contain_text("under way")
            await expect(progress).to_contain_text(re.compile("[1-9] of [0-9]+"))
        stop = page.get_by_role("button", name="stop before the next symbol")
        assert await other.get_by_role("button", name=re.compile("stop|Apply")).count() == 0
        await stop.click()
        for tab in (page, other):
            row = tab.get_by_label("Applied lately").first.get_by_role("row").filter(has_text=ACCOUNT).first
            await expect(row).to_contain_text(re.compile("partial|rejected"))
        await expect(page.get_by_label("Apply", exact=True).first).to_contain_text("partial")
        await expect(stop).to_have_count(0)


async def test_a_position_mode_stands_in_the_plan_from_now_to_then(desk: Desk, admin: str, stand_in: StandIn) -> None:
    async with desk.open(admin, "terms") as (page, _):
        await page.get_by_label("Account", exact=True).select_option(ACCOUNT)
        await page.get_by_label("Position mode").select_option("hedge")
        await page.get_by_role("button", name="Plan").click()
        row = page.get_by_label("Plan", exact=True).first.get_by_role("row").filter(has_text=ACCOUNT)
        await expect(row).to_contain_text(re.compile("one-way → hedge"))
        await expect(row).to_contain_text("impossible")


async def test_a_freeze_suspends_what_is_kept_and_it_is_kept_again_by_one_button(
    desk: Desk, admin: str, stand_in: StandIn
) -> None:
    account = "bybit-perp-001"
    frozen = {"exchange_account_id": account, "reason": "a look at what the keeper does"}
    async with desk.open(admin, "terms") as (page, _):
        await page.get_by_label("Account", exact=True).select_option(account)
        await page.get_by_label("Leverage").fill("10")
        await page.get_by_role("button", name="Plan").click()
        await page.get_by_role("button", name="Keep it so").click()
        kept = page.get_by_label("Kept", exact=True).first
        await expect(kept).to_contain_text("version 1, by")
        headers = {"Authorization": f"Bearer {admin}"}
        route = f"{desk.running.http}/oems/execution/freeze"
        async with httpx.AsyncClient(headers=headers, timeout=30) as client:
            (await client.post(route, json=frozen)).raise_for_status()
            await expect(kept).to_contain_text("suspended", timeout=90_000)
            await expect(kept.locator(".notice")).to_contain_text("frozen")
            (await client.delete(route, params={"exchange_account_id": account})).raise_for_status()
        await kept.get_by_role("button", name="keep it again").click()
        await expect(kept).to_contain_text("version 2, by")
        await expect(kept.get_by_role("button", name="keep it again")).to_have_count(0)
        await kept.get_by_role("button", name="keep it no more").click()
        await expect(kept).to_contain_text("Nothing is kept")
