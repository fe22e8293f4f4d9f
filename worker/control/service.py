"""Operations on the service itself: what became of a command, freezes, how this worker fares."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from schemas import Outcome
from schemas.control import (
    CommandState,
    CommandStatus,
    Doubts,
    DoubtState,
    FreezeChanged,
    Freezes,
    FreezeScope,
    FreezeState,
    GetCommand,
    GetDoubts,
    GetFreezes,
    GetStatus,
    Status,
    Unfreeze,
    VenueStatus,
    unknown_command,
)
from schemas.control import Freeze as FreezeRequest
from schemas.events import event_id
from worker.accounts.account import Accounts
from worker.execution.aftermath.freezes import freeze_event
from worker.execution.outbox_relay import OutboxRelay
from worker.execution.requests import RequestRejected, unknown_account
from worker.execution.service import ControlHandler
from worker.handlers.plan import QueryResult
from worker.ledger.commands import Record
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.ledger.unresolved import Doubt
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import Clock

UNDER_WAY_S = 5.0
"""How long a freeze waits for what has left for a venue before it; what is not over then is named in its answer."""

UNDER_WAY_POLL_S = 0.02
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class ControlService:
    """What the controls need."""

    ledger: Ledger
    relay: OutboxRelay
    accounts: Accounts
    venues: Callable[[], tuple[VenueStatus, ...]]
    clock: Clock

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {
            "get_command": self.get_command,
            "get_status": self.get_status,
            "get_doubts": self.get_doubts,
            "get_freezes": self.get_freezes,
            "freeze": self.freeze,
            "unfreeze": self.unfreeze,
        }

    async def get_command(self, request: GetCommand, actor: str | None) -> QueryResult:
        """What became of a command. Raises RequestRejected for one that is not known."""
        record = await self.ledger.commands.find(request.command_id)
        if record is None:
            raise RequestRejected(unknown_command(request.command_id))
        doubt, resolution = await self.ledger.doubts.of_command(request.command_id)
        return QueryResult(_status_of(record, self.ledger.epoch.number, doubt, resolution))

    async def get_status(self, request: GetStatus, actor: str | None) -> QueryResult:
        """How this worker fares; the ledger is really written to."""
        try:
            await self.ledger.probe()
            problem, waiting = self.ledger.patience.problem, await self.ledger.outbox.size()
        except LedgerUnavailable as error:
            problem, waiting = str(error), self.relay.unconfirmed
        venues = self.venues()
        return QueryResult(
            Status(
                worker=self.ledger.owner,
                ready=problem is None and any(venue.markets_loaded for venue in venues),
                ledger_writes=problem is None,
                ledger_problem=problem,
                outbox=waiting,
                venues=venues,
                accounts=len(self.accounts),
                registry_problem=self.accounts.problem,
            )
        )

    async def get_doubts(self, request: GetDoubts, actor: str | None) -> QueryResult:
        """What is in doubt."""
        doubts = tuple(map(_doubt_state, await self.ledger.doubts.all()))
        return QueryResult(Doubts(doubts=doubts, count=len(doubts)))

    async def get_freezes(self, request: GetFreezes, actor: str | None) -> QueryResult:
        """What is frozen."""
        frozen = [
            FreezeState(scope=freeze.scope, reason=freeze.reason, actor=freeze.actor, since=freeze.since)
            for freeze in await self.ledger.freezes.all()
        ]
        return QueryResult(Freezes(freezes=tuple(frozen), count=len(frozen)))

    async def freeze(self, request: FreezeRequest, actor: str | None) -> QueryResult:
        """Freeze a scope; from the answer on nothing more is sent in it.

        It waits for what is on its way to a venue, and names what is still there after `UNDER_WAY_S`.
        """
        self._require_known(request)
        freeze = Freeze(request.scope, request.reason, actor, self.clock())
        changed = await self._change(self.ledger.freezes.freeze, freeze)
        return _frozen(freeze, changed=changed, left=await self._left_under_way(freeze.scope))

    async def unfreeze(self, request: Unfreeze, actor: str | None) -> QueryResult:
        """Lift the freeze of a scope."""
        self._require_known(request)
        freeze = Freeze(request.scope, "", actor, self.clock())
        changed = await self._change(self.ledger.freezes.unfreeze, freeze, frozen=False)
        state = FreezeChanged(scope=freeze.scope, frozen=False, changed=changed)
        return QueryResult(state, message=f"{freeze.scope} is not frozen{_as_before(changed)}")

    async def _change(
        self, write: Callable[[Freeze, Outgoing], Awaitable[int | None]], freeze: Freeze, *, frozen: bool = True
    ) -> bool:
        """Whether it was not so already."""
        event = outgoing(freeze_event(freeze, await self.ledger.epoch.look(), frozen=frozen))
        try:
            position = await write(freeze, event)
        except StaleWrite:
            return False
        await self.relay.publish(position, event)
        return True

    async def _left_under_way(self, scope: str) -> tuple[str, ...] | None:
        """The commands of a frozen scope that are still on their way; None when the ledger can't tell."""
        give_up = monotonic() + UNDER_WAY_S
        while True:
            try:
                left: tuple[str, ...] | None = tuple(await self.ledger.commands.under_way(scope, MOST_NAMED))
            except LedgerUnavailable:
                left = None
            if left == () or monotonic() > give_up:
                return left
            await asyncio.sleep(UNDER_WAY_POLL_S)

    def _require_known(self, request: FreezeScope) -> None:
        account_id = request.exchange_account_id
        if account_id is not None and account_id not in self.accounts:
            raise RequestRejected(unknown_account(account_id))


def _frozen(freeze: Freeze, *, changed: bool, left: tuple[str, ...] | None) -> QueryResult:
    message = f"{freeze.scope} is frozen{_as_before(changed)}"
    if left is None:
        message += "; the ledger can't tell now whether something sent before is still on its way"
    elif left:
        message += f"; sent before and still on their way to the venue: {', '.join(left)}"
    state = FreezeChanged(scope=freeze.scope, frozen=True, changed=changed, under_way=left or ())
    return QueryResult(state, message=message)


def _as_before(changed: bool) -> str:
    return "" if changed else ", as it was before"


def _state_of(record: Record) -> CommandState:
    if record.finished is not None:
        return CommandState.FINISHED
    return CommandState.RECEIVED if record.intended is None else CommandState.SENT


def _doubt_state(doubt: Doubt) -> DoubtState:
    return DoubtState(
        command_id=doubt.command,
        operation=doubt.operation,
        exchange=doubt.exchange,
        exchange_account_id=doubt.account,
        actor=doubt.actor,
        symbol=doubt.symbol,
        asset=doubt.asset,
        wanted=doubt.wanted,
        since=doubt.since,
        tries=doubt.tries,
        next_look=doubt.next_look,
        problem=doubt.problem,
    )


def _status_of(record: Record, epoch: int, doubt: Doubt | None, resolution: dict[str, Any] | None) -> CommandStatus:
    entry = record.entry
    return CommandStatus(
        command_id=entry.id,
        operation=entry.operation,
        exchange=entry.exchange,
        exchange_account_id=entry.account,
        actor=entry.actor,
        state=_state_of(record),
        outcome=Outcome(record.outcome) if record.outcome else None,
        message=json.loads(record.reply)["message"] if record.reply else None,
        attempts=record.attempts,
        received=entry.received,
        deadline=entry.deadline,
        finished=record.finished,
        event_id=json.loads(record.event)["id"] if record.event else event_id("result", epoch, entry.id),
        doubt=doubt and _doubt_state(doubt),
        resolution=resolution,
    )
