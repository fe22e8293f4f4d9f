"""What was recorded is published until the broker has it, by whichever worker is there."""

import asyncio
from pathlib import Path

from tests.support.memory_venue import MemoryBus
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger, open_ledger
from worker.messages.wire import NotPublished, Outgoing


class FickleBus(MemoryBus):
    """The first tries fail."""

    failures = 0

    async def event(self, event: Outgoing) -> None:
        if self.failures:
            self.failures -= 1
            raise NotPublished("no confirm")
        await super().event(event)


def event(number: int) -> Outgoing:
    return Outgoing(f"e-{number}", "perps-dma.result.v1", "result", f'{{"n":{number}}}')


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'ledger.db'}"


async def struck_out(ledger: Ledger) -> None:
    """Wait until the outbox is empty."""
    async with asyncio.timeout(40):
        while await ledger.outbox.size():  # noqa: ASYNC110 - the relay empties it, and knows nothing of this test
            await asyncio.sleep(0)


async def test_an_event_is_published_until_it_is_confirmed_and_struck_out_then(tmp_path: Path) -> None:
    bus = FickleBus()
    bus.failures = 2
    async with open_ledger(url(tmp_path)) as ledger:
        relay = OutboxRelay(ledger, bus)
        await relay.publish(await ledger.outbox.add(event(1), 1), event(1))
        await relay.close()
        assert (bus.events, await ledger.outbox.size()) == ([event(1)], 0)


async def test_what_a_worker_left_goes_out_in_its_order_at_the_next_start(tmp_path: Path) -> None:
    async with open_ledger(url(tmp_path)) as gone:
        for number in range(450):
            await gone.outbox.add(event(number), 1)
    bus = MemoryBus()
    async with open_ledger(url(tmp_path)) as ledger:
        running = asyncio.create_task(OutboxRelay(ledger, bus).run())
        await struck_out(ledger)
        running.cancel()
    assert bus.events == [event(number) for number in range(450)]


async def test_what_a_living_worker_is_about_to_publish_is_left_to_it(tmp_path: Path) -> None:
    bus = MemoryBus()
    async with open_ledger(url(tmp_path)) as living, open_ledger(url(tmp_path)) as ledger:
        await living.outbox.add(event(1), 1)
        await OutboxRelay(ledger, bus).take_over(living.owner)
        assert bus.events == []
    async with open_ledger(url(tmp_path)) as ledger:
        await OutboxRelay(ledger, bus).take_over(living.owner)
    assert bus.events == [event(1)]


async def test_what_was_recorded_and_forgotten_is_published_at_the_second_look(tmp_path: Path) -> None:
    bus = MemoryBus()
    async with open_ledger(url(tmp_path)) as ledger:
        relay = OutboxRelay(ledger, bus)
        await ledger.outbox.add(event(1), 1)
        await relay.take_over(ledger.owner)
        assert bus.events == []
        await relay.take_over(ledger.owner)
        await relay.close()
        assert (bus.events, await ledger.outbox.size()) == ([event(1)], 0)


async def test_what_is_being_published_is_not_published_beside_it(tmp_path: Path) -> None:
    bus = FickleBus()
    bus.failures = 3
    async with open_ledger(url(tmp_path)) as ledger:
        relay = OutboxRelay(ledger, bus)
        publishing = asyncio.create_task(relay.publish(await ledger.outbox.add(event(1), 1), event(1)))
        await asyncio.sleep(0)
        for _ in range(3):
            await relay.take_over(ledger.owner)
        await publishing
        await relay.close()
        assert bus.events == [event(1)]
