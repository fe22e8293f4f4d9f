"""What an account costs in memory: an adapter of ours, or a ccxt instance as its manual has it, each after one read.

    python -m tests.benchmarks.memory ours|ccxt STATE

prints megabytes for each of the accounts that STATE/sandbox.json lists under the name `memory-…`.
"""

import asyncio
import gc
import json
import os
import sys
from pathlib import Path

import uvloop

from tests.benchmarks.routes import ONE_OF_MANY, Venue
from worker.accounts.account import Account, Accounts
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import Venues

TIMEOUT_MS = 10_000
KINDS = ("ours", "ccxt")


async def account_costs(state: Path) -> dict[str, float]:
    """Megabytes for each account, ours and ccxt's, each measured in a process of its own."""
    return {kind: await _measured(kind, state) for kind in KINDS}


async def _measured(kind: str, state: Path) -> float:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.benchmarks.memory", kind, str(state)), stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return float(out)


def megabytes() -> float:
    """What this process holds in memory."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1_000_000


async def ours(accounts: list[Account]) -> float:
    """Megabytes for each adapter."""
    async with VenueConnections() as connections:
        venues = Venues(connections, Accounts(accounts), TIMEOUT_MS)
        await venues.load_once(accounts[0])
        first = venues.adapter(accounts[0])
        await first.positions()
        before = megabytes()
        adapters = [venues.adapter(account) for account in accounts]
        for adapter in adapters:
            await adapter.positions()
        return (megabytes() - before) / len(adapters)


async def ccxts(venue: Venue, accounts: list[Account]) -> float:
    """Megabytes for each instance; the first one's markets are shared by the others."""
    async with venue.ccxt(accounts[0].id) as first:
        await first.fetch_positions()
        before = megabytes()
        instances = []
        for account in accounts:
            instance = venue.instance(account.id)
            instance.set_markets_from_exchange(first)
            await instance.fetch_positions()
            instances.append(instance)
        grown = (megabytes() - before) / len(instances)
        await asyncio.gather(*(instance.close() for instance in instances))
        return grown


async def main(whose: str, state: Path) -> None:
    """Print it."""
    listed = json.loads((state / "sandbox.json").read_text())
    rows = {row["id"]: row for row in listed["accounts"] if row["id"].startswith(ONE_OF_MANY)}
    accounts = [Account.model_validate(row) for row in rows.values()]
    venue = Venue(listed["venues"]["binance"]["base_url"], rows)
    each = await (ours(accounts) if whose == KINDS[0] else ccxts(venue, accounts))
    sys.stdout.write(f"{each:.4f}\n")


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], Path(sys.argv[2])))
