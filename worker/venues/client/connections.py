"""What all accounts of a process share on their way to the venues: one HTTP session, one TLS context, the limits."""

import asyncio
import copy
import logging
import ssl
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

import aiohttp
import certifi
import yarl

from schemas.control import Network
from worker.venues.client.hosts import Route
from worker.venues.client.observer import Latency, RequestObserver
from worker.venues.limits import Limits

MIB = 2**20

LARGEST_ANSWER = 4 * MIB
"""Bytes of an answer, unpacked. The largest that an account is given are Binance's brackets of all symbols, of 1 MB."""

LARGEST_LISTING = 16 * MIB
"""The same of a list of markets. The largest is Binance's exchangeInfo, of 2 MB; new markets come slowly."""

LARGEST_FRAME = 4 * MIB
"""Bytes of a frame that a venue pushes. The largest are snapshots of all positions of an account."""

CLOSING = aiohttp.ClientWSTimeout(ws_receive=None, ws_close=1.0)
"""A venue that answers no close frame is waited for no longer than this."""

NO_LIMIT = aiohttp.ClientTimeout(total=None)
"""Whoever sends a request limits its time; aiohttp's own limits would cost as much again."""

MOST_HEADERS, LONGEST_HEADER = 128, 8_190
"""Headers of an answer, and bytes of one of them or of the line above them. aiohttp's own figures, which may change."""

Request = Mapping[str, Any]
"""A request as ccxt signs it: its `method`, `url`, `headers` and `body`."""


class InFlightRequest(Protocol):
    """Learns that a request leaves."""

    sent: bool


_LEAVING: ContextVar[InFlightRequest | None] = ContextVar("leaving", default=None)
"""Who is to learn that the request of the running task leaves."""


class _ToldRequest(aiohttp.ClientRequest):
    """Says when it is about to be written. aiohttp's tracing tells it too, at a sixth of what a request costs."""

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """There is a connection, and the first byte is written next."""
        if (way := _LEAVING.get()) is not None:
            way.sent = True
        return await super().send(conn)


class AnswerTooLarge(aiohttp.ClientPayloadError):
    """The venue's answer is larger than any that it documents. It was not read to its end."""


async def read_bounded(answer: aiohttp.ClientResponse, largest: int) -> bytes:
    """The whole answer, of any status. Others have their turn between two pieces of it. Raises AnswerTooLarge.

    What is packed counts as it is unpacked, piece by piece: aiohttp's own `read` unpacks all that has come at once, and
    400 kB of it may be 400 MB, or have no end.
    """
    pieces, left = [], largest
    async for piece in answer.content.iter_any():
        if (left := left - len(piece)) < 0:
            answer.close()
            raise AnswerTooLarge(f"more than {largest} bytes")
        pieces.append(piece)
        if not answer.content.at_eof():
            await asyncio.sleep(0)
    return b"".join(pieces)


class VenueConnections:
    """The shared session. Made inside a running event loop, and closed once, after the last call.

    A TLS context costs 32 ms and 0.4 MB, so it is made once and not per account.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        # ccxt writes request headers, and with them the API key, to its log at DEBUG
        logging.getLogger("ccxt").setLevel(logging.INFO)
        self.limits = limits or Limits()
        """What the venues meter, kept for all accounts together."""
        self.hearing = RequestObserver()
        self.route: Route | None = None
        self._latencies: dict[tuple[str, str | None, Network], Latency] = {}
        self.tls = ssl.create_default_context(cafile=certifi.where())
        self.session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.tls, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),  # accounts share the session, but nothing a venue sets in it
            request_class=_ToldRequest,
            max_headers=MOST_HEADERS,
            max_line_size=LONGEST_HEADER,
            max_field_size=LONGEST_HEADER,
        )

    def heard_by(self, hearing: RequestObserver, route: Route | None = None) -> Self:
        """The same connections for one venue at one place, with somebody who hears how each request to it goes."""
        twin = copy.copy(self)
        twin.hearing, twin.route = hearing, route
        return twin

    def latency(self, exchange: str, base_url: str | None, network: Network) -> Latency:
        """How long an exchange at an address usually takes to answer."""
        key = (exchange, base_url, network)
        if (found := self._latencies.get(key)) is None:
            found = self._latencies[key] = Latency()
        return found

    async def send(
        self, request: Request, way: InFlightRequest, largest: int = LARGEST_ANSWER
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Send a request, and read its answer: its status, its headers by any case, its body.

        It is never sent on to where a venue points: it may be signed. Raises what aiohttp raises, and AnswerTooLarge.
        """
        url, headers = request["url"], request["headers"]
        if self.route is not None and self.route.meets(url):
            url, headers = self.route.url(url), {**headers, **self.route.headers}
        leaving = _LEAVING.set(way)
        try:
            async with self.session.request(
                request["method"],
                yarl.URL(url, encoded=True),  # as it was signed
                data=body.encode() if (body := request["body"]) else None,
                headers=headers,
                allow_redirects=False,
                timeout=NO_LIMIT,
            ) as answer:
                return answer.status, answer.headers, await read_bounded(answer, largest)
        finally:
            _LEAVING.reset(leaving)

    def socket(self, url: str) -> AbstractAsyncContextManager[aiohttp.ClientWebSocketResponse]:
        """A WebSocket to a venue. Pings are the caller's to answer. Raises what aiohttp raises, with the URL in it."""
        return self.session.ws_connect(
            yarl.URL(url, encoded=True), autoping=False, compress=0, max_msg_size=LARGEST_FRAME, timeout=CLOSING
        )

    async def close(self) -> None:
        """Close every connection."""
        await self.session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
