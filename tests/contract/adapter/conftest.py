"""One sandbox for all tests of the contract, and on it the venue that a test is about, as new for each test."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import pytest

from schemas.control import Exchange
from tests.support.sandbox_harness import SandboxHarness, harness_on
from tests.support.venues.description import DescribedVenue
from worker.sandbox.app.server import Sandbox
from worker.venues.client.connections import VenueConnections
from worker.venues.limits import Limits


@dataclass(frozen=True, slots=True)
class SharedSandbox:
    """A sandbox whose venues are loaded when the first test asks for them."""

    sandbox: Sandbox
    connections: VenueConnections
    stack: AsyncExitStack
    loaded: dict[Exchange, SandboxHarness] = field(default_factory=dict)

    async def at(self, exchange: Exchange) -> SandboxHarness:
        """The harness of an exchange."""
        if exchange not in self.loaded:
            running = harness_on(self.sandbox, self.connections, exchange)
            self.loaded[exchange] = await self.stack.enter_async_context(running)
        return self.loaded[exchange]


@pytest.fixture(scope="package")
async def shared() -> AsyncIterator[SharedSandbox]:
    async with Sandbox() as sandbox, VenueConnections() as connections, AsyncExitStack() as stack:
        yield SharedSandbox(sandbox, connections, stack)


@pytest.fixture
async def harness(shared: SharedSandbox, venue: DescribedVenue) -> SandboxHarness:
    """The venue of the test, with its limits out of the way."""
    harness = await shared.at(venue.exchange)
    await harness.reset()
    await harness.limit(venue.limits)
    harness.connections.limits = Limits(granted={venue.exchange: venue.granted})
    return harness
