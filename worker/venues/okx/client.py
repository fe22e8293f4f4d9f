"""Signed calls to OKX: ccxt's okx, with our reading of its answers."""

from ccxt.async_support.okx import okx

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.okx.answers import TIME, instant, only_item
from worker.venues.okx.errors import judge
from worker.venues.okx.limits import LIMITS

OPTIONS = {
    "defaultType": "swap",
    "fetchMarkets": {"types": ["swap", "future"]},
    "maxRetriesOnFailure": 0,
}
"""Only swaps and futures, and no second sending: ccxt would repeat a POST too."""


class OkxExchange(SigningExchange, okx):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's okx whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS


class OkxTransport(Transport):
    """Calls for one OKX account."""

    async def server_time(self, name: str) -> Milliseconds:
        """The clock of the venue; it has but one."""
        return instant(only_item(await self._send("publicGetPublicTime", None), TIME), "ts")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> OkxTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(OkxExchange, OPTIONS, connections, base_url, network)
    exchange.has["fetchCurrencies"] = False
    if base_url:
        exchange.urls["api"] = rebase(exchange.urls["api"], base_url)
    return OkxTransport(exchange, timeout_ms)
