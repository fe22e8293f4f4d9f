"""`/events`: the stream of events as Server-Sent Events, one reader of the stream for each client.

    Last-Event-ID, from ─▶ place in the stream ─▶ what the token may see, and the client asked for ─▶ id, event, data

A client that does not read is cut by the HTTP protocol (`worker.shim.http.protocol`) as with any answer. It comes back
with the id of the last event it has, and misses none.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import orjson
from aio_pika.abc import AbstractIncomingMessage
from pydantic import ValidationError
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from schemas import HTTP_PREFIXES, ErrorCode, failure
from schemas.base import Milliseconds
from schemas.client.stream import Offset, followed, offset_of, place_of
from schemas.client.trouble import CONNECTION_TROUBLE
from schemas.documents.definitions import EVENTS
from schemas.events.following import EVENTS_PATH, FollowEvents
from schemas.operations import OPERATIONS, OVERSEERS
from schemas.problems import invalid_request, problems_of, unknown_account
from worker.bus.rpc import BusError
from worker.runtime.clock import now
from worker.shim.auth.access import AccessControl, require_known
from worker.shim.auth.claims import Actor
from worker.shim.kit.caller import Caller
from worker.shim.kit.envelope import HttpRefusal
from worker.shim.kit.trace import trace_headers
from worker.shim.routes.parsing import query_of
from worker.telemetry.metrics import EVENT_READERS

PING_S = 15
"""How often a comment is sent, so that a proxy does not take a quiet stream for a dead one."""

ANSWER_MS: Milliseconds = 2_000
"""How long a worker may take to say which accounts there are."""

OF_ALL = frozenset({"venue", "epoch"})
"""Events that are about no account, and that everybody may see who may read anything."""

OF_OVERSIGHT = frozenset({"freeze", "dead-letters", "denial"})
"""Those that only they may see who may read the like of all accounts."""

NAMES = {model.model_fields["type"].default: name for name, model in EVENTS.items()}
"""The short name of each event, by its type."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the stream a client is told."""

    types: frozenset[str]
    account: str | None
    outcome: str | None
    actor: Actor

    def event(self, message: AbstractIncomingMessage) -> ServerSentEvent | None:
        """An event as it is told to the client; None where it is not."""
        name, key = NAMES.get(message.type or ""), message.routing_key or ""
        if name is None or (self.types and name not in self.types) or not self._may_see(name, key):
            return None
        if self.account is not None and (name in OF_ALL | OF_OVERSIGHT or _account(key) != self.account):
            return None
        if self.outcome is not None and (name != "result" or _outcome(message.body) != self.outcome):
            return None
        return ServerSentEvent(data=message.body.decode(), id=str(place_of(message)), event=name)

    def _may_see(self, name: str, key: str) -> bool:
        if name in OF_ALL:
            return True
        if name in OF_OVERSIGHT:
            return self.actor.accounts is None and bool(self.actor.roles & OVERSEERS)
        return self.actor.may_name(_account(key))


def _account(key: str) -> str:
    """The account of an event, which ends its routing key."""
    return key.rpartition(".")[2]


def _outcome(body: bytes) -> object:
    return orjson.loads(body)["data"].get("outcome")


class Readers:
    """How many follow the events now: so many at once, and so many of one subject."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._of_subject: Counter[str] = Counter()

    def require_room(self, actor: Actor) -> None:
        """Raise HttpRefusal where there are too many."""
        share = max(2, self._most // 6)
        if self._of_subject.total() >= self._most or self._of_subject[actor.bucket] >= share:
            message = f"too many follow the events: {self._most} may at once, {share} of one subject"
            raise HttpRefusal(failure(ErrorCode.OVERLOADED, message), {"Retry-After": "5"})

    @contextmanager
    def one_more(self, actor: Actor) -> Iterator[None]:
        """Count a reader while the context lasts."""
        self._of_subject[actor.bucket] += 1
        EVENT_READERS.inc()
        try:
            yield
        finally:
            EVENT_READERS.dec()
            self._of_subject[actor.bucket] -= 1
            self._of_subject += Counter()  # forgets those that have none


class EventsEndpoint:
    """Answers `/events`."""

    def __init__(self, caller: Caller, gate: AccessControl, url: str, readers: Readers) -> None:
        self._caller = caller
        self._gate = gate
        self._url = url
        self._readers = readers

    async def follow(self, request: Request) -> Response:
        """Follow the events, from where the client says."""
        try:
            actor = await self._gate.admit(request)
            asked = _understood(request)
            if asked.account is not None:
                require_known(actor, asked.account)
                await self._require_served(asked.account)
            start = _start(asked, request.headers)
            wanted = Wanted(_types(asked), asked.account, asked.outcome and str(asked.outcome), actor)
            self._readers.require_room(actor)
            return EventSourceResponse(
                self._told(wanted, start),
                headers={**trace_headers(request.scope), "X-Accel-Buffering": "no"},
                ping=PING_S,
                sep="\n",
            )
        except HttpRefusal as refusal:
            return self._gate.refused(refusal, request, "follow_events")

    async def _require_served(self, account: str) -> None:
        """Raise HttpRefusal for an account that a worker does not know. Where none answers nothing is known of it."""
        row = OPERATIONS["get_accounts"]
        try:
            answer = await self._caller.call(
                row, b"{}", command_id=str(uuid4()), deadline=now() + ANSWER_MS, actor=None
            )
        except BusError:
            return
        served = orjson.loads(answer.body).get("data", {}).get("accounts")
        if served is not None and account not in {row["exchange_account_id"] for row in served}:
            raise HttpRefusal(unknown_account(account))

    async def _told(self, wanted: Wanted, start: Offset) -> AsyncIterator[ServerSentEvent]:
        """What of the stream is for the client. It ends where the broker goes: the client comes back, and goes on."""
        with self._readers.one_more(wanted.actor), suppress(*CONNECTION_TROUBLE):
            reading = followed(self._url, start, name="perps-dma shim (events)", comes_back=False)
            async with aclosing(reading) as messages:
                async for message in messages:
                    if _is_old(message, start) or (event := wanted.event(message)) is None:
                        continue
                    yield event


def _understood(request: Request) -> FollowEvents:
    try:
        return FollowEvents.model_validate_strings(query_of(request))
    except ValidationError as error:
        raise HttpRefusal(invalid_request(problems_of(error))) from None


def _types(asked: FollowEvents) -> frozenset[str]:
    """The names that are asked for; empty for all. Raises HttpRefusal for one that there is not."""
    names = frozenset(asked.types.split(",")) if asked.types else frozenset()
    if unknown := sorted(names - EVENTS.keys()):
        problem = f"there is no event {', '.join(unknown)}; there are {', '.join(EVENTS)}"
        raise HttpRefusal(invalid_request([{"field": "types", "problem": problem}]))
    return names


def _start(asked: FollowEvents, headers: Mapping[str, str]) -> Offset:
    """Where to begin; behind the last event that the client has, where it says so. Raises HttpRefusal."""
    last = headers.get("last-event-id", "")
    if last.isascii() and last.isdigit() and len(last) < 19:
        return int(last) + 1
    try:
        return offset_of(asked.start or "next", datetime.now(UTC))
    except ValueError:
        problem = "takes first, last, next, a place in the stream, a UTC time, or an age like 15m"
        raise HttpRefusal(invalid_request([{"field": "from", "problem": problem}])) from None


def _is_old(message: AbstractIncomingMessage, start: Offset) -> bool:
    """A time names a chunk of the stream, which may begin earlier."""
    if not isinstance(start, datetime):
        return False
    return message.timestamp is not None and message.timestamp.replace(tzinfo=UTC) < start.replace(microsecond=0)


def event_routes(caller: Caller, gate: AccessControl, url: str, readers: Readers) -> list[Route]:
    """The events under both prefixes."""
    endpoint = EventsEndpoint(caller, gate, url, readers)
    return [Route(prefix + EVENTS_PATH, endpoint.follow, methods=["GET"]) for prefix in HTTP_PREFIXES]
