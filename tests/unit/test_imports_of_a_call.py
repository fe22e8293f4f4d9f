"""A call of the command line brings in what it uses, and nothing of what the services need."""

import json
import subprocess
import sys

TOLD = """
import json, sys
from worker.app.cli import main

for arguments in json.loads(sys.argv[1]):
    sys.argv = ["perps-dma", *arguments]
    try:
        main()
    except SystemExit:
        print(json.dumps(sorted(sys.modules)))
"""

SERVICES = {
    "aiohttp",
    "asyncpg",
    "ccxt",
    "cryptography",
    "httpx",
    "jwt",
    "limits",
    "prometheus_client",
    "sqlite3",
    "starlette",
    "structlog",
    "tomlkit",
    "uvicorn",
    "yaml",
}
PRETTY = {"pygments", "rich.traceback", "rich.markdown", "rich.progress", "rich.syntax"}

POSITIONS = '{"exchange_account_id": "binance-perp-001"}'
CALLS = (
    ("send", "get_positions", POSITIONS),
    ("status",),
    ("doubts",),
    ("positions", "binance-perp-001"),
    ("leverage", "binance-perp-001", "BTC/USDT:USDT"),
    ("leverage", "binance-perp-001", "BTC/USDT:USDT", "10"),
    ("freeze", "--all", "--reason", "x"),
)


def run(*calls: tuple[str, ...]) -> "subprocess.CompletedProcess[str]":
    """Calls that one process makes, one after the other, here for want of a broker."""
    environment = {"PERPS_DMA_AMQP_URL": "amqp://guest:guest@127.0.0.1:1/", "PATH": ""}
    return subprocess.run(
        [sys.executable, "-c", TOLD, json.dumps(calls)], env=environment, capture_output=True, text=True, check=True
    )


def test_a_call_imports_no_service_and_nothing_for_tracebacks_in_colour() -> None:
    ended = run(*CALLS)
    assert ended.stderr.count("the broker can't be reached") == len(CALLS)
    imported = [set(json.loads(line)) for line in ended.stdout.splitlines()]
    assert {call: modules & (SERVICES | PRETTY) for call, modules in zip(CALLS, imported, strict=True)} == {
        call: set() for call in CALLS
    }


def test_help_imports_neither_the_bus_nor_the_contract() -> None:
    *_, modules = run(("--help",)).stdout.splitlines()
    assert set(json.loads(modules)) & (SERVICES | {"aio_pika", "asyncio", "pydantic", "schemas"}) == set()
