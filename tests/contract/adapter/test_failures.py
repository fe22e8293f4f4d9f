"""What every adapter promises of a venue at its worst: each failure is what it is, and no secret is in any of them."""

import asyncio
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from tests.contract.adapter.venue_cases import each, each_venue
from tests.support.sandbox_harness import BROKEN_ANSWERS, TIMEOUT_MS, SandboxHarness, market
from tests.support.venues.description import ClockCase, CredentialCase, DescribedVenue, Fault
from worker.accounts.account import Account
from worker.accounts.venues import VENUES as FACTS
from worker.console.seeded import SEEDED
from worker.venues.client.connections import VenueConnections
from worker.venues.lifecycle.registry import VENUES
from worker.venues.port.adapter import Adapter, Market
from worker.venues.port.errors import AccessDenied, Ambiguous, Throttled, VenueError

OURS = frozenset({"waits", "retry_after"})
"""What a case says of the wait that is told; the sandbox knows only the second."""


def held(adapter: Adapter, venue: DescribedVenue) -> Market:
    """The market that the seeded account is long in."""
    return market(adapter, SEEDED[venue.exchange].held)


def secrets_of(account: Account) -> Iterator[str]:
    """What must be in no error and no log."""
    for name in FACTS[account.exchange].credentials:
        if isinstance(value := getattr(account, name), SecretStr):
            yield value.get_secret_value().removeprefix("0x")


@each(lambda venue: (*BROKEN_ANSWERS, *venue.misbehaviours))
async def test_each_misbehaviour_is_told_apart_and_tells_no_secret(
    harness: SandboxHarness, venue: DescribedVenue, case: tuple[Fault, type[VenueError]]
) -> None:
    adapter, (fault, error) = harness.adapter(), case
    await harness.fault(venue.set_leverage, **{name: fault[name] for name in fault if name != "waits"})
    with pytest.raises(error) as caught:
        await adapter.set_leverage(held(adapter, venue), Decimal(5))
    assert type(caught.value) is error
    told = f"{caught.value!r} {vars(caught.value)}"
    for secret in (*secrets_of(harness.account()), *venue.secrets, "http://"):
        assert secret not in told
    if isinstance(caught.value, Throttled) and OURS & fault.keys():
        assert caught.value.retry_after == fault.get("waits", 1_000 * fault.get("retry_after", 0))


@each_venue
async def test_credentials_that_the_venue_echoes_are_scrubbed(harness: SandboxHarness, venue: DescribedVenue) -> None:
    adapter, secrets = harness.adapter(), [*secrets_of(harness.account())]
    body = {"message": f"nobody here knows {' or '.join(secrets)}"}
    await harness.fault(venue.set_leverage, "status", status=401, body=body)
    with pytest.raises(VenueError) as caught:
        await adapter.set_leverage(held(adapter, venue), Decimal(5))
    told = f"{caught.value!r} {vars(caught.value)}"
    assert "nobody here knows ***" in told
    for secret in secrets:
        assert secret not in told


@each_venue
async def test_what_was_applied_before_the_connection_broke_can_be_read_back(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    adapter = harness.adapter()
    await harness.fault(venue.set_leverage, "reset", apply=True)
    with pytest.raises(Ambiguous):
        await adapter.set_leverage(held(adapter, venue), Decimal(15))
    assert (await adapter.terms(held(adapter, venue))).leverage == Decimal(15)


@each(lambda venue: venue.clock)
async def test_a_clock_that_differs_is_set_and_the_request_sent_again(
    harness: SandboxHarness, venue: DescribedVenue, case: ClockCase
) -> None:
    (await harness.control.put("/clock", json={"offset_ms": case.offset_ms})).raise_for_status()
    adapter = harness.adapter()
    await adapter.set_leverage(held(adapter, venue), Decimal(15))
    journal = tuple((entry["path"], entry["status"]) for entry in await harness.requests())
    assert case.journal in (None, journal)
    assert (await adapter.terms(held(adapter, venue))).leverage == Decimal(15)


@each(lambda venue: venue.wrong_credentials)
async def test_wrong_credentials_are_refused_with_the_venues_code(
    harness: SandboxHarness, venue: DescribedVenue, case: CredentialCase
) -> None:
    wrong = {name: SecretStr(value) for name, value in case.change.items()}
    adapter = harness.adapter(None, **wrong)
    arguments: tuple[Any, ...] = (held(adapter, venue), Decimal(15)) if case.operation == "set_leverage" else ()
    with pytest.raises(AccessDenied) as caught:
        await getattr(adapter, case.operation)(*arguments)
    assert caught.value.venue_code == case.code
    told = f"{caught.value!r} {vars(caught.value)}"
    for secret in (*secrets_of(harness.account()), *case.change.values()):
        assert secret not in told


@each_venue
async def test_a_cancelled_call_stays_cancelled(harness: SandboxHarness, venue: DescribedVenue) -> None:
    adapter = harness.adapter()
    await harness.fault(venue.set_leverage, "delay", delay_ms=TIMEOUT_MS)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            # the stand-in may carry it out as late as during the next test
            await adapter.set_leverage(held(adapter, venue), Decimal(14))


@each_venue
async def test_no_log_line_tells_a_credential(
    harness: SandboxHarness, venue: DescribedVenue, caplog: pytest.LogCaptureFixture
) -> None:
    row = venue.unlisted
    await harness.fault(row.path, "status", body=row.body, params=dict(row.params))
    account_id = venue.account(row.account)
    adapter = harness.adapter(account_id)
    with caplog.at_level(logging.DEBUG), capture_logs() as told:
        await adapter.positions(row.market_type)
        await adapter.set_leverage(held(adapter, venue), Decimal(15))
    assert "part_unread" in {line["event"] for line in told}
    for secret in secrets_of(harness.account(account_id)):
        assert secret not in caplog.text
        assert secret not in str(told)


@each_venue
async def test_a_venue_that_lists_no_markets_is_reported_and_asked_again(
    harness: SandboxHarness, venue: DescribedVenue
) -> None:
    fresh = VENUES[venue.exchange](harness.connections, harness.account().base_url, TIMEOUT_MS, "mainnet")
    for fault in venue.listing:
        await harness.fault(**fault)
    with pytest.raises(VenueError):
        await fresh.load()
    with pytest.raises(RuntimeError, match="load"):
        fresh.adapter(harness.account())
    (await harness.control.delete("/faults")).raise_for_status()
    await fresh.load()
    assert held(fresh.adapter(harness.account()), venue)


@each_venue
async def test_an_adapter_for_another_address_is_a_mistake(harness: SandboxHarness, venue: DescribedVenue) -> None:
    with pytest.raises(ValueError, match="another address"):
        harness.venue.adapter(harness.account().model_copy(update={"base_url": None}))
    async with VenueConnections() as connections:
        unloaded = VENUES[venue.exchange](connections, harness.account().base_url, TIMEOUT_MS, "mainnet")
        with pytest.raises(RuntimeError, match="load"):
            unloaded.adapter(harness.account())
