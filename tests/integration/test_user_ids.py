"""Bybit, Gate and OKX count by user id: two keys of one user have one limit, once an answer has told whose they are."""

import pytest

from schemas.control import Exchange
from schemas.requests import MarketType
from tests.support.sandbox_harness import SandboxHarness, market, sandbox_harness
from worker.console.seeded import SEEDED
from worker.venues.limits.tables import Per


@pytest.mark.parametrize("exchange", ["gate", "okx"])
async def test_the_user_is_learnt_from_answers_that_are_asked_for_anyway(exchange: Exchange) -> None:
    async with sandbox_harness(exchange) as harness:
        adapter = harness.adapter()
        held = market(adapter, SEEDED[exchange].held)
        await adapter.symbol_state(held)
        await adapter.set_leverage(held, (await adapter.terms(held)).leverage + 1)
        assert _counted(harness) == {"id"}


async def test_the_user_of_a_bybit_key_is_told_by_the_key_alone() -> None:
    async with sandbox_harness("bybit") as harness:
        await harness.adapter().preflight()
        assert _counted(harness) == {"id"}


@pytest.mark.parametrize("exchange", ["bybit", "gate", "okx"])
async def test_a_registered_user_needs_no_learning(exchange: Exchange) -> None:
    async with sandbox_harness(exchange) as harness:
        account = harness.account().model_copy(update={"user_id": "12345"})
        await harness.venue.adapter(account).positions(MarketType.SWAP)
        assert _counted(harness) == {"id"}


def _counted(harness: SandboxHarness) -> set[str]:
    """By what requests of users are counted: `id`, or a key."""
    places = harness.connections.limits._limiters.values()
    users = [user for place in places for scope, user in place._meters if scope.per is Per.USER and user]
    return {"id" if user.key.startswith("id ") else "key" for user in users}
