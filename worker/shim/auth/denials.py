"""What was denied, counted and told to a worker, which writes it into the audit.

Nobody can flood the audit: what is alike is counted, a report holds few kinds of denials (what is beyond them is
counted by its reason alone), and one report follows another after a pause.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

import structlog

from schemas import OPERATIONS
from schemas.audit.records import ReportDenials
from schemas.base import Milliseconds
from worker.bus.rpc import BusError
from worker.messages.wire import LONGEST_ACTOR, encode
from worker.runtime.clock import now
from worker.runtime.periodic import periodically
from worker.shim.auth.tokens import Denied
from worker.shim.kit.caller import Caller
from worker.telemetry.denials import PAUSE_S, SETTLE_S, DenialCounts, DenialKind

ANSWER_MS: Milliseconds = 5_000
LAST_ANSWER_MS: Milliseconds = 1_000
LONGEST_ADDRESS = 64

log = structlog.get_logger("worker.shim")


class Denials:
    """Counts what is denied, and reports it."""

    def __init__(
        self,
        caller: Caller,
        *,
        clock: Callable[[], Milliseconds] = now,
        settle_s: float = SETTLE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        self._caller = caller
        self._clock = clock
        self._settle_s = settle_s
        self._pause_s = pause_s
        self._shim = f"{socket.gethostname()[:40]}-{os.getpid()}"
        self._counts = DenialCounts()
        self._untold: bytes | None = None
        self._something = asyncio.Event()
        self._telling = asyncio.Lock()

    def note(self, denied: Denied, operation: str, address: str | None) -> None:
        """Count a denial."""
        self._counts.add(_kind(denied, operation, address), self._clock(), denied.account)
        self._something.set()

    async def run(self) -> None:
        """Report what is counted, until cancelled."""
        await periodically(self._tell_settled, self._pause_s)

    async def _tell_settled(self) -> None:
        await self._something.wait()
        await asyncio.sleep(self._settle_s)
        await self.tell(ANSWER_MS)

    async def close(self) -> None:
        """Report what is left, if a worker answers soon."""
        await self.tell(LAST_ANSWER_MS)

    async def tell(self, within_ms: Milliseconds) -> None:
        """Report once. What no worker confirms is kept and told the same again; meanwhile the rest is counted on."""
        async with self._telling:
            if self._untold is None:
                self._untold = self._report()
            if self._untold is not None:
                with suppress(BusError):
                    await self._send(self._untold, within_ms)

    def _report(self) -> bytes | None:
        if not self._counts:
            return None
        return encode(ReportDenials.model_construct(shim=self._shim, denials=self._counts.take()))

    async def _send(self, report: bytes, within_ms: Milliseconds) -> None:
        deadline = self._clock() + within_ms
        answer = await self._caller.call(
            OPERATIONS["report_denials"], report, command_id=str(uuid4()), deadline=deadline, actor=None
        )
        if answer.status == 503:
            return
        if answer.status != 200:
            log.error("denial_report_refused", report=report, hint="run shim and workers of one version")
        self._untold = None
        if not self._counts:
            self._something.clear()


def _kind(denied: Denied, operation: str, address: str | None) -> DenialKind:
    actor = denied.actor.subject if denied.actor else None
    return DenialKind(
        denied.envelope.statusCode,
        denied.reason,
        operation,
        actor and actor.replace("\0", "")[:LONGEST_ACTOR],
        address and address[:LONGEST_ADDRESS],
    )
