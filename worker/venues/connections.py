"""What all accounts of a process share on their way to the venues: one HTTP session, one TLS context, the limits."""

import asyncio
import copy
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace, TracebackType
from typing import Self

import aiohttp
import certifi

from schemas.base import Milliseconds
from schemas.control import Network
from worker.context import bound
from worker.venues.hearing import Hearing
from worker.venues.latency import Latency
from worker.venues.limits import Limits
from worker.venues.limits.admission import ADMISSION


@dataclass(slots=True)
class Passage:
    """A call on its way: whether any byte of it has left this machine, and how many ms its answer may take.

    The time runs from when there is room for a request: waiting for that is none of the venue's doing.
    """

    limit: Milliseconds
    timer: asyncio.Timeout
    sent: bool = False

    def waits(self) -> None:
        """A request waits for room."""
        self.timer.reschedule(None)

    def departs(self) -> None:
        """A request may go."""
        self.timer.reschedule(asyncio.get_running_loop().time() + self.limit / 1000)


PASSAGE: ContextVar[Passage | None] = ContextVar("passage", default=None)
"""The call that the running task is about to make."""


MIB = 2**20

LARGEST_ANSWER = 4 * MIB
"""Bytes of an answer, unpacked. The largest that an account is given are Binance's brackets of all symbols, of 1 MB."""

LARGEST_LISTING = 16 * MIB
"""The same of a list of markets. The largest is Binance's exchangeInfo, of 2 MB; new markets come slowly."""

_LARGEST: ContextVar[int] = ContextVar("largest", default=LARGEST_ANSWER)

MOST_HEADERS, LONGEST_HEADER = 128, 8_190
"""Headers of an answer, and bytes of one of them or of the line above them. aiohttp's own figures, which may change."""


def listing() -> AbstractContextManager[None]:
    """What is asked in here is a list of markets, and its answer may be as large as one."""
    return bound(_LARGEST, LARGEST_LISTING)


class AnswerTooLarge(aiohttp.ClientPayloadError):
    """The venue's answer is larger than any that it documents. It was not read to its end."""


class BoundedResponse(aiohttp.ClientResponse):
    """An answer of bounded size, of any status. What is packed counts as it is unpacked, piece by piece.

    aiohttp's own `read` unpacks all that has come at once: 400 kB of it may be 400 MB, or have no end.
    """

    async def read(self) -> bytes:
        """The whole answer. Others have their turn between two pieces of it. Raises AnswerTooLarge."""
        if self._body is None:
            try:
                self._body = b"".join([piece async for piece in self._pieces(_LARGEST.get())])
            except BaseException:
                self.close()
                raise
        return self._body

    def get_encoding(self) -> str:
        """Always that of JSON: who may choose among all that Python has, may choose one that takes hours."""
        return "utf-8"

    async def _pieces(self, largest: int) -> AsyncIterator[bytes]:
        left = largest
        async for piece in self.content.iter_any():
            if (left := left - len(piece)) < 0:
                raise AnswerTooLarge(f"more than {largest} bytes")
            yield piece
            if not self.content.at_eof():
                await asyncio.sleep(0)


class Redirected(aiohttp.ClientError):
    """The venue pointed elsewhere. A signed request is never sent on to another address."""


class VenueConnections:
    """The shared session. Made inside a running event loop, and closed once, after the last call.

    A TLS context costs 32 ms and 0.4 MB, so it is made once and not per account.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        # ccxt writes request headers, and with them the API key, to its log at DEBUG
        logging.getLogger("ccxt").setLevel(logging.INFO)
        self.limits = limits or Limits()
        """What the venues meter, kept for all accounts together."""
        self.hearing = Hearing()
        self._latencies: dict[tuple[str, str | None, Network], Latency] = {}
        self.tls = ssl.create_default_context(cafile=certifi.where())
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),  # accounts share the session, but nothing a venue sets in it
            trace_configs=[_watch()],
            response_class=BoundedResponse,
            max_headers=MOST_HEADERS,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        )

    def heard_by(self, hearing: Hearing) -> Self:
        """The same connections for one venue, with somebody who hears how each request to it goes."""
        twin = copy.copy(self)
        twin.hearing = hearing
        return twin

    def latency(self, exchange: str, base_url: str | None, network: Network) -> Latency:
        """How long an exchange at an address usually takes to answer."""
        return self._latencies.setdefault((exchange, base_url, network), Latency())

    async def close(self) -> None:
        """Close every connection."""
        await self.session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _watch() -> aiohttp.TraceConfig:
    watch = aiohttp.TraceConfig()
    watch.on_request_headers_sent.append(_leaves)
    watch.on_request_redirect.append(_redirected)
    return watch


async def _leaves(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Runs just before the first byte is written."""
    for way in (PASSAGE.get(), ADMISSION.get()):
        if way:
            way.sent = True


async def _redirected(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    raise Redirected
