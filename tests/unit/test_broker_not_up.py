"""A broker that has just started: clients are let in before its queues are there."""

import pytest
from aiormq.exceptions import ChannelNotFoundEntity

from worker.bus.amqp import renewal
from worker.bus.amqp.renewal import once_up


class Starting:
    """A broker whose stream is there only after it was asked for some times."""

    def __init__(self, refusals: int) -> None:
        self.left = refusals

    async def declare(self) -> str:
        if self.left:
            self.left -= 1
            raise ChannelNotFoundEntity("home node 'one' of durable queue 'dma.events.log' is down or inaccessible")
        return "declared"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "FIRST_LOOK_S", 0.001)
    monkeypatch.setattr(renewal, "LONGEST_LOOK_S", 0.01)


async def test_what_is_not_there_yet_is_declared_again() -> None:
    broker = Starting(3)
    assert await once_up(broker.declare) == "declared"
    assert broker.left == 0


async def test_what_does_not_come_is_told_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renewal, "UP_S", 0.05)
    with pytest.raises(ChannelNotFoundEntity, match="home node"):
        await once_up(Starting(1_000_000).declare)
