"""Signed calls to Gate: ccxt's gate, with our reading of its answers and a body where Gate wants one."""

import hashlib
import hmac
from typing import Any

from ccxt.async_support.gate import gate
from ccxt.base.types import Entry

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import LARGEST_LISTING, VenueConnections
from worker.venues.client.endpoint import endpoint_of
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.gate.errors import judge
from worker.venues.gate.limits import LIMITS
from worker.venues.parsing import fields as shape

OPTIONS = {"defaultType": "swap", "maxRetriesOnFailure": 0}
"""No second sending: ccxt would repeat a POST too."""

WITH_BODY = "positions/cross_mode"
"""The endpoints that take a JSON body, by the end of their path; ccxt would put it into the query."""


WITH_QUERY = "set_position_mode"
"""The endpoints that take a query though they change something; ccxt would put it into a body."""


class BodySigningGate(gate):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's gate that sends both modes the way they are documented."""

    publicFuturesGetSettleContractsAll = Entry("{settle}/contracts_all", ["public", "futures"], "GET", {"cost": 1})  # noqa: N815 - as ccxt would call it
    """Every contract, those among them that were delisted; ccxt does not know of it."""

    def sign(
        self, path: str, api: list[str], method: str = "GET", params: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Sign a request. Raises ccxt's AuthenticationError without keys."""
        if path.endswith((WITH_BODY, WITH_QUERY)):
            return self._sign_change(path, api[1], method, params or {})
        signed: dict[str, Any] = super().sign(path, api, method, params or {})
        return signed

    def _sign_change(self, path: str, family: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
        self.check_required_credentials()
        where = f"/{family}/{self.implode_params(path, params)}"
        rest = self.omit(params, self.extract_params(path))
        query = self.urlencode(rest) if path.endswith(WITH_QUERY) else ""
        body = "" if query else self.json(rest)
        timestamp = str(int(self.nonce()) // 1000)
        digest = hashlib.sha512(body.encode()).hexdigest()
        signed = "\n".join((method, f"/api/{self.version}{where}", query, digest, timestamp))
        headers = {
            "KEY": self.apiKey,
            "Timestamp": timestamp,
            "SIGN": hmac.new(self.secret.encode(), signed.encode(), hashlib.sha512).hexdigest(),
            "Content-Type": "application/json",
            "X-Gate-Size-Decimal": "1",
        }
        url = self.urls["api"]["private"][family] + where + (f"?{query}" if query else "")
        return {"url": url, "method": method, "body": body or None, "headers": headers}


class GateExchange(SigningExchange, BodySigningGate):
    """ccxt's gate whose answers are judged by our tables."""

    judge = staticmethod(judge)
    metered = LIMITS


class GateTransport(Transport):
    """Calls for one Gate account."""

    async def listing(self, name: str, params: dict[str, Any], timeout_ms: Milliseconds) -> Any:
        """The JSON of a list that is megabytes long. Raises VenueError."""
        kind: Any = type(self._exchange)
        endpoint = endpoint_of(kind, name)
        return await self._request(endpoint, params, timeout_ms, LARGEST_LISTING)

    async def server_time(self, name: str) -> Milliseconds:
        """Gate has one clock for all, though its endpoint is one of the spot market's."""
        ask = "publicSpotGetTime"
        return shape.milliseconds(shape.mapping(await self._send(ask, None), ask), "server_time")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> GateTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(GateExchange, OPTIONS, connections, base_url, network)
    exchange.has["fetchCurrencies"] = False
    if base_url:
        exchange.urls["api"] = {access: rebase(urls, base_url) for access, urls in exchange.urls["api"].items()}
    return GateTransport(exchange, timeout_ms)
