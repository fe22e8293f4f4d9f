"""Pointing ccxt at a network where money is play money: other hosts, and what else requests must carry.

ccxt calls a testnet, and OKX's demo trading with its header, a sandbox; other demo trading it calls that too.
Hyperliquid's testnet has signatures of its own, which ccxt makes in that mode.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from schemas.control import Exchange, Network
from worker.accounts.networks import MAINNET

Switch = Callable[[Any], None]


def _sandbox(exchange: Any) -> None:
    exchange.set_sandbox_mode(True)


def _demo(exchange: Any) -> None:
    exchange.enable_demo_trading(True)


SWITCHES: Mapping[tuple[Exchange, Network], Switch] = MappingProxyType(
    {
        ("binance", "demo"): _demo,
        ("bybit", "testnet"): _sandbox,
        ("bybit", "demo"): _demo,
        ("gate", "testnet"): _sandbox,
        ("okx", "demo"): _sandbox,
        ("hyperliquid", "testnet"): _sandbox,
    }
)
"""What to tell ccxt, for every network but the real one."""


def switch(exchange: Any, network: Network) -> None:
    """Send all requests of a ccxt exchange to a network. Before it has any key, and before any other change of URLs."""
    exchange.network = network
    if network != MAINNET:
        SWITCHES[exchange.id, network](exchange)
