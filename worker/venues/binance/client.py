"""Signed calls to Binance: ccxt's binance, with our reading of its answers."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

from ccxt.async_support.binance import binance

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.binance.endpoints import spoken
from worker.venues.binance.errors import judge
from worker.venues.binance.limits import LIMITS
from worker.venues.client.connections import LARGEST_LISTING, Request, VenueConnections
from worker.venues.client.endpoint import endpoint_of
from worker.venues.client.masking import HIDDEN
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import ClockSkewed, Refused, Throttled, VenueError
from worker.venues.port.response import VenueResponse, json_of
from worker.venues.reading.preflight import attempted

LISTINGS: Mapping[str, str] = MappingProxyType(
    {"linear": "fapiPublicGetExchangeInfo", "inverse": "dapiPublicGetExchangeInfo"}
)
"""Where each family lists its contracts."""

OPTIONS = {
    "defaultType": "swap",
    "maxRetriesOnFailure": 0,
}
"""No second sending: ccxt would repeat a POST too."""

_KEY_LIKE = re.compile(r"[A-Za-z0-9]{40,}")


class BinanceExchange(SigningExchange, binance):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's binance whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS

    def raise_for(self, answer: VenueResponse, request: Request, *, changes: bool = False) -> None:
        """Raise what an answer means, without a listen key where it is one to a request for it."""
        told = _keyless(answer) if answer.path.endswith("/listenKey") else answer
        super().raise_for(told, request, changes=changes)


class Listings(NamedTuple):
    """Rows of exchangeInfo by family, and why that of a family is refused."""

    rows: Mapping[str, Sequence[Row]]
    refused: Mapping[str, VenueError]


class BinanceTransport(Transport):
    """Calls for one Binance account."""

    async def listings(self, timeout_ms: Milliseconds) -> Listings:
        """The contracts of each family, whatever their status. Meant for a transport without keys.

        Raises VenueError where one can't be read now, or both are refused. One that is refused alone, as where the law
        bars it, leaves the other.
        """
        answers = await asyncio.gather(*(attempted(self._listing(name, timeout_ms)) for name in LISTINGS.values()))
        found = dict(zip(LISTINGS, answers, strict=True))
        refused = {family: error for family, error in found.items() if isinstance(error, VenueError)}
        passing = (error for error in refused.values() if not _lasts(error))
        if error := next(passing, next(iter(refused.values())) if len(refused) == len(found) else None):
            raise error
        return Listings({name: rows for name, rows in found.items() if not isinstance(rows, VenueError)}, refused)

    async def _listing(self, name: str, timeout_ms: Milliseconds) -> list[Row]:
        endpoint = endpoint_of(BinanceExchange, name)
        body = shape.mapping(await self._request(endpoint, {}, timeout_ms, LARGEST_LISTING), spoken(name))
        with shape.ReadFrom(spoken(name)):
            return shape.rows(body.get("symbols"), "symbols")

    async def server_time(self, name: str) -> Milliseconds:
        """The clock of the family that the call belongs to. papi has none of its own; fapi's is the same."""
        ask = "dapiPublicGetTime" if name.startswith("dapi") else "fapiPublicGetTime"
        return shape.milliseconds(shape.mapping(await self._send(ask, None), ask), "serverTime")


def _keyless(answer: VenueResponse) -> VenueResponse:
    """An answer, as it may be told of, without anything that may be a listen key: what refuses it may repeat it."""
    text = _KEY_LIKE.sub(HIDDEN, answer.text)
    return replace(answer, text=text, body=json_of(text))


def _lasts(error: VenueError) -> bool:
    """Whether asking again would be of no use for now."""
    return isinstance(error, Refused) and not isinstance(error, Throttled | ClockSkewed)


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> BinanceTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(BinanceExchange, OPTIONS, connections, base_url, network)
    if base_url:
        exchange.urls["api"] = rebase(exchange.urls["api"], base_url)
    return BinanceTransport(exchange, timeout_ms)
