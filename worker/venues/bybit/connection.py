"""Signed calls to Bybit: ccxt's bybit, with our reading of its answers."""

from ccxt.async_support.bybit import bybit

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.bybit.judge import judge
from worker.venues.bybit.limits import LIMITS
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import SigningExchange, public_exchange
from worker.venues.client.transport import Transport
from worker.venues.parsing import fields as shape

OPTIONS = {
    "defaultType": "swap",
    "fetchMarkets": {"types": ["linear", "inverse"]},
    "maxRetriesOnFailure": 0,
}
"""Only the futures markets, and no second sending: ccxt would repeat a POST too."""

TIME = "publicGetV5MarketTime"


class BybitExchange(SigningExchange, bybit):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's bybit whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS


class BybitTransport(Transport):
    """Calls for one Bybit account."""

    async def server_time(self, name: str) -> Milliseconds:
        """Bybit's clock; it has one for all endpoints."""
        return shape.milliseconds(shape.mapping(await self._send(TIME, None), TIME), "time")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> BybitTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(BybitExchange, OPTIONS, connections, base_url, network)
    exchange.has["fetchCurrencies"] = False
    if base_url:
        exchange.urls["api"] = dict.fromkeys(exchange.urls["api"], base_url.rstrip("/"))
    return BybitTransport(exchange, timeout_ms)
