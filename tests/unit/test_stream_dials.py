"""Connections are opened no faster than a venue allows for an address, whoever opens them."""

import asyncio
from time import monotonic

from worker.accounts.account import Site
from worker.streams.dials import DialGate, DialGates
from worker.venues.port.streams import FeedRules

DIALS, WITHIN_S = 5, 0.2
RULES = FeedRules(ping=None, ping_s=1, silent_s=1, dials=DIALS, dials_in_s=WITHIN_S)


async def test_in_no_stretch_of_time_more_are_opened_than_allowed() -> None:
    gate, passed = DialGate(DIALS, WITHIN_S), list[float]()

    async def dial() -> None:
        await gate.passed()
        passed.append(monotonic())

    await asyncio.gather(*(dial() for _ in range(3 * DIALS)))
    assert passed == sorted(passed)
    gaps = [later - earlier for earlier, later in zip(passed, passed[DIALS:], strict=False)]
    assert min(gaps) >= WITHIN_S * 0.95
    assert passed[DIALS - 1] - passed[0] < WITHIN_S


def test_the_accounts_of_a_venue_share_a_gate_in_all_its_regions_and_those_of_others_do_not() -> None:
    gates = DialGates()
    okx = gates.at(Site("okx"), RULES)
    assert gates.at(Site("okx", region="eea"), RULES) is okx
    assert gates.at(Site("okx", "demo"), RULES) is not okx
    assert gates.at(Site("gate"), RULES) is not okx
