"""Whether requests would be taken: the broker says that workers consume, and a worker says how it fares."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import orjson

from schemas import OPERATIONS
from schemas.base import Milliseconds
from schemas.control import Status
from worker.bus.rpc import BrokerAway, BusError, RightsMissing
from worker.runtime.clock import now
from worker.shim.kit.caller import Caller

ANSWER_MS: Milliseconds = 1_500
"""How long a worker may take to say how it fares. It writes to its ledger for that, or gives up after half of it."""

FRESH_S = 1.0
"""How long it is known to be ready, however often it is asked."""

FRESH_UNREADY_S = 0.1
"""The same for not being ready: a start shall not wait for news of itself."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What was found, and the reason why it is not enough, with what to do; no reason means ready.

    `consumers` is None while the broker is away, `status` while no worker answers.
    """

    reason: str | None
    consumers: Mapping[str, int] | None = None
    status: Status | None = None

    @property
    def is_ready(self) -> bool:
        """Whether requests would be taken."""
        return self.reason is None

    def facts(self) -> dict[str, Any]:
        """All of it, as `/readyz` answers, to anybody: what is wrong with a registry is for `/status` to tell."""
        consumers = {name: (self.consumers or {}).get(name, 0) for name in OPERATIONS}
        return {
            "ready": self.is_ready,
            "reason": self.reason,
            "broker": self.consumers is not None,
            "missing": [name for name, count in consumers.items() if not count],
            "consumers": consumers,
            "worker": self.status and self.status.worker,
            "ledger": self.status and self.status.ledger_writes,
            "outbox": self.status and self.status.outbox,
            "registry": self.status and self.status.registry_problem is None,
            "venues": [venue.model_dump(mode="json") for venue in self.status.venues] if self.status else [],
        }


class Probe:
    """Looks whether requests would be taken, once for all who ask at the same time and shortly after."""

    def __init__(self, caller: Caller, clock: Callable[[], float] = time.monotonic) -> None:
        self._caller = caller
        self._clock = clock
        self._turn = asyncio.Lock()
        self._found: Readiness | None = None
        self._fresh_until = 0.0

    async def readiness(self) -> Readiness:
        """What was found a moment ago, or is found now."""
        async with self._turn:
            if self._found is None or self._clock() >= self._fresh_until:
                self._found = await self._look()
                self._fresh_until = self._clock() + (FRESH_S if self._found.is_ready else FRESH_UNREADY_S)
            return self._found

    async def _look(self) -> Readiness:
        try:
            consumers = await self._caller.consumers()
        except RightsMissing as error:
            return Readiness(str(error))
        except BrokerAway as error:
            return Readiness(f"the broker can't be reached ({error}); see that it runs and PERPS_DMA_AMQP_URL is right")
        if missing := [name for name in OPERATIONS if not consumers.get(name)]:
            what = ", ".join(missing) if len(missing) < len(OPERATIONS) else "anything"
            return Readiness(f"no worker takes {what}; start one with `perps-dma worker`, or `make up`", consumers)
        try:
            status = await self._ask_a_worker()
        except BusError as error:
            reason = f"no worker says how it fares ({error}); the log of the worker tells what keeps it"
            return Readiness(reason, consumers)
        except (LookupError, TypeError, ValueError):
            reason = "what a worker says of itself is not understood; run shim and workers of the same version"
            return Readiness(reason, consumers)
        return Readiness(_lacking(status), consumers, status)

    async def _ask_a_worker(self) -> Status:
        answer = await self._caller.call(
            OPERATIONS["get_status"], b"{}", command_id=str(uuid4()), deadline=now() + ANSWER_MS, actor=None
        )
        return Status.model_validate(orjson.loads(answer.body)["data"])


def _lacking(status: Status) -> str | None:
    """What a worker lacks, and what to do about it."""
    if not status.ledger_writes:
        problem = status.ledger_problem or "see that the ledger can be reached and its disk has room"
        return f"worker {status.worker} can't write its ledger, so that commands wait; {problem}"
    if not any(venue.markets_loaded for venue in status.venues):
        found = "; ".join(f"{venue.exchange}: {venue.reason}" for venue in status.venues) or "it has no account"
        return f"worker {status.worker} knows no markets ({found}); see that it reaches its venues, it goes on trying"
    return None
