"""Signed calls to Newvenue: endpoints and signatures as ccxt has them, answers as our table reads them.

Where ccxt knows the venue, `NewvenueExchange` derives from its class (`ccxt.async_support.kraken`, say) and
`NewvenueApi` goes: ccxt names the endpoints and signs, we send. The template has no such class to derive from, so that
it spells out what ccxt's have: the table of endpoints, and `sign`.

Read: the page about authentication. Compare what ccxt signs with what the official SDK sends, byte by byte, and hold
the differences in a contract test (as `tests/contract/test_okx_traps.py`): the order of parameters, what is
percent-encoded, empty bodies, the unit of the time.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from ccxt.async_support.base.exchange import Exchange
from ccxt.base.types import Entry

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.newvenue.errors import judge
from worker.venues.newvenue.hosts import HOSTS
from worker.venues.newvenue.limits import LIMITS
from worker.venues.parsing import fields as shape

OPTIONS = {"maxRetriesOnFailure": 0}
"""No second sending: ccxt would repeat a POST too."""

VERSION = "/v1"


class NewvenueApi(Exchange):  # type: ignore[misc]  # ccxt's classes are untyped
    """What ccxt's class of a venue has: its endpoints by name, and how a request to one is signed."""

    publicGetTime = Entry("time", "public", "GET", {})  # noqa: N815 - ccxt's names
    publicGetInstruments = Entry("instruments", "public", "GET", {})  # noqa: N815
    privateGetKey = Entry("key", "private", "GET", {})  # noqa: N815
    privateGetPositions = Entry("positions", "private", "GET", {})  # noqa: N815
    privateGetRecords = Entry("records", "private", "GET", {})  # noqa: N815
    privateGetSettings = Entry("settings", "private", "GET", {})  # noqa: N815
    privatePostLeverage = Entry("leverage", "private", "POST", {})  # noqa: N815

    def describe(self) -> Any:
        """The venue's name, which is ours for it too, and its hosts."""
        host = HOSTS["global"].rest
        about = {"id": "newvenue", "urls": {"api": {"public": host, "private": host}}}
        return self.deep_extend(super().describe(), about)

    def sign(self, path: str, api: Any = "public", method: str = "GET", params: Any = None) -> dict[str, Any]:
        """A request as it is sent: time, method, path with query, and body are signed with HMAC-SHA256."""
        query = self.urlencode(params) if method == "GET" and params else ""
        body = self.json(params) if method == "POST" else None
        target = f"{VERSION}/{path}?{query}" if query else f"{VERSION}/{path}"
        headers = {"Content-Type": "application/json"} if body else {}
        if api == "private":
            headers |= self._signature(method + target + (body or ""))
        return {"url": self.urls["api"][api] + target, "method": method, "body": body, "headers": headers}

    def _signature(self, request: str) -> Mapping[str, str]:
        # The transport measures how far our clock is ahead when the venue refuses a time, and leaves it in the options.
        time = str(self.milliseconds() - int(self.options.get("timeDifference", 0)))
        signature = self.hmac(self.encode(time + request), self.encode(self.secret), hashlib.sha256)
        return {"X-Newvenue-Key": self.apiKey, "X-Newvenue-Time": time, "X-Newvenue-Sign": signature}


class NewvenueExchange(SigningExchange, NewvenueApi):
    """The same, whose answers are judged by our table."""

    judge = staticmethod(judge)
    metered = LIMITS


class NewvenueTransport(Transport):
    """Calls for one Newvenue account. A venue with other credentials than key and secret overrides `for_account`."""

    async def server_time(self, name: str) -> Milliseconds:
        """The venue's clock; it has but one, whatever is to be called after."""
        return shape.milliseconds(shape.mapping(await self._send("publicGetTime", None), "GET /v1/time"), "time")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> NewvenueTransport:
    """A transport for public calls, from which those of the accounts are made."""
    exchange = public_exchange(NewvenueExchange, OPTIONS, connections, base_url, network)
    if base_url:
        exchange.urls["api"] = rebase(exchange.urls["api"], base_url)
    return NewvenueTransport(exchange, timeout_ms)
