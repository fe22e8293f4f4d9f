"""Private streams of a stand-in venue: open connections, what is pushed over them, and misbehaviour to order.

GET with Upgrade ─▶ venue.stream(received, link) ─▶ StreamSession: receive(frame), tick(now)
request or change carried out ─▶ venue.push() ─▶ session ─▶ link.push(content) ─▶ faults ─▶ the client
"""

import asyncio
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal, Protocol

from aiohttp import WSMessage, WSMsgType, web
from pydantic import BaseModel, ConfigDict, Field

from schemas.base import Milliseconds
from worker.messages.wire import encode
from worker.sandbox.server.http import HttpResponse, Received, receive

TICK_S = 0.05
"""How often sessions are given the time."""

StreamFaultKind = Literal[
    "silent",
    "drop",
    "close",
    "refuse",
    "no_ack",
    "lose",
    "duplicate",
    "reorder",
    "malformed",
    "flood",
    "early",
    "order",
]


class StreamFault(BaseModel):
    """A misbehaviour of streams, of one account's or of all.

    silent     open connections say nothing more, not even pongs, for `for_ms` (for ever without it)
    drop       open connections are cut without a close frame
    close      open connections are closed with `code` and `reason`
    refuse     the next `times` handshakes are answered with HTTP `status`
    no_ack     the next `times` acknowledgements (of a login or a subscription) are never sent
    lose       the next `times` pushes are lost
    duplicate  the next `times` pushes are sent twice
    reorder    the next push is sent after the one that follows it
    malformed  `text` is sent, or something that is no JSON
    flood      `content` is sent `times` times, `per_s` a second
    early      pushes come `for_ms` before REST shows what they tell, for the next `times` changes
    order      the venue's own: `name`, such as the expiry of a key, with `content`; each venue lists what it knows
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    fault: StreamFaultKind
    account: str | None = None
    times: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    for_ms: Annotated[Milliseconds | None, Field(ge=0)] = None
    code: Annotated[int, Field(ge=1000, le=4999)] = 1001
    reason: str = ""
    status: Annotated[int, Field(ge=400, le=599)] = 503
    text: str = "{not json"
    content: Any = None
    per_s: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    name: str = ""


class StreamSession(Protocol):
    """A client's connection as the venue sees it."""

    @property
    def account(self) -> str | None:
        """The account it has shown to be; None before a login."""

    def receive(self, frame: str) -> None:
        """A text frame of the client."""

    def tick(self, now: Milliseconds) -> None:
        """Time has passed: what the venue sends or ends by itself is due."""

    def order(self, name: str, content: Any) -> bool:
        """Do what a fault orders; whether the venue knows it."""


class Link:
    """The venue's end of a connection. What is sent goes out in its order; what is sent after the end goes nowhere."""

    def __init__(
        self, socket: web.WebSocketResponse, transport: asyncio.Transport | None, path: str, faults: "StreamFaults"
    ) -> None:
        self.path = path
        self._socket = socket
        self._transport = transport
        self._waiting: asyncio.Queue[str | bytes | tuple[int, str]] = asyncio.Queue()
        self._held_back: str | None = None
        self._faults = faults
        self.session: StreamSession | None = None
        self.silent = False
        self.ended = False
        self.heard_at = self.said_at = time.monotonic()
        """When the client, and when the venue, sent the last frame of any kind; monotonic seconds."""

    @property
    def account(self) -> str | None:
        """The account it is of, once that is known."""
        return None if self.session is None else self.session.account

    def push(self, content: Any) -> None:
        """Tell the client of a change, or misbehave as planned: it is lost, told twice, or told after the next one."""
        text = _text(content)
        if self._faults.take("lose", self.account):
            return
        if self._held_back is None and self._faults.take("reorder", self.account):
            self._held_back = text
            return
        self.say(text)
        if self._faults.take("duplicate", self.account):
            self.say(text)
        if self._held_back is not None:
            held, self._held_back = self._held_back, None
            self.say(held)

    def acknowledge(self, content: Any) -> None:
        """Answer a login or a subscription, or misbehave as planned."""
        if not self._faults.take("no_ack", self.account):
            self.say(content)

    def say(self, content: Any) -> None:
        """Send a frame: a text as it is, anything else in JSON."""
        if not self.ended:
            self._waiting.put_nowait(_text(content))

    def ping(self, payload: bytes) -> None:
        """Send a protocol ping. The pong that answers it counts as heard."""
        self._waiting.put_nowait(payload)

    def close(self, code: int, reason: str = "") -> None:
        """End the connection with a close frame, after what was said before."""
        self._waiting.put_nowait((code, reason))

    def cut(self) -> None:
        """End the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        """Send what there is to say, until the connection ends."""
        with suppress(ConnectionError):
            while True:
                content = await self._waiting.get()
                if self.silent:
                    continue
                self.said_at = time.monotonic()
                if isinstance(content, str):
                    await self._socket.send_str(content)
                elif isinstance(content, bytes):
                    await self._socket.ping(content)
                else:
                    code, reason = content
                    await self._socket.close(code=code, message=reason.encode())

    async def read(self, session: StreamSession) -> None:
        """Hand the client's frames to the venue, until the connection ends."""
        async for message in self._socket:
            self.heard_at = time.monotonic()
            if not self.silent:
                await self._take(message, session)

    async def _take(self, message: WSMessage, session: StreamSession) -> None:
        if message.type is WSMsgType.TEXT:
            session.receive(message.data)
        elif message.type is WSMsgType.PING:
            await self._socket.pong(message.data)


def _text(content: Any) -> str:
    return content if isinstance(content, str) else encode(content).decode()


class StreamFaults:
    """The misbehaviour that is still to come."""

    def __init__(self) -> None:
        self._left: list[StreamFault] = []

    def add(self, fault: StreamFault) -> None:
        """Plan a fault for the next `times` occasions."""
        self._left.append(fault)

    def take(self, kind: StreamFaultKind, account: str | None) -> StreamFault | None:
        """Use up one occurrence of a fault of this kind."""
        for position, fault in enumerate(self._left):
            if fault.fault == kind and fault.account in (None, account):
                rest = [fault.model_copy(update={"times": fault.times - 1})] if fault.times > 1 else []
                self._left[position : position + 1] = rest
                return fault
        return None

    def clear(self) -> None:
        """Cancel all that are to come."""
        self._left.clear()


class StreamingVenue(Protocol):
    """What a stand-in venue offers for its private streams."""

    def stream(self, received: Received, link: Link) -> StreamSession | HttpResponse | None:
        """Begin a session for a handshake, or refuse it; None where the venue has no stream at this path."""

    def push(self) -> None:
        """Push what has changed in the accounts since this was called last, to the sessions that are to hear of it.

        Where nobody listens it is only remembered what there is.
        """

    def is_read(self, received: Received) -> bool:
        """Whether a request changes nothing of an account."""

    def state(self, account_id: str) -> Any:
        """All that REST shows of an account, to be copied."""

    def put(self, account_id: str, state: Any) -> None:
        """Show another state of an account from now on."""


@dataclass(slots=True)
class StreamHub:
    """The open connections of one venue, and the misbehaviour that is planned for them."""

    venue: StreamingVenue
    now: Callable[[], Milliseconds]
    faults: StreamFaults = field(default_factory=StreamFaults)
    links: list[Link] = field(default_factory=list)
    _hidden: dict[str, tuple[Any, Milliseconds]] = field(default_factory=dict)
    _ticking: "asyncio.Task[None] | None" = None
    _busy: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve a client from its handshake to the end of its connection."""
        received = await receive(request)
        if refusal := self.faults.take("refuse", None):
            return web.Response(status=refusal.status)
        # Pings are answered by us, so that a connection can fall silent.
        socket = web.WebSocketResponse(autoping=False, compress=False)
        link = Link(socket, request.transport, received.path, self.faults)
        session = self.venue.stream(received, link)
        if session is None:
            return web.Response(status=404)
        if isinstance(session, HttpResponse):
            return session.response()
        link.session = session
        await socket.prepare(request)
        self.links.append(link)
        self._tick_on()
        writing = asyncio.create_task(link.write())
        try:
            await link.read(session)
        finally:
            link.ended = True
            self.links.remove(link)
            writing.cancel()
        return socket

    def order(self, fault: StreamFault) -> int:
        """Misbehave now, or plan to; returns how many open connections meet it now."""
        met = [link for link in self.links if fault.account in (None, link.account)]
        if fault.fault in ("lose", "duplicate", "reorder", "no_ack", "refuse", "early"):
            self.faults.add(fault)
            return len(met)
        if fault.fault == "order":
            sessions = [link.session for link in met if link.session is not None]
            return sum(session.order(fault.name, fault.content) for session in sessions)
        for link in met:
            self._misbehave(link, fault)
        return len(met)

    @contextmanager
    def changing(self, account: str) -> Iterator[None]:
        """Push what a request or a change has changed; with an `early` fault REST goes on showing what was before."""
        early = self.faults.take("early", account)
        before = copy.deepcopy(self.venue.state(account)) if early is not None else None
        yield
        self.venue.push()
        if early is not None:
            self._hidden[account] = before, self.now() + (early.for_ms or 1_000)

    @contextmanager
    def reading(self, account: str) -> Iterator[None]:
        """Show what REST shows of an account: what was before a change, where pushes are early."""
        before, until = self._hidden.get(account, (None, 0))
        if until <= self.now():
            self._hidden.pop(account, None)
            yield
            return
        now = self.venue.state(account)
        self.venue.put(account, before)
        try:
            yield
        finally:
            self.venue.put(account, now)

    def reset(self) -> None:
        """Cancel all faults, show what there is, and end all connections."""
        self.faults.clear()
        self._hidden.clear()
        for link in tuple(self.links):
            link.close(1001)

    def _misbehave(self, link: Link, fault: StreamFault) -> None:
        match fault.fault:
            case "silent":
                link.silent = True
                if fault.for_ms is not None:
                    asyncio.get_running_loop().call_later(fault.for_ms / 1000, partial(setattr, link, "silent", False))
            case "drop":
                link.cut()
            case "close":
                link.close(fault.code, fault.reason)
            case "malformed":
                link.say(fault.text)
            case "flood":
                flooding = asyncio.create_task(_flood(link, fault))
                self._busy.add(flooding)
                flooding.add_done_callback(self._busy.discard)

    def _tick_on(self) -> None:
        if self._ticking is None or self._ticking.done():
            self._ticking = asyncio.create_task(self._tick())

    async def _tick(self) -> None:
        while self.links:
            for link in tuple(self.links):
                if link.session is not None and not link.silent:
                    link.session.tick(self.now())
            await asyncio.sleep(TICK_S)


async def _flood(link: Link, fault: StreamFault) -> None:
    text = _text(fault.content)
    batch = max(1, fault.per_s // 100)
    for begun in range(0, fault.times, batch):
        for _ in range(min(batch, fault.times - begun)):
            link.say(text)
        await asyncio.sleep(batch / fault.per_s)
