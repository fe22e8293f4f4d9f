"""Guardrails on a real broker: what is written into a header can forbid, and never allow."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from schemas import OPERATIONS
from schemas.guardrails import Guardrails
from tests.support.memory_venue import ACCOUNT, MemoryVenue
from tests.support.operation_queues import emptied
from tests.support.strategy import Strategy
from tests.support.worker_harness import TO_10X
from worker.accounts.account import Accounts
from worker.app.bootstrap import running_worker
from worker.bus.rpc import connect_rpc
from worker.config.settings import Settings
from worker.messages.wire import encode
from worker.runtime.clock import now


@pytest.fixture
async def venue(amqp_url: str, tmp_path: Path) -> AsyncIterator[MemoryVenue]:
    """The venue behind a worker whose account has a maximum of 20x."""
    await emptied(amqp_url)
    venue = MemoryVenue()
    settings = Settings(amqp_url=amqp_url, timeout_ms=5_000, state=tmp_path, snapshot_interval_ms=0)
    guarded = ACCOUNT.model_copy(update={"guardrails": Guardrails(max_leverage=20)})
    async with running_worker(settings, Accounts((guarded,)), lambda _: venue):
        yield venue


@pytest.mark.parametrize(
    ("leverage", "header", "status"),
    [
        (10, None, 200),
        (10, '{"max_leverage": 5}', 403),
        (10, '{"max_leverage": 100}', 200),
        (25, '{"max_leverage": 100}', 403),
        (25, "{}", 403),
        (25, None, 403),
        (10, 7, 400),
        (10, "no JSON", 400),
    ],
)
async def test_a_header_makes_it_stricter_only(
    amqp_url: str, venue: MemoryVenue, leverage: int, header: Any, status: int
) -> None:
    async with Strategy.connected(amqp_url) as engine:
        headers = {} if header is None else {"guardrails": header}
        envelope, message = await engine.ask("set_leverage", {**TO_10X, "leverage": leverage}, headers=headers)
        assert envelope["statusCode"] == status
        assert ("leverage" in " ".join(venue.log)) == (status == 200)
        if status == 403:
            assert envelope["error"]["code"] == "guardrail"
            event = await engine.event("result", str(message.headers["Command-Id"]))
            assert event["policy"] == message.headers["Policy"]


async def test_a_refused_message_that_is_sent_again_by_hand_is_not_allowed_more(
    amqp_url: str, venue: MemoryVenue
) -> None:
    async with Strategy.connected(amqp_url) as engine, connect_rpc(amqp_url, "tests") as rpc:
        body = encode({**TO_10X, "exchange_account_id": "not-there"})
        deadline, claim = now() + 5_000, '{"max_leverage":5}'
        await rpc.post(
            OPERATIONS["set_leverage"], body, command_id="dead-1", deadline=deadline, actor="ann", guardrails=claim
        )
        letter = await engine.dead_letter("dead-1")
        assert letter.headers["guardrails"] == claim
