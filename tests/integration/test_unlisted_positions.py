"""A position in a market that was listed after the markets were loaded is not hidden, and has them loaded again."""

from collections.abc import AsyncIterator, Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from tests.support.sandbox_harness import SWAP, SandboxHarness, market, sandbox_harness, unread
from worker.console.seeded import SEEDED
from worker.venues.binance import client as binance_client
from worker.venues.binance.adapter import BinanceAdapter
from worker.venues.binance.instruments import BinanceMarkets
from worker.venues.bybit import client as bybit_client
from worker.venues.bybit.adapter import BybitAdapter
from worker.venues.bybit.instruments import Instruments
from worker.venues.gate import client as gate_connection
from worker.venues.gate.adapter import GateAdapter
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.instruments import Contracts, Lists
from worker.venues.hyperliquid import client as hyperliquid_connection
from worker.venues.hyperliquid.adapter import HyperliquidAdapter
from worker.venues.hyperliquid.instruments import Instrument, Universe
from worker.venues.okx import client as okx_connection
from worker.venues.okx.adapter import OkxAdapter
from worker.venues.parsing.markets import Markets, Unlisted
from worker.venues.port.adapter import Adapter, Market
from worker.venues.port.errors import Ambiguous, UnknownSymbol


def _transport(harness: SandboxHarness, connection: Any) -> Any:
    account = harness.account()
    return connection.without_keys(harness.connections, account.base_url, 1_000).for_account(account)


def _binance(harness: SandboxHarness, only: Market, unlisted: Unlisted) -> Adapter:
    return BinanceAdapter(harness.account(), _transport(harness, binance_client), BinanceMarkets([only], unlisted))


def _bybit(harness: SandboxHarness, only: Market, unlisted: Unlisted) -> Adapter:
    listed = Instruments(Markets([only], unlisted), {})
    return BybitAdapter(harness.account(), _transport(harness, bybit_client), listed)


def _gate(harness: SandboxHarness, only: Market, unlisted: Unlisted) -> Adapter:
    lists = Lists({PARTS[0]: Contracts((only,), {}, ())}, {})
    return GateAdapter(harness.account(), _transport(harness, gate_connection), Markets([only], unlisted), lists)


def _okx(harness: SandboxHarness, only: Market, unlisted: Unlisted) -> Adapter:
    return OkxAdapter(harness.account(), _transport(harness, okx_connection), Markets([only], unlisted), {})


def _hyperliquid(harness: SandboxHarness, only: Market, unlisted: Unlisted) -> Adapter:
    listed = Universe([Instrument(only, 1, "", 50, 2)], unlisted)
    return HyperliquidAdapter(harness.account(), _transport(harness, hyperliquid_connection), listed)


MAKERS: Mapping[str, Callable[[SandboxHarness, Market, Unlisted], Adapter]] = MappingProxyType(
    {"binance": _binance, "bybit": _bybit, "gate": _gate, "okx": _okx, "hyperliquid": _hyperliquid}
)
"""Adapters that know one market only."""

HELD_IN: Mapping[str, list[str]] = MappingProxyType({"binance": ["linear"], "gate": ["usdt", "btc"]})
"""The parts in which a venue's account holds something, where there are others."""


@pytest.fixture(params=SEEDED.values(), ids=str)
async def harness(request: pytest.FixtureRequest) -> AsyncIterator[SandboxHarness]:
    """Each venue in turn, whose seeded account is long in one market and flat in another."""
    async with sandbox_harness(request.param.exchange) as harness:
        yield harness


async def test_it_is_told_that_the_positions_are_not_known_and_that_a_market_is_missing(
    harness: SandboxHarness,
) -> None:
    wishes: list[str] = []
    seeded = SEEDED[harness.exchange]
    flat = market(harness.adapter(), seeded.flat)
    adapter = MAKERS[harness.exchange](harness, flat, lambda: wishes.append("load"))
    if harness.exchange in HELD_IN:  # the account is flat in others of its families
        reasons = unread(await adapter.positions(SWAP))
        told = [name for name, reason in reasons.items() if "not among its loaded markets" in reason]
        assert told == HELD_IN[harness.exchange]
    else:
        with pytest.raises(Ambiguous, match="not among its loaded markets"):
            await adapter.positions(SWAP)
    assert wishes
    with pytest.raises(UnknownSymbol):
        adapter.market(seeded.held, SWAP)
    assert len(wishes) >= 2


async def test_a_market_that_is_among_them_is_no_reason_to_load_them_again(harness: SandboxHarness) -> None:
    wishes: list[str] = []
    seeded = SEEDED[harness.exchange]
    adapter = MAKERS[harness.exchange](harness, market(harness.adapter(), seeded.flat), lambda: wishes.append("load"))
    await adapter.terms(adapter.market(seeded.flat, SWAP))
    assert wishes == []
