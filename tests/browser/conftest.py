"""The console of a running `up`, opened in a real Chromium. What the browser complains of fails the test."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect
from pydantic import SecretStr

from tests.acceptance.conftest import GRANTED, RunningUp, up
from worker.runtime.clock import now
from worker.shim.auth.tokens import issue_token

CHROMIUM = "/usr/bin/chromium"
WIDE, NARROW = (1280, 860), (390, 844)
"""A desk's screen, and a telephone."""

ENOUGH_MS = 20_000
expect.set_options(timeout=ENOUGH_MS)


@pytest.fixture(scope="session")
async def running_up(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningUp]:
    """The one that all pages are served by. What changes at a venue is pushed, and polled while streams are away."""
    async with up(
        tmp_path_factory.mktemp("up"), GRANTED, PERPS_DMA_STREAMS="on", PERPS_DMA_SNAPSHOT_INTERVAL_MS="2000"
    ) as running:
        yield running


@pytest.fixture(scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser that all tests share."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@dataclass
class Complaints:
    """What the browser says that is wrong. A refusal that a test provokes is named with `allow`."""

    said: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def allow(self, *parts: str) -> None:
        """Of these a test is about."""
        self.allowed = parts

    def hear(self, message: ConsoleMessage) -> None:
        """A line of the browser's console."""
        if message.type in ("error", "warning"):
            self.said.append(message.text)

    @property
    def unexpected(self) -> list[str]:
        """What no test asked for."""
        return [line for line in self.said if not any(part in line for part in self.allowed)]


@dataclass(frozen=True, slots=True)
class Desk:
    """Opens pages of the console."""

    running: RunningUp
    chromium: Browser

    async def token(self, role: str, *accounts: str) -> str:
        """What `perps-dma token` prints."""
        limits = [word for account in accounts for word in ("--account", account)]
        return (await self.running.cli("token", "--role", role, *limits)).out.strip()

    def signed(self, role: str) -> str:
        """A token that is good, for a role of which nobody has heard."""
        secret = SecretStr((self.running.state / "jwt.secret").read_text())
        return issue_token(secret, role=role, subject="a clerk", lifetime_s=600, now=now())

    @asynccontextmanager
    async def open(
        self, token: str, page: str = "book", size: tuple[int, int] = WIDE, **options: Any
    ) -> AsyncIterator[tuple[Page, Complaints]]:
        """A page in a tab of its own, by a link as `up` prints it. At its end nothing may have been complained of."""
        width, height = size
        context = await self.chromium.new_context(viewport={"width": width, "height": height}, **options)
        context.set_default_timeout(ENOUGH_MS)
        tab, complaints = await context.new_page(), Complaints()
        tab.on("console", complaints.hear)
        tab.on("pageerror", lambda error: complaints.said.append(str(error)))
        await tab.goto(f"{self.running.http}/console#token={token}")
        await tab.wait_for_function("location.hash === '#/book'")
        if page != "book":
            await tab.evaluate("page => { location.hash = `#/${page}` }", page)
        yield tab, complaints
        await context.close()
        assert complaints.unexpected == []


@pytest.fixture(scope="session")
def desk(running_up: RunningUp, chromium: Browser) -> Desk:
    """What opens pages."""
    return Desk(running_up, chromium)


Opened = Callable[..., AbstractAsyncContextManager[tuple[Page, Complaints]]]


@pytest.fixture(scope="session")
async def admin(desk: Desk) -> str:
    """A token that may do all."""
    return await desk.token("admin")


@dataclass(frozen=True, slots=True)
class StandIn:
    """The stand-in venues, changed as somebody else would change them."""

    running: RunningUp

    async def change(self, account: str, symbol: str, **options: Any) -> None:
        """As `perps-dma sandbox change` does."""
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        ended = await self.running.cli("sandbox", "change", account, symbol, *words)
        assert ended.code == 0, ended.err

    async def misbehave(self, venue: str, **fault: Any) -> None:
        """Plan a fault."""
        async with httpx.AsyncClient(base_url=f"{self.running.control_urls[venue]}/") as client:
            (await client.post("faults", json=fault)).raise_for_status()

    async def reset(self) -> None:
        """As seeded, without faults."""
        for url in self.running.control_urls.values():
            async with httpx.AsyncClient(base_url=f"{url}/") as client:
                (await client.delete("faults")).raise_for_status()
                (await client.post("reset")).raise_for_status()


@pytest.fixture
async def stand_in(running_up: RunningUp) -> AsyncIterator[StandIn]:
    """The venues as seeded."""
    venues = StandIn(running_up)
    yield venues
    await venues.reset()


async def scrolls_sideways(tab: Page) -> bool:
    """Whether a page is wider than its window."""
    return bool(await tab.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))
