"""What happens to a delivery: received, carried out in its account's lane, told to everybody, answered."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import structlog

from schemas.events import Event
from worker.accounts import Account
from worker.clock import Clock
from worker.execution.calls import Expired, VenueCalls
from worker.execution.capabilities import require
from worker.execution.completion import Done, Found
from worker.execution.lanes import Lanes
from worker.execution.receipt import Command, NotAccepted, Receiver
from worker.execution.refusals import Refusal, fault, refusal
from worker.execution.results import reply_to, result_event
from worker.venues.errors import VenueError
from worker.venues.seam import Adapter, Capability
from worker.wire import DeadLetter, Delivery, Reply

T = TypeVar("T", Done, Found)

log = structlog.get_logger(__name__)


class Outbox(Protocol):
    """Where results go."""

    async def event(self, event: Event) -> None:
        """Publish for everybody; returns when the broker has it."""

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        """Answer the sender, if it asked for an answer."""


@dataclass(frozen=True, slots=True)
class QueryHandler:
    """The function behind a query, and what a venue must be capable of for it."""

    run: Callable[[Any, Adapter, VenueCalls], Awaitable[Found]]
    needs: Capability


@asynccontextmanager
async def unprepared(request: Any, adapter: Adapter, calls: VenueCalls) -> AsyncIterator[None]:
    """Nothing has to be waited for."""
    yield


@dataclass(frozen=True, slots=True)
class CommandHandler:
    """The function behind a command. When it `moves_terms` of positions, a snapshot follows.

    What may take long and need not be done in the account's turn is done before it, in `prepare`.
    """

    run: Callable[[Any, Adapter, VenueCalls], Awaitable[Done]]
    needs: Capability
    moves_terms: bool = False
    prepare: Callable[[Any, Adapter, VenueCalls], AbstractAsyncContextManager[None]] = unprepared


class Service:
    """Carries out deliveries. Bootstrap gives it all its parts."""

    def __init__(
        self,
        *,
        receiver: Receiver,
        commands: Mapping[str, CommandHandler],
        queries: Mapping[str, QueryHandler],
        adapter_of: Callable[[Account], Adapter],
        outbox: Outbox,
        take_snapshot: Callable[[Command], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._receiver = receiver
        self._commands = commands
        self._queries = queries
        self._adapter_of = adapter_of
        self._outbox = outbox
        self._take_snapshot = take_snapshot
        self._clock = clock
        self._lanes = Lanes()

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        """Carry out a delivery to its end. Returns a dead letter when nobody could be told.

        Raises only what the outbox raises: then nothing may be acknowledged.
        """
        try:
            command = self._receiver.receive(delivery, self._clock())
        except NotAccepted as error:
            return await self._turn_away(delivery, error)
        with structlog.contextvars.bound_contextvars(command_id=command.id, account=command.account.id):
            if command.operation.is_command:
                await self._carry_out(delivery, command)
                return None
            return await self._answer(delivery, command)

    async def _turn_away(self, delivery: Delivery, error: NotAccepted) -> DeadLetter | None:
        log.info("not accepted", operation=delivery.operation, command_id=delivery.message_id, reason=str(error))
        if delivery.reply_to is None:
            return DeadLetter(str(error))
        await self._outbox.reply(delivery, reply_to(self._receiver.command_id(delivery), refusal(error)))
        return None

    async def _answer(self, delivery: Delivery, command: Command) -> DeadLetter | None:
        if delivery.reply_to is None:
            return DeadLetter(f"{command.operation.name} is a query, and its sender named no reply_to to answer to")
        calls = VenueCalls(command.deadline, self._clock)
        handler = self._queries[command.operation.name]
        ending = await self._run(command, handler.run, handler.needs, calls)
        await self._outbox.reply(delivery, reply_to(command.id, ending))
        return None

    async def _carry_out(self, delivery: Delivery, command: Command) -> None:
        calls = VenueCalls(command.deadline, self._clock)
        handler = self._commands[command.operation.name]

        async def in_turn(request: Any, adapter: Adapter, calls: VenueCalls) -> Done:
            async with handler.prepare(request, adapter, calls), self._lanes.lane(command.account.id):
                return await handler.run(request, adapter, calls)

        ending = await self._run(command, in_turn, handler.needs, calls)
        # The reply need not wait for the event's confirm; the acknowledgement, which comes last, does.
        await self._outbox.reply(delivery, reply_to(command.id, ending))
        event = result_event(command, ending, calls, self._clock())
        await self._outbox.event(event)
        log.info("done", operation=command.operation.name, outcome=event.data.outcome, attempts=calls.attempts)
        if handler.moves_terms and calls.sent is not None:
            await self._take_snapshot(command)

    async def _run(
        self,
        command: Command,
        run: Callable[[Any, Adapter, VenueCalls], Awaitable[T]],
        needs: Capability,
        calls: VenueCalls,
    ) -> T | Refusal:
        try:
            adapter = self._adapter_of(command.account)
            require(adapter, needs, command.account)
            return await run(command.request, adapter, calls)
        except (VenueError, Expired) as error:
            return refusal(error)
        except Exception:  # The message boundary: no fault of a handler may take the worker down.
            log.exception("fault", operation=command.operation.name)
            return fault(command.id, sent=calls.sent is not None)
