"""`make way`: the way of one `set_leverage` through our own functions, on the real parts, and how long it is.

Ledger, limiter, adapter and stand-in venue are the real ones, in this process; the message goes in at the consumer's
callback. Told are the different functions entered and their files, how often the next one is in another file, and how
often that is one which was left before. A coroutine is entered once, however often it goes on; comprehensions are not,
and neither is what the stand-in venue calls of ours, nor what is left of the command before.
"""

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import FrameType, SimpleNamespace
from typing import Any
from uuid import uuid4

import aiohttp

from tests.support.memory_venue import MemoryBus
from tests.support.sandbox_harness import SandboxHarness, sandbox_harness
from worker.accounts.account import Accounts
from worker.app.parts import build_worker
from worker.bus.amqp.deliveries import NOBODY
from worker.bus.consumer import Consumer
from worker.bus.sharding.shards import UNSHARDED
from worker.config.settings import Settings
from worker.ledger.ledger import open_ledger
from worker.messages.wire import Outgoing
from worker.runtime.clock import now

ROOT = Path(__file__).parents[1]
OURS = tuple(str(ROOT / folder) for folder in ("worker", "schemas"))
NOT_OURS = str(ROOT / "worker" / "sandbox")
SYMBOL = "BTC/USDT:USDT"
ACCOUNT = "binance-perp-001"
WAIT_S = 30


def is_ours(frame: FrameType) -> bool:
    """Whether a frame is of the program itself, not of a library, a test, or the stand-in venue."""
    file = frame.f_code.co_filename
    return file.startswith(OURS) and not file.startswith(NOT_OURS)


def is_asked_by_the_venue(frame: FrameType | None) -> bool:
    """Whether the stand-in venue, which runs in this process too, is who called it."""
    while frame is not None and not frame.f_code.co_filename.startswith(NOT_OURS):
        frame = frame.f_back
    return frame is not None


@dataclass(slots=True)
class Way:
    """Functions as they were entered: file and name of each."""

    entered: list[tuple[str, str]] = field(default_factory=list)

    @property
    def files(self) -> list[str]:
        """Of each function entered, by its path in the project."""
        return [file for file, _ in self.entered]

    @property
    def changes(self) -> int:
        """How often the next function is in another file."""
        return sum(before != after for before, after in pairwise(self.files))

    @property
    def returns(self) -> int:
        """How often it goes back into a file that it had left."""
        return self.changes - max(0, len({*self.files}) - 1)

    def told(self) -> str:
        """Its figures in a line."""
        functions, files = len({*self.entered}), len({*self.files})
        return f"{functions} functions {files} files {self.changes} changes {self.returns} returns"


@dataclass(slots=True)
class Tracer:
    """Follows the way to the venue's POST, and from there to the published event."""

    there: Way = field(default_factory=Way)
    back: Way = field(default_factory=Way)
    stack: list[str] = field(default_factory=list)
    _seen: dict[int, FrameType] = field(default_factory=dict)

    def profile(self, frame: FrameType, event: str, _: Any) -> None:
        """Called by the interpreter for each function that is entered or resumed."""
        if event != "call" or id(frame) in self._seen or not is_ours(frame):
            return
        if (name := frame.f_code.co_qualname).endswith(("<genexpr>", "<listcomp>", "<dictcomp>", "<setcomp>")):
            return
        if is_asked_by_the_venue(frame):
            return
        self._seen[id(frame)] = frame
        file = str(Path(frame.f_code.co_filename).relative_to(ROOT))
        (self.back if self.stack else self.there).entered.append((file, name))

    async def leaves(self, _: object, __: object, sent: aiohttp.TraceRequestHeadersSentParams) -> None:
        """A request is about to be written."""
        frame: FrameType | None = sys._getframe()
        while sent.method == "POST" and frame is not None:
            if is_ours(frame):
                self.stack.append(f"{Path(frame.f_code.co_filename).relative_to(ROOT)} {frame.f_code.co_qualname}")
            frame = frame.f_back

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow what runs in here."""
        sys.setprofile(self.profile)
        try:
            yield
        finally:
            sys.setprofile(None)


class Told(MemoryBus):
    """Keeps what is published, and stops the tracer with the first event."""

    async def event(self, event: Outgoing) -> None:
        """Published."""
        sys.setprofile(None)
        await super().event(event)


class Message(SimpleNamespace):
    """A message as the consumer is handed one."""

    async def ack(self) -> None:
        """Nobody waits for it."""


def message(leverage: int) -> Any:
    """A command as a strategy publishes it."""
    body = {"exchange_account_id": ACCOUNT, "symbol": SYMBOL, "leverage": leverage}
    return Message(
        body=json.dumps(body).encode(),
        headers={"timestamp_in_ms": now()},
        message_id=str(uuid4()),
        correlation_id="1",
        reply_to="someone",
        expiration_ms=None,
        timestamp=None,
        user_id=None,
        type=None,
        content_type=None,
        exchange="dma.commands",
        routing_key="set_leverage",
    )


async def carried_out(consumer: Consumer, command: Any) -> None:
    """From the callback to the acknowledgement."""
    task = consumer._start("set_leverage", command)
    assert task is not None
    async with asyncio.timeout(WAIT_S):
        await task


async def followed(harness: SandboxHarness, folder: Path) -> Tracer:
    """The way of the second command, when all that is loaded once is loaded."""
    tracer, bus = Tracer(), Told()
    watch = aiohttp.TraceConfig()
    watch.on_request_headers_sent.append(tracer.leaves)
    watch.freeze()
    harness.connections.session._trace_configs.append(watch)
    accounts, adapter = Accounts((harness.account(),)), harness.venue.adapter(harness.account())
    async with open_ledger(f"sqlite:///{folder / 'ledger.db'}") as ledger:
        worker = build_worker(Settings(state=folder), accounts, lambda _: adapter, ledger, bus)
        consumer = Consumer(None, None, worker.handle, UNSHARDED, NOBODY)  # type: ignore[arg-type]  # nothing is consumed
        await carried_out(consumer, message(7))
        await worker.after_commands.settled()
        await worker.relay.close()
        tracer.stack.clear()
        second = message(9)
        with tracer.following():
            await carried_out(consumer, second)
        await worker.after_commands.settled()
        await worker.relay.close()
    assert [result["outcome"] for result in bus.told("result")] == ["applied", "applied"]
    return tracer


async def main() -> None:
    """Print the way, function by function, and its figures."""
    with tempfile.TemporaryDirectory() as folder:
        async with sandbox_harness("binance") as harness:
            tracer = await followed(harness, Path(folder))
    for way, name in ((tracer.there, "to the venue's POST"), (tracer.back, "from there to the published event")):
        print(f"{name}:")
        last = ""
        for file, function in way.entered:
            print(f"  {file if file != last else '':55} {function}")
            last = file
        print()
    print("on the stack at the POST:", *tracer.stack, sep="\n  ")
    print(f"\nfrom the POST to the published event: {tracer.back.told()}")
    print(f"way {tracer.there.told()} {len(tracer.stack)} frames")


if __name__ == "__main__":
    asyncio.run(main())
