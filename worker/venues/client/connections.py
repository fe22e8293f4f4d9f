"""What all accounts of a process share on their way to the venues: one HTTP session, one TLS context, the limits."""

import asyncio
import copy
import logging
import ssl
from collections.abc import Mapping
from types import SimpleNamespace, TracebackType
from typing import Any, Protocol, Self

import aiohttp
import certifi
import yarl

from schemas.control import Network
from worker.venues.client.hosts import Route
from worker.venues.client.latency import Latency
from worker.venues.client.observer import RequestObserver
from worker.venues.limits import Limits

MIB = 2**20

LARGEST_ANSWER = 4 * MIB
"""Bytes of an answer, unpacked. The largest that an account is given are Binance's brackets of all symbols, of 1 MB."""

LARGEST_LISTING = 16 * MIB
"""The same of a list of markets. The largest is Binance's exchangeInfo, of 2 MB; new markets come slowly."""

NO_LIMIT = aiohttp.ClientTimeout(total=None)
"""Whoever sends a request limits its time; aiohttp's own limits would cost as much again."""

MOST_HEADERS, LONGEST_HEADER = 128, 8_190
"""Headers of an answer, and bytes of one of them or of the line above them. aiohttp's own figures, which may change."""

Request = Mapping[str, Any]
"""A request as ccxt signs it: its `method`, `url`, `headers` and `body`."""


class InFlightRequest(Protocol):
    """Learns that a request leaves."""

    sent: bool


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
            trace_configs=[_watch()],
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
        async with self.session.request(
            request["method"],
            yarl.URL(url, encoded=True),  # as it was signed
            data=body.encode() if (body := request["body"]) else None,
            headers=headers,
            allow_redirects=False,
            timeout=NO_LIMIT,
            trace_request_ctx=way,
        ) as answer:
            return answer.status, answer.headers, await read_bounded(answer, largest)

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
    return watch


async def _leaves(
    session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
) -> None:
    """Runs just before the first byte is written."""
    if (way := context.trace_request_ctx) is not None:
        way.sent = True
