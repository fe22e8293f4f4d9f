"""A stand-in venue with many accounts that have open positions, and commands that really change something on them."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.routes import PLENTY, SYMBOL
from tests.benchmarks.services import sandbox
from worker.config.settings import Settings

POSITIONS = 2
"""Open positions of each account, one of them in the symbol that is changed."""

LOWEST, VALUES = 3, 7
"""The leverages that follow each other on an account."""

LIFTED = dict.fromkeys(("fapi", "dapi", "papi"), PLENTY)
DOCUMENTED: Mapping[str, int] = {}
LIFTED_BY_US = {
    "PERPS_DMA_GRANTED_LIMITS": json.dumps({"binance": {"futures weight": PLENTY, "papi weight": PLENTY}}),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """A running stand-in of Binance and the accounts opened on it, whose rows hold their keys."""

    settings: Settings
    base_url: str
    control_url: str
    accounts: Sequence[dict[str, Any]]

    def worker(self, name: str, accounts: int) -> Settings:
        """Settings of a worker, with a state folder of its own, that knows so many of the accounts."""
        settings = self.settings.model_copy(update={"state": self.settings.state / name})
        settings.state.mkdir(parents=True, exist_ok=True)
        listed = {"venues": {"binance": {"base_url": self.base_url}}, "accounts": self.accounts[:accounts]}
        settings.sandbox_file.write_text(json.dumps(listed))
        return settings

    async def delay(self, milliseconds: int) -> None:
        """From now on every answer of the venue takes so much longer."""
        fault = {"fault": "delay", "delay_ms": milliseconds, "times": PLENTY}
        async with aiohttp.ClientSession() as session:
            await session.delete(f"{self.control_url}/faults")
            async with session.post(f"{self.control_url}/faults", json=fault) as planned:
                planned.raise_for_status()


@asynccontextmanager
async def stage(settings: Settings, folder: Path, accounts: int, limits: Mapping[str, int]) -> AsyncIterator[Stage]:
    """A venue of its own, in a folder of its own, with `limits` other than the documented ones."""
    own = settings.model_copy(update={"state": folder})
    async with sandbox(own):
        venue = json.loads(own.sandbox_file.read_text())["venues"]["binance"]
        async with aiohttp.ClientSession() as session:
            async with session.put(f"{venue['control_url']}/limits", json=dict(limits)) as lifted:
                lifted.raise_for_status()
            rows = [await _opened(session, venue["control_url"], f"desk-{number}") for number in range(accounts)]
        yield Stage(own, venue["base_url"], venue["control_url"], rows)


async def _opened(session: aiohttp.ClientSession, control_url: str, account: str) -> dict[str, Any]:
    content = {"id": account, "open_positions": POSITIONS}
    async with session.post(f"{control_url}/accounts", json=content) as opened:
        opened.raise_for_status()
        row: dict[str, Any] = await opened.json()
        return row


class Desk:
    """Changes of leverage on the accounts in turn, each to another value than the one before on that account."""

    def __init__(self, accounts: Sequence[Mapping[str, Any]]) -> None:
        self._ids = [account["id"] for account in accounts]
        self._sent = 0

    def change(self) -> dict[str, Any]:
        """The next one, as a request."""
        turn, account = divmod(self._sent, len(self._ids))
        self._sent += 1
        return {
            "exchange_account_id": self._ids[account],
            "symbol": SYMBOL,
            "leverage": LOWEST + turn % VALUES,
        }
