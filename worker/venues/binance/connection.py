"""Signed calls to Binance: ccxt's binance, with our reading of its answers."""

from ccxt.async_support.binance import binance

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.binance.judge import judge
from worker.venues.binance.limits import LIMITS
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.parsing import fields as shape

OPTIONS = {
    "defaultType": "swap",
    "fetchMarkets": {"types": ["linear", "inverse"]},
    "fetchMargins": False,
    "fetchCurrencies": False,
    "maxRetriesOnFailure": 0,
}
"""Only the futures markets, and no second sending: ccxt would repeat a POST too."""


class BinanceExchange(SigningExchange, binance):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's binance whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS


class BinanceTransport(Transport):
    """Calls for one Binance account."""

    async def server_time(self, name: str) -> Milliseconds:
        """The clock of the family that the call belongs to. papi has none of its own; fapi's is the same."""
        ask = "dapiPublicGetTime" if name.startswith("dapi") else "fapiPublicGetTime"
        return shape.milliseconds(shape.mapping(await self._send(ask, None), ask), "serverTime")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> BinanceTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(BinanceExchange, OPTIONS, connections, base_url, network)
    exchange.has["fetchCurrencies"] = False
    if base_url:
        exchange.urls["api"] = rebase(exchange.urls["api"], base_url)
    return BinanceTransport(exchange, timeout_ms)
