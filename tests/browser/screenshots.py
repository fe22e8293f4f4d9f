"""The pictures of the console in the documentation, made anew:  python -m tests.browser.screenshots FOLDER.

They show the stand-in venues: one account frozen, one that can't be read, and a command with its way.
"""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from playwright.async_api import Page, async_playwright

from tests.acceptance.conftest import RunningUp, up
from tests.browser.conftest import CHROMIUM, Desk, StandIn

SIZE = (1280, 660)
LARGEST = 200_000
"""Bytes of a picture."""


async def prepare(running: RunningUp, admin: str) -> str:
    """What the pictures tell of; the id of the command that one of them shows."""
    headers = {"Authorization": f"Bearer {admin}"}
    async with httpx.AsyncClient(base_url=f"{running.http}/oems/execution/", headers=headers, timeout=30) as client:
        freeze = {"exchange_account_id": "binance-perp-001", "reason": "margin call: ask the desk"}
        leverage = {"exchange_account_id": "bybit-perp-001", "symbol": "BTC/USDT:USDT", "leverage": 7}
        (await client.post("freeze", json=freeze)).raise_for_status()
        answer = (await client.post("leverage", json=leverage)).raise_for_status()
    await StandIn(running).misbehave("binance", fault="reset", times=None, account="binance-hedge-001")
    await running.cli("sandbox", "stream-fault", "binance-hedge-001", "close")  # so that it is read at once
    return answer.headers["command-id"]


async def picture(page: Page, file: Path) -> None:
    """Take it, and see that it is small enough to stand in the repository."""
    if (size := len(await page.screenshot(path=file))) > LARGEST:
        raise SystemExit(f"{file} has {size} bytes, more than {LARGEST}")


async def take(folder: Path, state: Path) -> None:
    """Run everything, and take both pictures."""
    rhythm = {"PERPS_DMA_SNAPSHOT_INTERVAL_MS": "2000", "PERPS_DMA_SNAPSHOT_LIVE_INTERVAL_MS": "5000"}
    settings: dict[str, Any] = {"PERPS_DMA_STREAMS": "on", **rhythm}
    async with up(state, {}, **settings) as running, async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        desk = Desk(running, browser)
        admin = await desk.token("admin")
        command_id = await prepare(running, admin)
        async with desk.open(admin, size=SIZE, color_scheme="light") as (page, _):
            await page.locator("tr.frozen").first.wait_for()
            await page.locator("tr.faded").first.wait_for()
            margins = page.get_by_label("Margin of the accounts below").get_by_role("listitem")
            await margins.filter(has_text="ok").nth(3).wait_for()
            await picture(page, folder / "console-book.png")
        async with desk.open(admin, f"commands/{command_id}", (SIZE[0], 600), color_scheme="dark") as (page, _):
            await page.get_by_text("published").wait_for()
            await picture(page, folder / "console-command.png")
        await browser.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        asyncio.run(take(Path(sys.argv[1]), Path(scratch)))
