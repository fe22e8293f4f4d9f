"""One feed of an account, kept open for as long as the account is followed: line after line.

line ─▶ up ─▶ leaving (planned, or the venue will shut it): the next one is opened and up ─▶ the one before is closed
 ▲        └▶ ended: down, and why
 └───────── at once, after a back-off with full jitter, or in some minutes
"""

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from schemas.base import Milliseconds
from worker.runtime.backoff import backoff_s
from worker.runtime.clock import now, steady
from worker.streams.dials import DialGate
from worker.streams.line import JITTER, Ending, Hearer, Line, OpenSocket, jittered
from worker.venues.port.streams import Feed

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
LASTING_S = 240.0
"""When a refusal that lasts is tried again, out of step with others."""

ASKED_AGAIN_S = 300.0
"""When it is asked again whether there is something to follow, where there was nothing."""

SETTLED_S = 180.0
"""A connection that lasted so long has not failed: the next back-off begins at the shortest. A key that expires at once
makes no tight loop."""

NOTHING = Ending("there is nothing to follow any more", lasts=True)


class FeedListener(Hearer, Protocol):
    """Who follows the account."""

    def up(self, feed: str) -> None:
        """All is acknowledged: from now on changes are pushed. Told again where one line has taken another's place."""

    def down(self, feed: str, reason: str, heard: Milliseconds) -> None:
        """It is up no more, or could not be opened; when the last frame came, UTC ms."""


class FeedConnection:
    """Keeps one feed of an account open. `feed_of` gives it as of the newest markets and credentials."""

    def __init__(
        self, name: str, feed_of: Callable[[], Feed], gate: DialGate, socket: OpenSocket, to: FeedListener
    ) -> None:
        self._name = name
        self._feed_of = feed_of
        self._gate = gate
        self._socket = socket
        self._to = to

    async def run(self) -> None:
        """Keep it open until cancelled."""
        failures = 0
        while True:
            begun = monotonic()
            if (ending := await self._lines()) is None:
                self._to.up(self._name)
                await asyncio.sleep(jittered(ASKED_AGAIN_S))
                continue
            failures = 1 if monotonic() - begun > SETTLED_S else failures + 1
            await asyncio.sleep(_wait_s(ending, failures))

    async def _lines(self) -> Ending | None:
        """One line after the other, without a gap; how the last ended. None where there is nothing to follow."""
        line = self._begun()
        try:
            while True:
                if await line.until_up():
                    self._to.up(self._name)
                if not await line.until_leaving():
                    ending = await line.ended()
                    if ending is not None:
                        self._down(line, ending)
                    return ending
                before, line = line, await self._successor(line)
                await before.close()
        finally:
            await line.close()

    async def _successor(self, line: Line) -> Line:
        """A line that is up, to take the place of one that is leaving; or that comes too late, for that one ended."""
        failures = 1
        while True:
            successor = self._begun()
            try:
                await successor.until_up(unless=line)
            except asyncio.CancelledError:
                await successor.close()
                raise
            if successor.is_up:
                return successor
            if line.has_ended:
                self._down(line, await line.ended() or NOTHING)
                return successor
            failures += 1
            await line.ends_within(_wait_s(await successor.ended() or NOTHING, failures))

    def _begun(self) -> Line:
        return Line(self._name, self._feed_of, self._gate, self._socket, self._to)

    def _down(self, line: Line, ending: Ending) -> None:
        self._to.down(self._name, ending.reason, now() - (steady() - line.heard))


def _wait_s(ending: Ending, failures: int) -> float:
    if ending.lasts:
        return LASTING_S * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing
    if ending.at_once and failures == 1:
        return 0.0
    return backoff_s(failures, FIRST_WAIT_S, LONGEST_WAIT_S, least=0.0)
