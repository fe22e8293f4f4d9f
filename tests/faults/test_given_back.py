"""What a worker gives back again and again has an end: the broker counts it, and then it is a dead letter."""

from dataclasses import dataclass, field

from tests.faults.node import Node
from tests.support.operation_queues import emptied
from tests.support.strategy import Strategy
from worker.bus.amqp.connection import connect
from worker.bus.amqp.publisher import MessagePublisher
from worker.bus.consumer import Consumer
from worker.bus.dead_letters import hold_dead_letters
from worker.messages.wire import DeadLetter, Delivery

LIMIT = 3
"""Deliveries that may fail. The queue's own limit would take minutes."""


@dataclass(slots=True)
class Fails:
    """A handler with a fault that stays."""

    deliveries: list[Delivery] = field(default_factory=list)

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        self.deliveries.append(delivery)
        raise ZeroDivisionError


async def limit_deliveries(node: Node) -> None:
    """Let the smaller of two limits hold, a policy's beside the queue's own."""
    pattern, limit = '<<"^set_leverage$">>', f'[{{<<"delivery-limit">>, {LIMIT}}}]'
    named = f'rabbit_policy:set(<<"/">>, <<"few deliveries">>, {pattern}, {limit}, 0, <<"queues">>, <<"tests">>)'
    assert await node.evaluate(named) == "ok"


async def test_what_is_given_back_for_ever_becomes_a_dead_letter(breakable: str, node: Node) -> None:
    fails = Fails()
    await emptied(breakable)
    await limit_deliveries(node)
    async with await connect(breakable, "consume") as consuming, await connect(breakable, "publish") as publishing:
        consumer = await Consumer.open(consuming, await MessagePublisher.open(publishing, publishing), fails.handle, 10)
        await consumer.start()
        async with Strategy.connected(breakable) as strategy:
            command_id = await strategy.publish("set_leverage", b"{}")
            await strategy.dead_letter(command_id, timeout_s=20)
        await consumer.close(10)
    assert len(fails.deliveries) == LIMIT + 1
    async with hold_dead_letters(breakable) as held:
        assert [letter.id for letter in held.letters] == [command_id]
        assert "never finished" in held.letters[0].reason
    assert await node.evaluate('rabbit_policy:delete(<<"/">>, <<"few deliveries">>, <<"tests">>)') == "ok"
