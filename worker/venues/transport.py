"""ccxt as the signed transport: it signs and sends; what an answer means is decided here and by the venue's judge.

A failure before the first byte is written is NotSent. Any failure after it, an answer that is no JSON object or list,
and a time limit that runs out are Ambiguous. No message carries a URL, for a signed one holds the signature.
"""

import asyncio
import copy
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, Self, TypeVar
from urllib.parse import SplitResult, urlsplit

import aiohttp
import ccxt

from schemas.base import Milliseconds
from worker import clock
from worker.accounts import Account
from worker.context import bound
from worker.observation import tracing
from worker.observation.stages import asking
from worker.venues import errors
from worker.venues.answer import Answer, read_json
from worker.venues.connections import PASSAGE, Passage, listing
from worker.venues.limits.admission import ADMISSION
from worker.venues.limits.tables import User
from worker.venues.masking import SecretMask
from worker.venues.metering import MeteredExchange

T = TypeVar("T")

CONSTANT_CONFIG: Mapping[str, Any] = {
    "enableRateLimit": False,
    "enableLastHttpResponse": False,
    "enableLastResponseHeaders": False,
    "enableLastJsonResponse": False,
}
"""Off: ccxt's own spacing of calls, which knows one instance only, and the signed headers it would hold on to."""

_LEAKS = (ccxt.BaseError, aiohttp.ClientError, OSError, TypeError, ValueError, LookupError, RuntimeError)
"""What comes out of ccxt and aiohttp when a request can't be made or its answer can't be read."""

NEVER_REACHED_MS: Milliseconds = 600_000
"""ccxt's own time limit. Ours run out before, for ccxt can't tell a request that left from one that did not."""

_SILENT = logging.Logger("ccxt, which would log signed headers", logging.CRITICAL + 1)

_SIGNATURE = re.compile(r"signature=[^&\s\"'<]+", re.IGNORECASE)

CREDENTIALS: Mapping[str, str] = MappingProxyType({"apiKey": "api_key", "secret": "secret", "password": "passphrase"})
"""ccxt's names for what the registry holds. A venue with other credentials overrides `for_account`."""


Judge = Callable[[Answer], errors.VenueError | None]
"""What an answer means by the venue's own tables; None when they say nothing."""

_BY_CCXT_CLASS: tuple[tuple[type[ccxt.BaseError], type[errors.VenueError]], ...] = (
    (ccxt.AuthenticationError, errors.AccessDenied),
    (ccxt.NoChange, errors.AlreadySo),
    (ccxt.BadSymbol, errors.UnknownSymbol),
    (ccxt.NotSupported, errors.NotSupported),
    (ccxt.OperationRejected, errors.PreconditionFailed),
    (ccxt.InsufficientFunds, errors.PreconditionFailed),
    (ccxt.BadRequest, errors.ValueRefused),
    (ccxt.RateLimitExceeded, errors.Throttled),
    (ccxt.InvalidNonce, errors.ClockSkewed),
    (ccxt.OperationFailed, errors.Ambiguous),
)
"""The last resort, for codes that no table has. Order matters: the narrow classes stand first."""


_SPAN: ContextVar[tracing.Span | None] = ContextVar("span", default=None)
"""The request that the running task has sent."""


@contextmanager
def _observed(venue: str, method: str, url: str) -> Iterator[None]:
    """The time and the span of one request. Of its URL only host and path are told, for a query may be signed."""
    about = _told_of(venue, method, url) if tracing.is_recorded() else tracing.NOTHING
    with asking(), tracing.span(f"{method} {venue}", tracing.Kind.CLIENT, about) as span, bound(_SPAN, span):
        yield


def _told_of(venue: str, method: str, url: str) -> tracing.Attributes:
    parts = _without_query(url)
    return {
        "http.request.method": method,
        "server.address": parts.hostname or "",
        "server.port": parts.port or (443 if parts.scheme == "https" else 80),
        "url.path": parts.path,
        "perps_dma.venue": venue,
    }


def _without_query(url: str) -> SplitResult:
    """The parts of a URL. With its query, each would be a new one, and none be found among those split before."""
    return urlsplit(url.partition("?")[0])


class SignedExchange(MeteredExchange):
    """Mixed in before a ccxt exchange class: our reading of answers in place of ccxt's."""

    apiKey: str  # noqa: N815 - ccxt's name
    secret: str
    password: str
    mask: SecretMask = SecretMask()
    judge: Judge
    on_json_response = staticmethod(read_json)

    logger = _SILENT

    def log(self, *_: object) -> None:
        """Nothing: where ccxt is set to be verbose, it prints signed headers."""

    def __del__(self) -> None:
        """The session is shared and closed by its owner; ccxt would log a warning here."""

    async def fetch(self, url: str, method: str = "GET", *more: Any, **named: Any) -> Any:
        """Send one request and judge its answer, as ccxt does, within hearing of who keeps the venue's health."""
        with self.connections.hearing.request(self.id), _observed(self.id, method, url):
            return await super().fetch(url, method, *more, **named)  # type: ignore[misc]

    def sign(self, *arguments: Any, **named: Any) -> Any:
        """Sign a request. Raises AccessDenied for a key or secret that can't sign anything."""
        try:
            return super().sign(*arguments, **named)  # type: ignore[misc]
        except (ccxt.AuthenticationError, TypeError, ValueError) as error:
            problem = type(error).__name__
        raise errors.AccessDenied(f"the request can't be signed ({problem}); check the account's key and secret")

    def on_rest_response(  # noqa: PLR0917 - ccxt's signature
        self, code: int, reason: str, url: str, method: str, headers: Any, text: str, *_: Any
    ) -> str:
        """The text of an answer, without any secret that it may echo."""
        text = self.mask(text)
        if "=" in text:  # JSON seldom has one, and to look for signatures takes ten times as long as to read it
            text = _SIGNATURE.sub("signature=***", text)
        return text.strip()

    def handle_errors(  # noqa: PLR0917 - ccxt's signature
        self,
        code: int,
        reason: str,
        url: str,
        method: str,
        headers: dict[str, str],
        body: str,
        response: Any,
        *sent: Any,
    ) -> None:
        """Raise what the answer means, if it is no success."""
        answer = Answer(_without_query(url).path, code, headers, body, response)
        if (span := _SPAN.get()) is not None:
            span.tell({"http.response.status_code": code})
        if admission := ADMISSION.get():
            admission.hear(answer)
        if verdict := self.judge(answer):
            raise verdict
        if code >= 400:
            raise self._by_ccxt(answer, reason, url, method, sent)
        if not isinstance(response, dict | list):
            raise errors.Ambiguous(f"{self.id} answered {answer.path} with HTTP {code} and no JSON")

    def handle_http_status_code(self, *_: Any) -> None:
        """Nothing: `handle_errors` has looked at it already."""

    def _by_ccxt(self, answer: Answer, reason: str, url: str, method: str, sent: tuple[Any, ...]) -> errors.VenueError:
        message = f"{self.id} refused {answer.path} with HTTP {answer.status}: {_excerpt(answer)}"
        kind: type[errors.VenueError] = errors.Refused
        try:
            super().handle_errors(  # type: ignore[misc]
                answer.status, reason, url, method, answer.headers, answer.text, answer.body, *sent
            )
        except ccxt.BaseError as error:
            kind = next((ours for theirs, ours in _BY_CCXT_CLASS if isinstance(error, theirs)), errors.Refused)
        return kind(message, raw=answer.body)


def _excerpt(answer: Answer) -> str:
    return answer.text[:200] if answer.body is not None else "no JSON in the answer"


def rebase(urls: Mapping[str, str], base_url: str) -> dict[str, str]:
    """The same API paths on another host, such as a sandbox.

    >>> rebase({"fapiPrivate": "https://fapi.binance.com/fapi/v1"}, "http://127.0.0.1:8081")
    {'fapiPrivate': 'http://127.0.0.1:8081/fapi/v1'}
    """
    return {name: base_url.rstrip("/") + urlsplit(url).path for name, url in urls.items()}


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
        """The JSON that a call answers. Raises what `worker.venues.errors` draws."""


class ClockedCalls(Calls, Protocol):
    """What a preflight needs of a transport."""

    async def skew(self, name: str) -> Skew:
        """Our clock against the venue's, asked where the call of this name goes to. Raises VenueError."""


class MeteredCalls(Calls, Protocol):
    """What an adapter needs whose calls are so heavy that they are waited for before anything else is."""

    def room(self, name: str, params: dict[str, Any] | None = None) -> AbstractAsyncContextManager[None]:
        """Wait until the venue's limits have room for a call, and keep it for this task. Raises LimitReached."""


class AccountCalls(ClockedCalls, MeteredCalls, Protocol):
    """All that a transport can do for an account."""


class Transport(ABC):
    """Signed calls for one account, or unsigned ones for none, each within its time limit."""

    def __init__(self, exchange: Any, timeout_ms: Milliseconds) -> None:
        self._exchange = exchange
        self._timeout_ms = timeout_ms
        self._measuring: dict[str, asyncio.Task[Skew]] = {}
        exchange.timeout = NEVER_REACHED_MS

    def for_account(self, account: Account) -> Self:
        """A transport with keys. It shares all that ccxt holds but the keys and what belongs to them.

        A copy costs microseconds and a few kB where a new ccxt instance costs 5 ms and 244 kB.
        """
        twin = copy.copy(self._exchange)
        twin.options = dict(self._exchange.options)
        for attribute, credential in CREDENTIALS.items():
            setattr(twin, attribute, account.reveal(credential))
        twin.mask = SecretMask(*map(account.reveal, CREDENTIALS.values()))
        twin.user = User(account.id, account.reveal("api_key"))
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
        """The JSON that an implicit ccxt method answers; always an object or a list.

        A refused timestamp was not processed, so the clock is set and the request sent once more.
        Raises what `worker.venues.errors` draws.
        """
        try:
            return await self._send(name, params, timeout_ms)
        except errors.ClockSkewed as refusal:
            await self._set_clock(name, refusal)
        return await self._send(name, params, timeout_ms)

    def room(self, name: str, params: dict[str, Any] | None = None) -> AbstractAsyncContextManager[None]:
        """Wait until the venue's limits have room for a call, and keep it for this task. Raises LimitReached."""
        room: AbstractAsyncContextManager[None] = self._exchange.room(name, params or {}, self._timeout_ms)
        return room

    async def markets(self, timeout_ms: Milliseconds) -> list[dict[str, Any]]:
        """ccxt's markets, asked for anew. Meant for a transport without keys."""
        with listing():
            markets: list[dict[str, Any]] = await self._guarded(
                self._exchange.fetch_markets, "fetch_markets", timeout_ms
            )
        return markets

    @abstractmethod
    async def server_time(self, name: str) -> Milliseconds:
        """The venue's clock now, asked where the call of this name goes to."""

    async def _send(self, name: str, params: dict[str, Any] | None, timeout_ms: Milliseconds | None) -> Any:
        method = getattr(self._exchange, name)
        return await self._guarded(lambda: method(dict(params or {})), name, timeout_ms or self._timeout_ms)

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

    async def _guarded(self, send: Callable[[], Awaitable[T]], name: str, limit: Milliseconds) -> T:
        timer = asyncio.timeout(None)
        passage = Passage(limit, timer)
        try:
            with bound(PASSAGE, passage):
                async with timer:
                    return await send()
        except _LEAKS as error:
            failure = self._failure(error, passage, name, limit)
        raise failure  # out of the handler: the original may carry the signed URL

    def _failure(self, error: Exception, passage: Passage, name: str, limit: Milliseconds) -> errors.VenueError:
        cause = type(error.__cause__ or error).__name__
        venue = self._exchange.id
        if isinstance(error, ccxt.NotSupported):
            return errors.NotSupported(f"{venue} has no {name} here")
        if not passage.sent:
            return errors.NotSent(f"no connection to {venue} ({cause}); nothing was sent")
        if isinstance(error, TimeoutError):
            return errors.Ambiguous(f"no answer from {venue} within {limit} ms")
        return errors.Ambiguous(f"the answer of {venue} to {name} did not arrive whole ({cause})")
