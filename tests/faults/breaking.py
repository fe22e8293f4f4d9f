"""Breaking one thing after the other, by dice of a seed that is printed."""

import asyncio
import random
import signal
import sys
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from tests.faults.node import Node
from tests.faults.stage import ENOUGH, Stage, WorkerProcess

Fault = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Breaking:
    """Workers and a broker to be broken, and by what dice. `longest_s` is the longest that something stays broken."""

    stage: Stage
    node: Node
    dice: random.Random
    shortest_s: float
    longest_s: float
    done: Counter[str] = field(default_factory=Counter)

    @property
    def worker(self) -> WorkerProcess:
        """Any of them."""
        return self.dice.choice(self.stage.workers)

    async def a_while(self) -> None:
        """For as long as something is broken."""
        await asyncio.sleep(self.dice.uniform(self.shortest_s, self.longest_s))

    async def worker_killed(self) -> None:
        worker = self.worker
        await worker.kill()
        await worker.start()

    async def worker_frozen(self) -> None:
        worker = self.worker
        worker.send(signal.SIGSTOP)
        await self.a_while()
        worker.send(signal.SIGCONT)

    async def break_it(self, name: str, fault: Fault, passed_s: float) -> None:
        """Break one thing, and say so; `done` counts it."""
        sys.stdout.write(f"{passed_s:6.0f} s  {len(self.stage.tally.expected):5} commands  {name}\n")
        sys.stdout.flush()
        await fault()
        self.done[name] += 1


def keep_every_request(stage: Stage) -> None:
    """Have the venue remember all that it was asked, without limits, for what is counted in the end."""
    stage.lift_limits()
    stage.sandbox.desks["binance"].journal.entries = deque(maxlen=ENOUGH)
