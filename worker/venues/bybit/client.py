"""Signed calls to Bybit: ccxt's bybit, with our reading of its answers."""

import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from ccxt.async_support.bybit import bybit

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.bybit.errors import judge
from worker.venues.bybit.instruments import all_contracts
from worker.venues.bybit.limits import LIMITS
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import SigningExchange, public_exchange
from worker.venues.client.transport import Transport
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row

OPTIONS = {"defaultType": "swap", "maxRetriesOnFailure": 0}
"""No second sending: ccxt would repeat a POST too."""

TIME = "publicGetV5MarketTime"


class BybitExchange(SigningExchange, bybit):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's bybit whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS

    @staticmethod
    def rawencode(params: Mapping[str, Any], sort: bool = False) -> str:
        """A query as it is signed and sent. Ids need not be ASCII (币安人生USDT): what is not is percent-encoded.

        All else stays as ccxt leaves it: a cursor comes percent-encoded from Bybit, and goes back as it came.
        """
        return quote(bybit.rawencode(params, sort), safe=string.printable)


class BybitTransport(Transport):
    """Calls for one Bybit account."""

    async def server_time(self, name: str) -> Milliseconds:
        """Bybit's clock; it has one for all endpoints."""
        return shape.milliseconds(shape.mapping(await self._send(TIME, None), TIME), "time")

    async def markets(self, timeout_ms: Milliseconds) -> list[Row]:
        """Every contract that Bybit tells of, of whatever status. Meant for a transport without keys."""
        return await all_contracts(self, timeout_ms)


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> BybitTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(BybitExchange, OPTIONS, connections, base_url, network)
    if base_url:
        exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], base_url.rstrip("/"))
    return BybitTransport(exchange, timeout_ms)
