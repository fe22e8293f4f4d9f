"""`perps-dma sandbox change` and `stream-fault`: what happens at a stand-in venue behind an account's back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx

from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class MarketChange:
    """What to change of a market of an account, as the venue names it. A size of 0 closes the position."""

    symbol: str
    leverage: int | None = None
    size: str | None = None
    entry_price: str = "1"


def _binance(change: MarketChange) -> Content:
    return {
        "positions": _listed(change, symbol=change.symbol, amount=change.size),
        "terms": {} if change.leverage is None else {change.symbol: {"leverage": change.leverage}},
    }


def _bybit(change: MarketChange) -> Content:
    leverage = {"buy": change.leverage, "sell": change.leverage}
    return {
        "positions": _listed(change, symbol=change.symbol, size=change.size),
        "terms": {} if change.leverage is None else {change.symbol: leverage},
    }


def _gate(change: MarketChange) -> Content:
    return {
        "positions": _listed(change, contract=change.symbol, size=change.size),
        "terms": {} if change.leverage is None else {change.symbol: {"leverage": change.leverage}},
    }


def _okx(change: MarketChange) -> Content:
    leverage = {"instrument_id": change.symbol, "leverage": change.leverage}
    return {
        "positions": _listed(change, instrument_id=change.symbol, amount=change.size),
        "leverages": [] if change.leverage is None else [leverage],
    }


def _hyperliquid(change: MarketChange) -> Content:
    return {
        "positions": _listed(change, coin=change.symbol, size=change.size),
        "terms": {} if change.leverage is None else {change.symbol: {"leverage": change.leverage}},
    }


CONTENTS: Mapping[str, Callable[[MarketChange], Content]] = MappingProxyType(
    {"binance": _binance, "bybit": _bybit, "gate": _gate, "okx": _okx, "hyperliquid": _hyperliquid}
)
"""What the control endpoint of each stand-in venue is sent."""


def _listed(change: MarketChange, **fields: Any) -> list[Content]:
    return [] if change.size is None else [{**fields, "entry_price": change.entry_price}]


async def change_account(settings: Settings, account: str, change: MarketChange) -> None:
    """Change an account at its stand-in venue. Raises ConfigurationError where that is not to be."""
    exchange, control = _venue_of(settings, account)
    async with httpx.AsyncClient() as client:
        answer = await client.patch(f"{control}/accounts/{account}", json=CONTENTS[exchange](change))
    _require(answer)


async def misbehave(settings: Settings, account: str, fault: Content) -> int:
    """Let the streams of an account misbehave; how many open connections meet it now. Raises ConfigurationError."""
    _, control = _venue_of(settings, account)
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"{control}/streams/faults", json={"account": account, **fault})
    _require(answer)
    return int(answer.json()["connections"])


def _require(answer: httpx.Response) -> None:
    if answer.is_error:
        raise ConfigurationError(f"the sandbox does not do that: {answer.text}")


def _venue_of(settings: Settings, account: str) -> tuple[str, str]:
    """The exchange of a sandbox account, and where its stand-in venue is controlled."""
    try:
        listed = json.loads(settings.sandbox_file.read_text())
    except OSError as error:
        raise ConfigurationError(f"no sandbox runs on {settings.state}: start `perps-dma up`") from error
    exchange = next((row["exchange"] for row in listed["accounts"] if row["id"] == account), None)
    if exchange is None:
        raise ConfigurationError(f"the sandbox has no account {account!r}")
    return exchange, listed["venues"][exchange]["control_url"]
