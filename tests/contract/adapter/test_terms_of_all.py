"""What every adapter promises of the terms of many markets: those of each, told in as few requests as the venue can."""

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import NamedTuple

import pytest

from schemas.outcomes import Scope
from schemas.requests import MarketType
from tests.contract.adapter.conftest import SharedSandbox
from tests.contract.adapter.venue_cases import each_venue
from tests.support.sandbox_harness import SandboxHarness
from tests.support.venues import DESCRIBED
from tests.support.venues.description import CROSS, ISOLATED, DescribedVenue
from worker.runtime.clock import now
from worker.venues.limits import requesting
from worker.venues.port.adapter import Adapter, MarginSettings, Market, TermsOfMany
from worker.venues.port.errors import NotSupported, PreconditionFailed, VenueError

PATIENCE_MS = 20_000


class BulkCase(NamedTuple):
    """An account whose terms are told at once, and what is asked for that; `change` makes it so."""

    venue: DescribedVenue
    account: str
    asked: dict[str, int]
    change: Mapping[str, str] = MappingProxyType({})


LEVERAGE_INFO = "/api/v5/account/leverage-info"

BULK = {
    "binance": BulkCase(DESCRIBED["binance"], "perp", {"/fapi/v1/symbolConfig": 1}),
    "binance portfolio margin": BulkCase(DESCRIBED["binance"], "pm", {"/papi/v1/um/symbolConfig": 1}),
    "bybit in isolated margin": BulkCase(
        DESCRIBED["bybit"],
        "perp",
        {"/v5/account/info": 1, "/v5/position/symbol-info": 1},
        {"margin_mode": "ISOLATED_MARGIN"},
    ),
    "okx": BulkCase(DESCRIBED["okx"], "perp", {"/api/v5/account/positions": 1, LEVERAGE_INFO: 1}),
    "gate": BulkCase(DESCRIBED["gate"], "perp", {"/api/v4/futures/usdt/positions": 1}),
}
"""Twenty markets, of which each was set once. OKX tells twenty at a time; what Gate lists is what was ever touched."""

MANY, SOME = 20, 6


def markets_of(adapter: Adapter, number: int) -> list[Market]:
    """Perpetuals in one settle currency, with what is held among them."""
    listed = [one for one in adapter.listed(MarketType.SWAP) if not one.inverse]
    settle = "USDC" if adapter.exchange == "hyperliquid" else "USDT"
    found = sorted((one for one in listed if one.settle == settle), key=lambda one: one.base not in ("BTC", "SOL"))
    return found[:number]


async def read(adapter: Adapter, markets: list[Market]) -> TermsOfMany:
    """The terms of markets, as far as there is room before long."""
    with requesting(deadline=now() + PATIENCE_MS):
        return await adapter.terms_of_all(markets)


@each_venue
async def test_the_terms_of_all_are_those_of_each(harness: SandboxHarness, venue: DescribedVenue) -> None:
    adapter = harness.adapter(venue.account("perp"))
    markets = markets_of(adapter, SOME)
    told = await read(adapter, markets)
    assert told.keys() == {market.symbol for market in markets}
    for market in markets:
        own, found = await adapter.terms(market), told[market.symbol]
        assert isinstance(found, MarginSettings)
        assert (found.leverage, found.margin_mode, found.sides) == (own.leverage, own.margin_mode, own.sides)


@pytest.mark.parametrize(("venue", "case"), [(case.venue, case) for case in BULK.values()], ids=BULK)
async def test_what_a_venue_tells_at_once_is_asked_for_once(
    harness: SandboxHarness, venue: DescribedVenue, case: BulkCase
) -> None:
    account = venue.account(case.account)
    await harness.change(account, **case.change)
    adapter = harness.adapter(account)
    markets = markets_of(adapter, MANY)
    with requesting(deadline=now() + PATIENCE_MS):
        for market in markets:
            await adapter.set_leverage(market, Decimal(7))
    before = Counter(await harness.paths())
    told = await read(adapter, markets)
    assert {found.leverage for found in told.values() if isinstance(found, MarginSettings)} == {7}
    assert not [error for error in told.values() if isinstance(error, VenueError)]
    assert Counter(await harness.paths()) - before == case.asked
    assert sum(case.asked.values()) <= 3


async def test_a_bybit_account_in_isolated_margin_is_told_side_by_side_and_what_is_not_listed_by_itself(
    shared: SharedSandbox,
) -> None:
    harness = await shared.at("bybit")
    await harness.reset()
    adapter = harness.adapter("bybit-hedge-001")
    markets = markets_of(adapter, SOME)
    info = {"symbol": markets[0].id, "leverage": "7", "side": "", "positionIdx": 1}
    rows = [info, {**info, "leverage": "9", "positionIdx": 2}]
    answer = {"retCode": 0, "retMsg": "OK", "result": {"category": "linear", "list": rows}, "time": 1}
    await harness.fault("/v5/position/symbol-info", "status", status=200, body=answer)
    told = await read(adapter, markets)
    first = told[markets[0].symbol]
    assert isinstance(first, MarginSettings)
    assert (first.leverage, first.lowest, first.sides, first.margin_mode) == (
        *(Decimal(9), Decimal(7), (Decimal(7), Decimal(9))),
        ISOLATED,
    )
    assert (await harness.paths()).count("/v5/position/list") == SOME - 1


async def test_a_bybit_list_that_can_not_be_had_leaves_each_market_to_be_read_by_itself(shared: SharedSandbox) -> None:
    harness = await shared.at("bybit")
    await harness.reset()
    adapter = harness.adapter("bybit-hedge-001")
    await harness.fault("/v5/position/symbol-info", "html")
    told = await read(adapter, markets_of(adapter, SOME))
    assert all(isinstance(found, MarginSettings) for found in told.values())
    assert (await harness.paths()).count("/v5/position/list") == SOME


async def test_a_whole_bybit_account_that_is_not_to_be_switched_says_so_with_its_terms(shared: SharedSandbox) -> None:
    harness = await shared.at("bybit")
    await harness.reset()
    for scope, kind in (("symbol", NotSupported), ("account", type(None))):
        adapter = harness.adapter("bybit-perp-001", margin_mode_scope=scope)
        [found] = (await read(adapter, markets_of(adapter, 1))).values()
        assert isinstance(found, MarginSettings)
        assert (found.mode_scope, type(found.mode_kept)) == (Scope.ACCOUNT, kind)


async def test_okx_says_with_its_terms_why_a_margin_mode_stays(shared: SharedSandbox) -> None:
    harness = await shared.at("okx")
    await harness.reset()
    adapter = harness.adapter()
    wanted = [adapter.market(symbol, MarketType.SWAP) for symbol in ("BTC/USDT:USDT", "SOL/USDT:USDT", "ETH/USDT:USDT")]
    told = await read(adapter, wanted)
    held_cross, held_isolated, flat = (told[market.symbol] for market in wanted)
    assert isinstance(held_cross, MarginSettings)
    assert isinstance(held_isolated, MarginSettings)
    assert isinstance(flat, MarginSettings)
    assert (held_cross.margin_mode, held_isolated.margin_mode, flat.margin_mode) == (CROSS, ISOLATED, CROSS)
    assert isinstance(held_cross.mode_kept, PreconditionFailed)
    assert isinstance(held_isolated.mode_kept, PreconditionFailed)
    assert "long 5" in held_cross.mode_kept.message
    assert isinstance(flat.mode_kept, NotSupported)
    assert "leave margin_mode out" in flat.mode_kept.message
