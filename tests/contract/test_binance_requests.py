"""Every request to Binance takes the parameters that its own page has, and no other.

The pages are read in the official clients, whose methods are made from them. The wallet's client is not among them.
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from decimal import Decimal
from importlib import import_module
from typing import Any, NamedTuple

import pytest

from schemas.requests import MarginMode
from tests.support.sandbox_harness import SWAP, SandboxHarness, harness_fixtures, market
from worker.venues.limits import Limits
from worker.venues.port.adapter import HistoryQuery

CLIENTS = ("usds_futures", "coin_futures", "portfolio_margin")
OF_EVERY_SIGNED_REQUEST = {"timestamp", "recvWindow", "signature"}
NO_CLIENT = {("GET", "/sapi/v1/account/apiRestrictions")}
PLENTY = 1_000_000
PERP, PM = "binance-perp-001", "binance-pm-001"

shared, harness = harness_fixtures("binance")


class Documented(NamedTuple):
    """The parameters of an endpoint: all, and those that must be there."""

    known: set[str]
    required: set[str]


def documented() -> dict[tuple[str, str], Documented]:
    """The parameters of each endpoint, by method and path."""
    found: dict[tuple[str, str], Documented] = {}
    for package in CLIENTS:
        module = import_module(f"binance_sdk_derivatives_trading_{package}.rest_api.api")
        for _, api in inspect.getmembers(module, inspect.isclass):
            for _, function in inspect.getmembers(api, inspect.isfunction):
                page = re.search(r"\b(GET|POST) (/[a-z]api/\S+)", function.__doc__ or "")
                if page:
                    found[page[1], page[2]] = _parameters(function)
    return found


def _parameters(function: Callable[..., Any]) -> Documented:
    parameters = {
        _camel(name): parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("self", "recv_window")
    }
    required = {name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty}
    return Documented(set(parameters), required)


def _camel(name: str) -> str:
    first, *words = name.split("_")
    return first + "".join(word.capitalize() for word in words)


Asking = Callable[[SandboxHarness], Awaitable[object]]


async def _standard(harness: SandboxHarness) -> None:
    adapter = harness.adapter(PERP)
    for symbol in ("SOL/USDT:USDT", "ETH/USD:ETH"):
        of_symbol = market(adapter, symbol)
        await adapter.check_leverage(of_symbol, Decimal(1))
        with pytest.raises(Exception, match="takes 1x to"):
            await adapter.check_leverage(of_symbol, Decimal(900))
        await adapter.set_leverage(of_symbol, Decimal(7))
        await adapter.set_margin_mode(of_symbol, MarginMode.ISOLATED)
        await _reads(adapter, of_symbol)
    await adapter.preflight()


async def _portfolio(harness: SandboxHarness) -> None:
    adapter = harness.adapter(PM)
    for symbol in ("SOL/USDT:USDT", "ETH/USD:ETH"):
        of_symbol = market(adapter, symbol)
        await adapter.check_leverage(of_symbol, Decimal(1))
        await adapter.set_leverage(of_symbol, Decimal(7))
        await _reads(adapter, of_symbol)
    await adapter.preflight()
    assert adapter.portfolio_margin
    await adapter.portfolio_margin.balance()
    await adapter.portfolio_margin.account()
    await adapter.portfolio_margin.auto_collect()
    await adapter.portfolio_margin.asset_collect("USDT")


async def _reads(adapter: Any, of_symbol: Any) -> None:
    await adapter.terms(of_symbol)
    await adapter.symbol_state(of_symbol)
    await adapter.positions(SWAP)
    await adapter.positions(SWAP, of_symbol)
    for only in (None, of_symbol):
        for query in (HistoryQuery(only, SWAP, 0, None), HistoryQuery(only, SWAP, None, 5)):
            await adapter.funding_history(query)
            await adapter.realized_pnl(query)


@pytest.fixture
async def unlimited(harness: SandboxHarness) -> SandboxHarness:
    """With plenty of room, for all there is to ask is asked at once."""
    harness.connections.limits = Limits(granted={"binance": {"futures weight": PLENTY, "papi weight": PLENTY}})
    await harness.limit({"fapi": PLENTY, "papi": PLENTY})
    return harness


@pytest.mark.parametrize("asking", [_standard, _portfolio])
async def test_a_request_has_the_parameters_of_its_own_page_and_no_other(
    unlimited: SandboxHarness, asking: Asking
) -> None:
    await asking(unlimited)
    pages = documented()
    asked = [entry for entry in await unlimited.requests() if (entry["method"], entry["path"]) not in NO_CLIENT]
    assert len({entry["path"] for entry in asked}) > 8
    for entry in asked:
        page = pages[entry["method"], entry["path"]]
        sent = set(entry["params"]) - OF_EVERY_SIGNED_REQUEST
        assert sent <= page.known, entry
        assert page.required <= sent, entry
