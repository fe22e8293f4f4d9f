"""Operations on the service itself: what became of a command, freezes, how this worker fares."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from time import monotonic
from typing import Any

from schemas.audit.chain import Link
from schemas.control import (
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
    LimitState,
    Status,
    StreamStatus,
    Unfreeze,
    VenueStatus,
    unknown_command,
)
from schemas.control import Freeze as FreezeRequest
from schemas.events import event_id
from schemas.problems import unknown_account
from worker.accounts.account import Accounts
from worker.control.book import command_status
from worker.execution.aftermath.freezes import freeze_event
from worker.execution.requests import RequestRejected
from worker.execution.service import ControlHandler
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers.plan import QueryResult
from worker.ledger.commands import Record
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.ledger.unresolved import Doubt
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import Clock
from worker.venues.limits import Headroom

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
    streams: Callable[[], tuple[StreamStatus, ...]] = tuple
    headroom: Callable[[], list[Headroom]] = list

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
        event_id_to_be = event_id("result", self.ledger.epoch.number, request.command_id)
        published = record.event is None or not await self.ledger.outbox.holds(json.loads(record.event)["id"])
        status = command_status(
            record,
            id_to_be=event_id_to_be,
            published=published,
            doubt=None if doubt is None else _doubt_state(doubt),
            resolution=resolution,
        )
        return QueryResult(status.model_copy(update={"progress": await self._progress(record)}))

    async def _progress(self, record: Record) -> dict[str, Any] | None:
        """How far a command has come that applies terms."""
        apply = await self.ledger.applies.find(record.entry.id) if record.finished is None else None
        progress: dict[str, Any] | None = json.loads(apply.progress) if apply and apply.progress else None
        return progress

    async def get_status(self, request: GetStatus, actor: str | None) -> QueryResult:
        """How this worker fares; the ledger is really written to."""
        head: Link | None = None
        try:
            await self.ledger.probe()
            problem, waiting = self.ledger.patience.problem, await self.ledger.outbox.size()
            head = await self.ledger.audit.head()
        except LedgerUnavailable as error:
            problem, waiting = str(error), self.relay.unconfirmed
        venues = self.venues()
        return QueryResult(
            Status(
                worker=self.ledger.owner,
                ready=problem is None and any(venue.markets_loaded for venue in venues),
                ledger_writes=problem is None,
                ledger_problem=problem,
                audit_head=head,
                outbox=waiting,
                venues=venues,
                streams=self.streams(),
                limits=limit_states(self.headroom()),
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
        freeze = Freeze(request.scope, request.reason or "", actor, self.clock())
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
                left: tuple[str, ...] | None = tuple(await self.ledger.command_list.under_way(scope, MOST_NAMED))
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


def limit_states(rows: Iterable[Headroom]) -> tuple[LimitState, ...]:
    """One row for each limit of a venue's network. Of those that count by user, it is where least is left."""
    least: dict[tuple[str, str, str], Headroom] = {}
    for row in rows:
        about = row.exchange, row.network, row.scope
        least[about] = min(least.get(about, row), row, key=_tightness)
    return tuple(
        LimitState(
            exchange=row.exchange,
            network=row.network,
            scope=row.scope,
            by_user=row.user is not None,
            limit=row.limit,
            left=row.left,
            closed_for_ms=row.closed_for,
        )
        for _, row in sorted(least.items())
    )


def _tightness(row: Headroom) -> tuple[int, float]:
    """The one that is closed for longer comes first, then the one that has less left of its limit."""
    return -row.closed_for, 1.0 if row.left is None or not row.limit else row.left / row.limit
