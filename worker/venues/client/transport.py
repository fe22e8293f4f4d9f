"""One request to a venue after the other: let go, signed, sent, and its answer judged.

```
call    ─▶ limiter's permit ───────────────────────────────────┐
change  ─▶ limiter's permit ─▶ the door: time left? recorded? ─┴▶ signed by ccxt ─▶ sent ─▶ limits heard ─▶ judged
```

A failure before the first byte is written is NotSent. Any failure after it, an answer that is no JSON object or list,
and a time limit that runs out are Ambiguous. No message carries a URL, for a signed one holds the signature.
"""

import asyncio
import copy
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any, Protocol, Self

import aiohttp
import ccxt

from schemas.base import Milliseconds
from worker.accounts.account import Account
from worker.runtime import clock
from worker.telemetry import tracing
from worker.venues.client.connections import LARGEST_ANSWER, LARGEST_LISTING, Request
from worker.venues.client.endpoint import Endpoint, endpoint_of, implicit_name
from worker.venues.client.masking import SecretMask
from worker.venues.client.observer import Latency
from worker.venues.client.signing import as_key, without_query
from worker.venues.limits.limiter import Permit
from worker.venues.limits.tables import Cost, User, cost_of_all, user_by_id
from worker.venues.port import errors
from worker.venues.port.adapter import ChangeCost
from worker.venues.port.door import Door, Unguarded

_LEAKS = (ccxt.BaseError, aiohttp.ClientError, OSError, TypeError, ValueError, LookupError, RuntimeError)
"""What comes out of ccxt and aiohttp when a request can't be made or its answer can't be read."""

_NO_SPAN: AbstractContextManager[tracing.Span | None] = nullcontext()

CREDENTIALS: Mapping[str, str] = MappingProxyType({"apiKey": "api_key", "secret": "secret", "password": "passphrase"})
"""ccxt's names for what the registry holds. A venue with other credentials overrides `for_account`."""


@dataclass(frozen=True, slots=True)
class Skew:
    """How far our clock is ahead of a venue's, in ms, negative when behind; `uncertainty` is half of the round trip."""

    ahead: Milliseconds
    uncertainty: Milliseconds


class Calls(Protocol):
    """What an adapter needs of a transport."""

    def now(self) -> Milliseconds:
        """The venue's time, UTC milliseconds."""

    async def call(self, name: str, params: dict[str, Any] | None = None) -> Any:
        """The JSON that a call answers which changes nothing. Raises what `worker.venues.port.errors` draws."""


class ChangingCalls(Calls, Protocol):
    """What an adapter needs of a transport to change something."""

    async def change(self, door: Door, name: str, params: dict[str, Any] | None = None) -> Any:
        """The JSON that a call answers which changes something. Raises what the door raises, and what `call` does."""


class ClockedCalls(Calls, Protocol):
    """What a preflight needs of a transport."""

    async def skew(self, name: str) -> Skew:
        """Our clock against the venue's, asked where the call of this name goes to. Raises VenueError."""


class MeteredCalls(ChangingCalls, Protocol):
    """What an adapter needs whose calls are so heavy that they are waited for before anything else is."""

    def room(self, name: str, params: dict[str, Any] | None = None) -> AbstractAsyncContextManager[None]:
        """Wait until the venue's limits have room for a call, and keep it for this task. Raises LimitReached."""


class AccountCalls(ClockedCalls, MeteredCalls, Protocol):
    """All that a transport can do for an account."""

    def cost_of(self, change: str, *reads: str) -> ChangeCost:
        """What a change takes with the reads that confirm it, and with those before it, by ccxt's names for them."""


class Transport(ABC):
    """Signed calls for one account, or unsigned ones for none, each within its time limit."""

    def __init__(self, exchange: Any, timeout_ms: Milliseconds) -> None:
        self._exchange = exchange
        self._kind: Any = type(exchange)
        self._timeout_ms = timeout_ms
        self._measuring: dict[str, asyncio.Task[Skew]] = {}
        self.latency: Latency = exchange.connections.latency(exchange.id, exchange.base_url, exchange.network)

    def for_account(self, account: Account) -> Self:
        """A transport with keys. It shares all that ccxt holds but the keys and what belongs to them.

        A copy costs microseconds and a few kB where a new ccxt instance costs 5 ms and 244 kB.
        """
        twin = copy.copy(self._exchange)
        twin.options = dict(self._exchange.options)
        for attribute, credential in CREDENTIALS.items():
            setattr(twin, attribute, account.reveal(credential))
        twin.mask = SecretMask(*map(account.reveal, CREDENTIALS.values()))
        key = account.reveal("api_key")
        twin.user = user_by_id(account.id, account.user_id) if account.user_id else User(account.id, key)
        return self._beside(twin)

    def _beside(self, exchange: Any) -> Self:
        """A transport for another account of the venue. Both share the asking for the venue's time."""
        beside = type(self)(exchange, self._timeout_ms)
        beside._measuring = self._measuring
        return beside

    def now(self) -> Milliseconds:
        """The venue's time, UTC milliseconds, as far as it is known."""
        return clock.now() - int(self._exchange.options.get("timeDifference", 0))

    async def call(
        self, name: str, params: dict[str, Any] | None = None, timeout_ms: Milliseconds | None = None
    ) -> Any:
        """The JSON that an endpoint which changes nothing, by ccxt's name, answers; always an object or a list.

        A refused timestamp was not processed, so the clock is set and the request sent once more.
        Raises what `worker.venues.port.errors` draws.
        """
        try:
            return await self._send(name, params, timeout_ms)
        except errors.ClockSkewed as refusal:
            await self._set_clock(name, refusal)
        return await self._send(name, params, timeout_ms)

    async def change(
        self, door: Door, name: str, params: dict[str, Any] | None = None, timeout_ms: Milliseconds | None = None
    ) -> Any:
        """The JSON that an endpoint which changes something answers. Each sending passes the door.

        Raises what the door raises, and what `call` does.
        """
        exchange, endpoint, asked = self._exchange, endpoint_of(self._kind, name), dict(params or {})
        cost = exchange.metered.cost(name, asked)
        request = VenueRequest(endpoint, asked, cost, timeout_ms or self._timeout_ms)
        if not cost.changes:
            raise Unguarded(f"{name} changes nothing by its table of limits; it was not sent through a door")
        refused: errors.ClockSkewed | None = None
        while True:
            try:
                limiter = exchange.connections.limits.of(exchange)
                permitted = limiter.permit(cost, exchange.user, request.limit, door.hold)
                async with permitted as permit, door.sending(self.latency.usual(name)):
                    return await self._answer(request, permit)
            except errors.ClockSkewed as refusal:
                if refused is not None:
                    raise
                refused = refusal
            await self._set_clock(name, refused)

    @asynccontextmanager
    async def room(self, name: str, params: dict[str, Any] | None = None) -> AsyncIterator[None]:
        """Wait until the venue's limits have room for a call, and keep it for this task. Raises LimitReached."""
        exchange = self._exchange
        cost = exchange.metered.cost(name, params or {})
        async with exchange.connections.limits.of(exchange).room(cost, exchange.user, self._timeout_ms):
            yield

    def cost_of(self, change: str, *reads: str) -> ChangeCost:
        """What a change takes with the reads that confirm it, and with those before it, by ccxt's names for them."""
        exchange = self._exchange
        costs: Mapping[str, Cost] = exchange.metered.costs
        asked = [costs[name] for name in (*reads, change, *costs[change].confirmed_by)]
        return cost_of_all(asked, exchange.connections.limits.of(exchange).room_in(asked, exchange.user))

    async def markets(self, timeout_ms: Milliseconds) -> list[dict[str, Any]]:
        """ccxt's markets, asked for anew. Meant for a transport without keys."""
        loader = copy.copy(self._exchange)
        loader.request = partial(self._asked_by_ccxt, timeout_ms)
        try:
            return await self._listed(loader)
        except _LEAKS as error:
            problem = type(error).__name__
        raise errors.Ambiguous(f"the list of markets of {self._exchange.id} can't be read ({problem})")

    async def _listed(self, loader: Any) -> list[dict[str, Any]]:
        markets: list[dict[str, Any]] = await loader.fetch_markets()
        return markets

    async def _asked_by_ccxt(  # noqa: PLR0917 - ccxt's signature
        self, limit: Milliseconds, path: str, api: Any, method: str, params: Any, config: Any = None
    ) -> Any:
        endpoint = Endpoint(implicit_name(path, as_key(api), method), path, api, method)
        return await self._request(endpoint, dict(params or {}), limit, LARGEST_LISTING)

    @abstractmethod
    async def server_time(self, name: str) -> Milliseconds:
        """The venue's clock now, asked where the call of this name goes to."""

    async def skew(self, name: str) -> Skew:
        """Our clock against the venue's. Whoever asks while it is being asked gets the same answer. Raises VenueError.

        Venues take few such questions: OKX ten in two seconds from an address.
        """
        if name not in self._measuring:
            measuring = self._measuring[name] = asyncio.create_task(self._measure(name))
            measuring.add_done_callback(lambda _: self._measuring.pop(name))
        return await asyncio.shield(self._measuring[name])

    async def _measure(self, name: str) -> Skew:
        """Half of the time the question takes is the way there."""
        asked = clock.now()
        theirs = await self.server_time(name)
        answered = clock.now()
        return Skew((asked + answered) // 2 - theirs, (answered - asked + 1) // 2)

    async def _set_clock(self, name: str, refusal: errors.ClockSkewed) -> None:
        try:
            skew = await self._measure(name)
        except errors.VenueError:
            # not being able to ask the time makes the refusal no less definitive
            raise refusal from None
        self._exchange.options["timeDifference"] = skew.ahead

    async def _send(self, name: str, params: dict[str, Any] | None, timeout_ms: Milliseconds | None = None) -> Any:
        return await self._request(endpoint_of(self._kind, name), params or {}, timeout_ms or self._timeout_ms)

    async def _request(
        self, endpoint: Endpoint, params: dict[str, Any], limit: Milliseconds, largest: int = LARGEST_ANSWER
    ) -> Any:
        exchange = self._exchange
        cost = exchange.metered.cost(endpoint.name, params)
        request = VenueRequest(endpoint, dict(params), cost, limit, largest)
        if cost.changes:
            raise Unguarded(f"{endpoint.name} changes something, and nobody guards its sending; it was not sent")
        async with exchange.connections.limits.of(exchange).permit(cost, exchange.user, limit) as permit:
            return await self._answer(request, permit)

    async def _answer(self, request: "VenueRequest", permit: Permit) -> Any:
        """Sign it, send it, and return the JSON of its answer. Raises what `worker.venues.port.errors` draws.

        Its time limit begins to run only here, where there is room for it.
        """
        exchange, name, began = self._exchange, request.endpoint.name, time.monotonic()
        signed: Request = {}
        try:
            async with asyncio.timeout(request.limit / 1000):
                signed = exchange.signed(request.endpoint, request.params)
                span = _span_of(exchange.id, signed) if tracing.recorded else _NO_SPAN
                with exchange.connections.hearing.request(exchange.id), span as recorded:
                    sent = await exchange.connections.send(signed, permit, request.largest)
                    answer = exchange.answered(signed, *sent)
                    if recorded is not None:
                        recorded.tell({"http.response.status_code": answer.status})
                    permit.limiter.answered(permit, answer)
                    exchange.raise_for(answer, signed, changes=request.cost.changes)
        except _LEAKS as error:
            failure = self._failure(error, request.limit, signed if permit.sent else None)
        else:
            if permit.user is not None:
                self.latency.observe(name, (time.monotonic() - began) * 1000)
                user_of = exchange.metered.user_of
                if user_of is not None and (user_id := user_of(name, answer.body)):
                    permit.limiter.learn_user(permit.user, user_id)
            return answer.body
        raise failure  # out of the handler: the original may carry the signed URL

    def _failure(self, error: Exception, limit: Milliseconds, sent: Request | None) -> errors.VenueError:
        """What it means that what was sent, if anything was, did not come back with an answer that can be read."""
        cause, venue = type(error).__name__, self._exchange.id
        if sent is None:
            return errors.NotSent(f"no connection to {venue} ({cause}); nothing was sent")
        if isinstance(error, TimeoutError):
            return errors.Ambiguous(f"no answer from {venue} within {limit} ms")
        asked = f"{sent['method']} {without_query(sent['url']).path}"
        return errors.Ambiguous(f"the answer of {venue} to {asked} did not arrive whole ({cause})")


@dataclass(frozen=True, slots=True)
class VenueRequest:
    """A request to be let go: what it asks of which endpoint, its cost, and within what limits of time and size."""

    endpoint: Endpoint
    params: dict[str, Any]
    cost: Cost
    limit: Milliseconds
    largest: int = LARGEST_ANSWER


def _span_of(venue: str, request: Request) -> AbstractContextManager[tracing.Span]:
    """The span of one request. Of its URL only host and path are told, for a query may be signed."""
    return tracing.span(f"{request['method']} {venue}", tracing.Kind.CLIENT, _told_of(venue, request))


def _told_of(venue: str, request: Request) -> tracing.Attributes:
    parts = without_query(request["url"])
    return {
        "http.request.method": request["method"],
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        "url.path": parts.path,
        "perps_dma.venue": venue,
    }
