"""What a command needs to know of the message that it came in, whatever its sender wrote where."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiormq import spec
from aiormq.abc import DeliveredMessage
from pamqp.header import ContentHeader

from worker.bus.amqp.deliveries import NOBODY, read_delivery
from worker.bus.amqp.incoming import Incoming
from worker.messages.wire import Delivery
from worker.runtime.clock import now

SECOND = datetime(2026, 1, 1, tzinfo=UTC)


def read(*, operation: str | None = "set_leverage", **properties: Any) -> Delivery:
    """What is read of a message with these properties."""
    came = spec.Basic.Deliver(consumer_tag="t", delivery_tag=7, exchange="dma.commands", routing_key="set_leveridge")
    header = ContentHeader(properties=spec.Basic.Properties(**properties))
    message = Incoming(DeliveredMessage(came, header, b"{}", cast(Any, SimpleNamespace(is_closed=False))))
    return read_delivery(operation, message, NOBODY)


def test_a_deadline_is_that_of_the_header_and_else_the_expiration_counted_from_now() -> None:
    assert read(headers={"deadline": 5}, expiration="500").deadline == 5
    before = now()
    counted = read(expiration="500").deadline
    assert counted is not None
    assert before + 500 <= counted <= now() + 500
    assert read().deadline is None


@pytest.mark.parametrize("written", ["soon", 1.5, True, [5], {"at": 5}])
def test_a_deadline_that_is_no_integer_is_a_problem_and_not_taken_for_none(written: Any) -> None:
    delivery = read(headers={"deadline": written}, expiration="500")
    assert delivery.problem == {"field": "deadline", "problem": "must be an integer, UTC milliseconds"}
    assert delivery.deadline is None


def test_the_moment_of_its_publishing_is_exact_where_it_is_told_and_else_the_last_of_its_second() -> None:
    assert read(headers={"timestamp_in_ms": 7}, timestamp=SECOND).published == 7
    assert read(headers={"timestamp_in_ms": "7"}, timestamp=SECOND).published == SECOND.timestamp() * 1000 + 999
    assert read(headers={"timestamp_in_ms": "7"}).published is None


@pytest.mark.parametrize(
    ("address", "queue"),
    [
        ("replies", "replies"),
        ("/queues/my%20replies", "my replies"),
        ("my%20replies", "my%20replies"),
        ("/exchanges/x", "/exchanges/x"),
        ("set_leverage", None),
        ("/queues/set%5Fleverage.1", None),
        ("dma.events.log", None),
    ],
)
def test_an_answer_goes_to_the_queue_of_the_address_and_never_to_one_of_ours(address: str, queue: str | None) -> None:
    assert read(reply_to=address).reply_to == queue


def test_headers_that_are_read_as_text_are_text_and_what_is_not_there_is_none() -> None:
    told = read(headers={"audit-reason": 5, "guardrails": "{}", "actor": None})
    assert (told.reason, told.guardrails, told.actor) == ("5", "{}", None)
    assert (read().reason, read().guardrails, read().actor) == (None, None, None)


def test_what_no_queue_was_known_for_is_unrouted_and_goes_by_its_routing_key() -> None:
    assert (read(operation=None).operation, read(operation=None).unrouted) == ("set_leveridge", True)
    assert (read().operation, read().unrouted) == ("set_leverage", False)
