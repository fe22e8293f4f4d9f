"""One private connection, from before its opening to its end.

gate of dials ─▶ converse ─▶ open ─▶ say the opening ─▶ all acknowledged: up ─▶ hear … ─▶ ended, and why
                                                                           └▶ leaving: another is to take its place

Nothing that a venue sends ends the reading but the end of its connection: what is not understood is counted and nudges.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

import aiohttp
import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType

from schemas.base import Milliseconds
from worker.runtime.clock import now, steady
from worker.streams.dials import DialGate
from worker.venues.limits.request_context import Urgency, requesting
from worker.venues.port.errors import AccessDenied, NotSupported, Refused, VenueError
from worker.venues.port.streams import (
    Conversation,
    Feed,
    FeedRules,
    NotUnderstood,
    Nudge,
    Refusal,
    Reopen,
    RiskPush,
    Say,
    Terms,
)

log = structlog.get_logger(__name__)

ACKNOWLEDGED_S = 10.0
"""How long a venue may take to acknowledge all that was said at the opening."""

OPENED_S = 10.0
"""How long a handshake may take, with the TLS one before it."""

CONVERSED_MS: Milliseconds = 15_000
"""How long what is needed before the opening, such as a key, may take, with the wait for room at the venue."""

SAID_S = 5.0
"""How long a frame may take to leave: a venue that takes nothing any more is found by its silence."""

RENEWED_AGAIN_S = 60.0

UNANSWERED = 3
"""A connection over which pings were answered is dead when so many were not, and nothing else came. Nobody documents
that Binance answers ours, and it says something by itself each three minutes only.
"""

JITTER = 0.1

UNREADABLE = (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RecursionError)
"""What reading a frame can end in, where a venue's side of it has a fault."""

SOCKET_TROUBLE = (aiohttp.ClientError, OSError, TimeoutError)

OpenSocket = Callable[[str], AbstractAsyncContextManager[ClientWebSocketResponse]]

LASTING = frozenset({400, 401, 403, 404, 405, 451})
"""Answers to a handshake that will be the same in a moment."""

PLANNED = "opened anew as planned"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a connection ended, or that none came about. `at_once` is tried without a wait the first time."""

    reason: str
    lasts: bool = False
    at_once: bool = False


@dataclass(frozen=True, slots=True)
class _Open:
    """A connection that is open."""

    socket: ClientWebSocketResponse
    rules: FeedRules
    conversation: Conversation


Pushed = Nudge | Terms | RiskPush | NotUnderstood


class Hearer(Protocol):
    """Who hears what is pushed."""

    def frame(self) -> None:
        """A text frame came, whatever it means."""

    def heard(self, feed: str, pushed: Pushed) -> None:
        """The venue told something."""


class Line:
    """One connection of a feed. `feed_of` gives the feed as of the newest markets and credentials."""

    def __init__(self, name: str, feed_of: Callable[[], Feed], gate: DialGate, socket: OpenSocket, to: Hearer) -> None:
        self._name = name
        self._feed_of = feed_of
        self._gate = gate
        self._open = socket
        self._to = to
        self._is_answered = False
        self._up = asyncio.Event()
        self._leaving = asyncio.Event()
        self.heard = steady()
        """When the last frame came, of the steady clock."""
        self._running = asyncio.create_task(self._converse())

    @property
    def has_ended(self) -> bool:
        """Whether it tells nothing any more."""
        return self._running.done()

    @property
    def is_up(self) -> bool:
        """Whether changes are pushed over it."""
        return self._up.is_set() and not self.has_ended

    async def until_up(self, unless: "Line | None" = None) -> bool:
        """Wait until all is acknowledged; False where it ended before. No longer than until another one ends."""
        return await self._before_its_end(self._up, *(() if unless is None else (unless._running,)))

    async def until_leaving(self) -> bool:
        """Wait until another is to take its place, over which it goes on; False where it ended before."""
        return await self._before_its_end(self._leaving)

    async def ended(self) -> Ending | None:
        """Wait for its end; None where there is nothing to follow."""
        return await asyncio.shield(self._running)

    async def ends_within(self, seconds: float) -> bool:
        """Wait for its end, but no longer; whether it has ended."""
        await asyncio.wait((self._running,), timeout=seconds)
        return self.has_ended

    async def close(self) -> None:
        """End it."""
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)

    async def _before_its_end(self, event: asyncio.Event, *others: "asyncio.Task[Ending | None]") -> bool:
        waiting = asyncio.create_task(event.wait())
        try:
            await asyncio.wait((waiting, self._running, *others), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        return event.is_set() and not self.has_ended

    async def _converse(self) -> Ending | None:
        try:
            feed = self._feed_of()
            await self._gate.passed()
            with requesting(deadline=now() + CONVERSED_MS, urgency=Urgency.PUSHED):
                conversation = await feed.converse()
        except VenueError as error:
            return Ending(error.message, lasts=isinstance(error, AccessDenied | NotSupported))
        return None if conversation is None else await self._connect(feed.rules, conversation)

    async def _connect(self, rules: FeedRules, conversation: Conversation) -> Ending:
        # What aiohttp raises has the URL in its text, and that may hold a key: only what is ours is told.
        opened = False
        try:
            async with asyncio.timeout(OPENED_S) as opening, self._open(conversation.url) as socket:
                opening.reschedule(None)
                opened = True
                return await self._attend(_Open(socket, rules, conversation))
        except aiohttp.WSServerHandshakeError as error:
            return Ending(f"the handshake was answered with HTTP {error.status}", lasts=error.status in LASTING)
        except SOCKET_TROUBLE as error:
            what = "the connection was lost" if opened else "no connection"
            return Ending(f"{what} ({type(error).__name__})")

    async def _attend(self, at: _Open) -> Ending:
        """Read and keep a connection until one of both says that it is over."""
        self.heard = steady()
        for text in at.conversation.opening:
            await _said(at.socket.send_str(text))
        reading, keeping = asyncio.create_task(self._read(at)), asyncio.create_task(self._keep(at))
        try:
            done, _ = await asyncio.wait((reading, keeping), return_when=asyncio.FIRST_COMPLETED)
            return done.pop().result()
        finally:
            reading.cancel()
            keeping.cancel()
            await asyncio.gather(reading, keeping, return_exceptions=True)

    async def _read(self, at: _Open) -> Ending:
        try:
            async with asyncio.timeout(ACKNOWLEDGED_S) as patience:
                while True:
                    if not self._up.is_set() and not at.conversation.waiting_for:
                        patience.reschedule(None)
                        self._up.set()
                    if (ending := await self._take(await at.socket.receive(), at)) is not None:
                        return ending
        except TimeoutError:
            missing = ", ".join(sorted(at.conversation.waiting_for))
            return Ending(f"no acknowledgement of {missing} within {ACKNOWLEDGED_S:g} s")

    async def _take(self, message: aiohttp.WSMessage, at: _Open) -> Ending | None:
        self.heard = steady()
        match message.type:
            case WSMsgType.TEXT:
                self._to.frame()
                return await self._hear(str(message.data), at)
            case WSMsgType.PING:
                await _said(at.socket.pong(message.data))
            case WSMsgType.PONG:
                self._is_answered = True
            case WSMsgType.BINARY:
                self._to.heard(self._name, NotUnderstood("a binary frame"))
            case WSMsgType.CLOSE | WSMsgType.CLOSING | WSMsgType.CLOSED:
                return _closed(at)
            case _:
                return Ending("the connection broke")
        return None

    async def _hear(self, frame: str, at: _Open) -> Ending | None:
        try:
            heard = at.conversation.hear(frame)
        except UNREADABLE as error:
            log.error("stream_frame_failed", feed=self._name, error=type(error).__name__)
            heard = (NotUnderstood(f"a frame that fails our reading ({type(error).__name__})"),)
        for one in heard:
            match one:
                case Say(text):
                    await _said(at.socket.send_str(text))
                case Refusal(reason, lasts):
                    return Ending(reason, lasts=lasts)
                case Reopen(reason, tells=False):
                    return Ending(reason, at_once=True)
                case Reopen(reason):
                    self._leave(reason)
                case _:
                    self._to.heard(self._name, one)
        return None

    def _leave(self, reason: str) -> None:
        log.info("stream_reopened", feed=self._name, reason=reason)
        self._leaving.set()

    async def _keep(self, at: _Open) -> Ending:
        """Ping, renew, and watch for silence, until the connection has to end."""
        rules = at.rules
        begun = monotonic()
        ping_at, renew_at = begun + rules.ping_s, begun + (rules.renew_s or float("inf"))
        leaves_at = begun + jittered(rules.longest_s or float("inf"))
        while True:
            silent_s = min(rules.silent_s, UNANSWERED * rules.ping_s) if self._is_answered else rules.silent_s
            silent_at = monotonic() + silent_s - (steady() - self.heard) / 1000
            await asyncio.sleep(max(0.0, min(ping_at, renew_at, leaves_at, silent_at) - monotonic()))
            moment = monotonic()
            if steady() - self.heard >= silent_s * 1000:
                return Ending(f"no frame came for {silent_s:g} s")
            if moment >= leaves_at:
                self._leave(PLANNED)
                leaves_at = float("inf")
            if moment >= ping_at:
                await _said(at.socket.ping() if rules.ping is None else at.socket.send_str(rules.ping))
                ping_at = moment + rules.ping_s
            if moment >= renew_at:
                try:
                    await self._renew(at.conversation)
                    renew_at = moment + (rules.renew_s or float("inf"))
                except Refused as error:
                    return Ending(f"it can't be prolonged: {error.message}", at_once=True)
                except VenueError as error:
                    log.warning("stream_not_renewed", feed=self._name, error=error.message)
                    renew_at = moment + min(RENEWED_AGAIN_S, rules.renew_s or RENEWED_AGAIN_S)

    async def _renew(self, conversation: Conversation) -> None:
        with requesting(deadline=now() + CONVERSED_MS, urgency=Urgency.PUSHED):
            await conversation.renew()


def jittered(seconds: float) -> float:
    """A time somewhat shorter than this, at random, so that connections do not fall in step."""
    return seconds * random.uniform(1 - JITTER, 1)  # noqa: S311 - spreads load, guards nothing


def _closed(at: _Open) -> Ending:
    code = at.socket.close_code
    refusal = at.rules.closes.get(code or 0)
    if refusal is not None:
        return Ending(refusal.reason, lasts=refusal.lasts)
    return Ending(f"the venue closed the connection ({code})")


async def _said(sending: Awaitable[None]) -> None:
    """A frame has left, or will not: who reads nothing is found by its silence."""
    try:
        async with asyncio.timeout(SAID_S):
            await sending
    except TimeoutError:
        log.debug("stream_frame_not_taken")
