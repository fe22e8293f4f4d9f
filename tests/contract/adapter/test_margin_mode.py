"""What every adapter promises of margin modes that are settings: a flat market is switched, and keeps its leverage."""

from tests.contract.adapter.venue_cases import each
from tests.support.sandbox_harness import SandboxHarness, market
from tests.support.venues.description import CROSS, ISOLATED, DescribedVenue, SwitchCase


@each(lambda venue: venue.switches)
async def test_a_flat_market_switches_there_and_back_and_keeps_its_leverage(
    harness: SandboxHarness, venue: DescribedVenue, case: SwitchCase
) -> None:
    adapter = harness.adapter(venue.account(case.account))
    wanted = market(adapter, case.symbol)
    before = await adapter.terms(wanted)
    for mode in (ISOLATED, CROSS):
        echo = await adapter.set_margin_mode(wanted, mode)
        assert (echo.margin_mode, echo.accepted, echo.note) == (mode if venue.mode_is_echoed else None, False, None)
        after = await adapter.terms(wanted)
        assert (after.margin_mode, after.leverage) == (mode, before.leverage)
    changes = [entry["path"] for entry in await harness.requests() if entry["method"] == "POST"]
    assert changes == [case.path, case.path]
