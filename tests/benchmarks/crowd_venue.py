"""The stand-in venues with a crowd of accounts, each at a port with TLS, as the venues themselves are.

    python -m tests.benchmarks.crowd_venue STATE {"okx": 300, …}

opens so many accounts at each and lists them in STATE/sandbox.json; `certificate` vouches for the ports.
"""

import asyncio
import json
import ssl
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import uvloop
from aiohttp import web

from tests.support.certificates import Authority
from worker.runtime.stopping import stop_signal
from worker.sandbox.app.control import CONTROL, describe_account
from worker.sandbox.app.frontend import Desk
from worker.sandbox.app.server import BACKLOG, GOODBYE, LOOPBACK, Sandbox, application

CROWD = "crowd-"
POSITIONS = 2
PLENTY = 10**9

LIFTED: Mapping[str, Mapping[str, int]] = {
    "binance": {"fapi": PLENTY, "dapi": PLENTY},
    "bybit": {"ip": PLENTY, "streams": PLENTY},
    "gate": {},
    "okx": {},
    "hyperliquid": {"api": PLENTY},
}
"""What is widened of the venues' limits: those by address. Gate's open connections and Hyperliquid's users are not."""


def certificate(state: Path) -> Path:
    """Of the authority that vouches for the ports."""
    return state / "authority.pem"


def _context(state: Path) -> ssl.SSLContext:
    pair = Authority(state).issue("venues")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


async def _port(desk: Desk, context: ssl.SSLContext, stack: AsyncExitStack) -> str:
    runner = web.AppRunner(application(desk), access_log=None, shutdown_timeout=GOODBYE)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, LOOPBACK, 0, backlog=BACKLOG, ssl_context=context).start()
    return f"https://{LOOPBACK}:{runner.addresses[0][1]}"


def _open(desk: Desk, count: int) -> None:
    desk.venue.set_limits(LIFTED[desk.venue.name])
    for number in range(count):
        desk.venue.open_account({"id": f"{CROWD}{desk.venue.name}-{number}", "open_positions": POSITIONS})


def _listed(desk: Desk, base_url: str) -> list[dict[str, Any]]:
    return [describe_account(account) for account in desk.venue.accounts(base_url) if account.id.startswith(CROWD)]


async def serve(state: Path, counts: Mapping[str, int]) -> None:
    """Serve until told to stop."""
    stop = stop_signal()
    context, desks = _context(state), Sandbox().desks
    async with AsyncExitStack() as stack:
        urls = {name: await _port(desk, context, stack) for name, desk in desks.items()}
        for name, desk in desks.items():
            _open(desk, counts[name])
        listed = {
            "venues": {name: {"base_url": url, "control_url": url + CONTROL} for name, url in urls.items()},
            "accounts": [row for name, url in urls.items() for row in _listed(desks[name], url)],
        }
        file = state / "sandbox.json"
        await asyncio.to_thread(file.with_suffix(".new").write_text, json.dumps(listed))
        file.with_suffix(".new").rename(file)
        await stop.wait()


if __name__ == "__main__":
    uvloop.run(serve(Path(sys.argv[1]), json.loads(sys.argv[2])))
