"""Operations on the service itself: what became of a command, freezes, how this worker fares."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from schemas import ErrorCode, Failure, Outcome, failure
from schemas.base import utc_text
from schemas.control import (
    CommandState,
    CommandStatus,
    FreezeChanged,
    Freezes,
    FreezeScope,
    FreezeState,
    GetCommand,
    GetFreezes,
    GetStatus,
    Status,
    Unfreeze,
    VenueState,
)
from schemas.control import Freeze as FreezeRequest
from schemas.events import FreezeChange, FreezeEvent, event_id
from worker.accounts import Accounts
from worker.clock import Clock
from worker.execution.completion import Found
from worker.execution.ledger.commands import Record
from worker.execution.ledger.errors import LedgerUnavailable, NothingMatched
from worker.execution.ledger.freezes import Freeze
from worker.execution.ledger.ledger import Ledger
from worker.execution.receipt import NotAccepted, unknown_account
from worker.execution.relay import Relay
from worker.execution.service import ControlHandler
from worker.wire import Outgoing, outgoing


@dataclass(frozen=True, slots=True)
class Office:
    """What the controls need."""

    ledger: Ledger
    relay: Relay
    accounts: Accounts
    venues: Callable[[], tuple[VenueState, ...]]
    clock: Clock

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {
            "get_command": self.get_command,
            "get_status": self.get_status,
            "get_freezes": self.get_freezes,
            "freeze": self.freeze,
            "unfreeze": self.unfreeze,
        }

    async def get_command(self, request: GetCommand, actor: str | None) -> Found:
        """What became of a command. Raises NotAccepted for one that is not known."""
        record = await self.ledger.commands.find(request.command_id)
        if record is None:
            raise NotAccepted(_unknown_command(request.command_id))
        return Found(_status_of(record))

    async def get_status(self, request: GetStatus, actor: str | None) -> Found:
        """How this worker fares; the ledger is really written to."""
        try:
            await self.ledger.probe()
            writes, waiting = self.ledger.patience.writes, await self.ledger.outbox.size()
        except LedgerUnavailable:
            writes, waiting = False, self.relay.unconfirmed
        venues = self.venues()
        return Found(
            Status(
                worker=self.ledger.owner,
                ready=writes and any(venue.markets_loaded for venue in venues),
                ledger_writes=writes,
                outbox=waiting,
                venues=venues,
                accounts=len(self.accounts),
                registry_problem=self.accounts.problem,
            )
        )

    async def get_freezes(self, request: GetFreezes, actor: str | None) -> Found:
        """What is frozen."""
        frozen = [
            FreezeState(scope=freeze.scope, reason=freeze.reason, actor=freeze.actor, since=freeze.since)
            for freeze in await self.ledger.freezes.all()
        ]
        return Found(Freezes(freezes=tuple(frozen), count=len(frozen)))

    async def freeze(self, request: FreezeRequest, actor: str | None) -> Found:
        """Freeze a scope; from the answer on nothing more is sent in it."""
        self._require_known(request)
        freeze = Freeze(request.scope, request.reason, actor, self.clock())
        return await self._change(self.ledger.freezes.freeze, freeze, frozen=True)

    async def unfreeze(self, request: Unfreeze, actor: str | None) -> Found:
        """Lift the freeze of a scope."""
        self._require_known(request)
        freeze = Freeze(request.scope, "", actor, self.clock())
        return await self._change(self.ledger.freezes.unfreeze, freeze, frozen=False)

    async def _change(
        self, write: Callable[[Freeze, Outgoing], Awaitable[int | None]], freeze: Freeze, *, frozen: bool
    ) -> Found:
        event = outgoing(_event(freeze, frozen=frozen))
        try:
            position = await write(freeze, event)
        except NothingMatched:
            return _changed(freeze, frozen=frozen, changed=False)
        await self.relay.publish(position, event)
        return _changed(freeze, frozen=frozen, changed=True)

    def _require_known(self, request: FreezeScope) -> None:
        account_id = request.exchange_account_id
        if account_id is not None and account_id not in self.accounts:
            raise NotAccepted(unknown_account(account_id))


def _event(freeze: Freeze, *, frozen: bool) -> FreezeEvent:
    change = FreezeChange(
        scope=freeze.scope, reason=freeze.reason, actor=freeze.actor, since=freeze.since, frozen=frozen
    )
    return FreezeEvent(
        id=event_id("freeze", freeze.scope, freeze.since, int(frozen)),
        subject=freeze.scope,
        time=utc_text(freeze.since),
        data=change,
    )


def _changed(freeze: Freeze, *, frozen: bool, changed: bool) -> Found:
    state = "frozen" if frozen else "not frozen"
    message = f"{freeze.scope} is {state}{'' if changed else ', as it was before'}"
    return Found(FreezeChanged(scope=freeze.scope, frozen=frozen, changed=changed), message=message)


def _unknown_command(command_id: str) -> Failure:
    message = (
        f"no command {command_id} is known: it has not reached a worker yet, was refused on receipt, "
        "or its record is older than the retention"
    )
    return failure(ErrorCode.UNKNOWN_COMMAND, message, details={"command_id": command_id})


def _state_of(record: Record) -> CommandState:
    if record.finished is not None:
        return CommandState.FINISHED
    return CommandState.RECEIVED if record.intended is None else CommandState.SENT


def _status_of(record: Record) -> CommandStatus:
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
        event_id=event_id("result", entry.id),
    )
