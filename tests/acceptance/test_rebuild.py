"""A risk system that starts late: it knows the present from the stream alone, stays up to date, and sees gaps."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aio_pika

from schemas import PositionsEvent, PositionSnapshot
from schemas.base import utc_text
from schemas.events import Trigger
from tests.acceptance.conftest import RunningUp, Venue
from tests.support.pages import DOCS, named_blocks
from tests.support.strategy import Body, Strategy
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import now

REBUILD = named_blocks(DOCS / "how-to" / "risk.md")["rebuild.py"]

PERP, BTC = "binance-perp-001", "BTC/USDT:USDT"
TO_25X = {"exchange_account_id": PERP, "symbol": BTC, "leverage": 25}
FROZEN = {"exchange_account_id": "okx-perp-001"}


@dataclass
class Rebuilt:
    """The program, started on the stream as it is now, and the last line it has shown of each kind."""

    process: Process
    shown: dict[str, str] = field(default_factory=dict)

    async def shows(self, what: str, is_so: Callable[[str], bool]) -> None:
        """Returns when its line on something is so."""
        assert self.process.stdout is not None
        async with asyncio.timeout(30):
            while not (what in self.shown and is_so(self.shown[what])):
                line = (await self.process.stdout.readline()).decode()
                assert line, "it ended"
                kind, _, rest = line.strip().partition(" ")
                self.shown[kind] = rest


@asynccontextmanager
async def rebuilding(running_up: RunningUp) -> AsyncIterator[Rebuilt]:
    """The program, run until the end of the context."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", REBUILD), stdout=PIPE, cwd=running_up.state.parent
    )
    try:
        yield Rebuilt(process)
    finally:
        process.kill()
        await process.wait()


async def publish_snapshot(strategy: Strategy, account: str, seq: int, epoch: int) -> None:
    """A snapshot of an account that no worker has."""
    at = now()
    snapshot = PositionSnapshot(
        exchange="binance",
        exchange_account_id=account,
        seq=seq,
        as_of=at,
        trigger=Trigger.SCHEDULE,
        command_ids=(),
        coverage=("linear",),
        stale=False,
        positions=(),
    )
    event = outgoing(PositionsEvent(id=str(uuid4()), subject=account, time=utc_text(at), epoch=epoch, data=snapshot))
    await publish(strategy, event)


async def publish(strategy: Strategy, event: Outgoing) -> None:
    events = await strategy.channel.get_exchange("dma.events", ensure=False)
    await events.publish(aio_pika.Message(event.body.encode()), event.routing_key)


async def test_it_knows_positions_freezes_and_unknown_outcomes_from_the_past_and_as_they_change(
    running_up: RunningUp, strategy: Strategy, venue: Venue
) -> None:
    await venue.misbehave(method="POST", path="/fapi/v1/leverage", fault="status", status=502, times=9)
    doubtful = await strategy.publish("set_leverage", TO_25X)
    before = await strategy.event("positions", doubtful)
    await venue.misbehave(path="/fapi/v1/symbolConfig", fault="html", times=1_000)  # else the doubt ends by itself
    await strategy.ask("freeze", {**FROZEN, "reason": "rebuilding"})
    async with rebuilding(running_up) as rebuilt:
        await rebuilt.shows("unknown", lambda line: f"'{doubtful}': ('{PERP}', 'set_leverage', '{BTC}')" in line)
        await rebuilt.shows(PERP, lambda line: line.startswith(f"#{before['seq']} fresh [('{BTC}', 'long'"))
        await rebuilt.shows("frozen", lambda line: "'account:okx-perp-001': 'rebuilding'" in line)
        await strategy.ask("unfreeze", FROZEN)
        await rebuilt.shows("frozen", lambda line: "okx-perp-001" not in line)
        await venue.client.delete("faults")
        certain = await strategy.publish("set_leverage", TO_25X)
        after = await strategy.event("positions", certain)
        await rebuilt.shows("unknown", lambda line: doubtful not in line)
        await rebuilt.shows(PERP, lambda line: line.startswith(f"#{after['seq']} fresh [('{BTC}', 'long'"))


async def epoch_of(strategy: Strategy) -> int:
    """The epoch of the running ledger, by an event of it."""
    await strategy.event("result", await strategy.publish("set_leverage", TO_25X))
    epoch: int = strategy.heard[-1]["epoch"]
    return epoch


async def test_it_sees_a_gap_and_that_it_closes(running_up: RunningUp, strategy: Strategy) -> None:
    account, epoch = f"rebuild-{uuid4()}", await epoch_of(strategy)
    for seq in (3, 4, 4):  # what was before 3 the stream no longer has, and 4 was published twice
        await publish_snapshot(strategy, account, seq, epoch)
    async with rebuilding(running_up) as rebuilt:
        await rebuilt.shows(account, lambda line: line == "#4 fresh []")
        await publish_snapshot(strategy, account, 7, epoch)
        await rebuilt.shows("missing", lambda line: f"'{account}': [5, 6]" in line)
        for seq in (6, 5):  # a worker had died before it could publish them
            await publish_snapshot(strategy, account, seq, epoch)
        await rebuilt.shows("missing", lambda line: account not in line)
        await rebuilt.shows(account, lambda line: line == "#7 fresh []")


async def test_a_later_epoch_replaces_what_was_counted_and_frozen_whatever_the_numbers() -> None:
    program: dict[str, Any] = {}
    exec(REBUILD.replace("asyncio.run(main())", ""), program)
    for event in (
        snapshot_told(epoch=1, seq=8),
        freeze_told("all", epoch=1, since=10, frozen=True),
        freeze_told("exchange:okx", epoch=1, since=20, frozen=False),
    ):
        program["apply"](event)
    assert program["present"]() == ["a #8 fresh []", "frozen {'all': 'why'}", "unknown {}", "missing {}"]
    program["apply"]({"type": "perps-dma.epoch.v1", "epoch": 2, "data": {"epoch": 2, "since": 30, "reason": ""}})
    assert program["present"]() == ["a #8 stale []", "frozen {}", "unknown {}", "missing {}"]
    for event in (
        freeze_told("exchange:okx", epoch=2, since=5, frozen=True),  # it was lifted, which the ledger has forgotten
        snapshot_told(epoch=2, seq=4),
        snapshot_told(epoch=1, seq=9),  # left by a worker that is gone
        snapshot_told(epoch=2, seq=6),
    ):
        program["apply"](event)
    told = ["a #6 fresh []", "frozen {'exchange:okx': 'why'}", "unknown {}", "missing {'a': [5]}"]
    assert program["present"]() == told


def snapshot_told(epoch: int, seq: int) -> dict[str, Any]:
    data = {"exchange_account_id": "a", "seq": seq, "stale": False, "positions": []}
    return {"type": "perps-dma.positions.v1", "epoch": epoch, "data": data}


def freeze_told(scope: str, *, epoch: int, since: int, frozen: bool) -> dict[str, Any]:
    data = {"scope": scope, "since": since, "frozen": frozen, "reason": "why"}
    return {"type": "perps-dma.freeze.v1", "epoch": epoch, "data": data}


async def test_it_knows_what_is_in_force_after_a_doubt(running_up: RunningUp, strategy: Strategy) -> None:
    account, ids = f"rebuild-{uuid4()}", [str(uuid4()) for _ in range(2)]
    events = await strategy.channel.get_exchange("dma.events", ensure=False)

    async def publish(kind: str, command_id: str, at: int) -> None:
        about: Body = {
            "command_id": command_id,
            "exchange_account_id": account,
            "operation": "set_leverage",
            "symbol": BTC,
        }
        told: dict[str, Body] = {
            "result": {"outcome": "unknown", "requested": {"symbol": BTC}, "timings": {"finished": at}},
            "doubt": {"asset": None, "as_of": at},
        }
        body = json.dumps({"type": f"perps-dma.{kind}.v1", "data": about | told[kind]})
        await events.publish(aio_pika.Message(body.encode()), f"{kind}.set_leverage.binance.{account}")

    for at, command_id in enumerate(ids, start=1):
        await publish("result", command_id, at)
    async with rebuilding(running_up) as rebuilt:
        await rebuilt.shows("unknown", lambda line: ids[1] in line)
        await publish("doubt", ids[0], 3)  # what was wanted later is in doubt all the same
        await publish("doubt", ids[1], 3)
        await rebuilt.shows("unknown", lambda line: account not in line)
