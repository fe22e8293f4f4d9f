"""The present out of the ledger: which accounts there are, what each was last seen to hold, what was asked of them.

Nothing is asked of a venue. Whoever starts late reads the book once, and follows the stream of events from where its
answer says: the end of the stream is looked up before the ledger is, so that nothing falls between the two.
"""

import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas import ErrorCode, Outcome, failure
from schemas.base import Milliseconds
from schemas.book import (
    AutoCollect,
    Book,
    BookEntry,
    CommandList,
    CommandRow,
    CommandStatus,
    GetAccounts,
    GetCommands,
    GetSnapshots,
    ServedAccount,
    ServedAccounts,
    SnapshotMark,
    Thresholds,
    totals_of,
)
from schemas.control import EVERYTHING, CommandState, DoubtState, StreamStatus
from schemas.problems import unknown_account
from worker.accounts.account import Account, Accounts
from worker.execution.aftermath.epochs import LogUnavailable
from worker.execution.requests import RequestRejected
from worker.execution.service import ControlHandler
from worker.handlers.plan import QueryResult
from worker.ledger.command_list import Glance, Place
from worker.ledger.commands import Record
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger
from worker.ledger.observed.newest import Kept
from worker.runtime.clock import Clock
from worker.venues.port.capabilities import account_type, capabilities_of

EXACT = json.JSONDecoder(parse_float=Decimal)

LAST: Place = (10**18 - 1, "~")
"""Behind every command that has ended."""

MOST_UNDER_WAY = 10_000

WINDOW = 2_000
"""How many commands are looked over at a time."""

MOST_WINDOWS = 10
"""What was not found among these is looked for in the next request: a question costs no more when more is kept."""

LogEnd = Callable[[], Awaitable[int]]
"""Where the next event will stand in the stream. Raises LogUnavailable."""


async def _no_stream() -> int:
    raise LogUnavailable("this worker is not connected to the stream of events")


@dataclass(slots=True)
class BookOffice:
    """What the controls of the book need."""

    ledger: Ledger
    accounts: Accounts
    clock: Clock
    streams: Callable[[], tuple[StreamStatus, ...]]
    log_end: LogEnd = field(default=_no_stream)

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {
            "get_accounts": self.get_accounts,
            "get_snapshots": self.get_snapshots,
            "get_commands": self.get_commands,
        }

    async def get_accounts(self, request: GetAccounts, actor: str | None) -> QueryResult:
        """The accounts that are served."""
        kept, freezes, now = await self.ledger.snapshots.all(), await self.ledger.freezes.all(), self.clock()
        followed = {state.exchange_account_id: state for state in self.streams()}
        rows = tuple(
            _served(account, kept.get(name), freezes, followed.get(name), now)
            for name, account in sorted(self.accounts.items())
        )
        return QueryResult(ServedAccounts(accounts=rows, count=len(rows)))

    async def get_snapshots(self, request: GetSnapshots, actor: str | None) -> QueryResult:
        """The newest snapshot of each account. Raises RequestRejected where the end of the stream can't be told."""
        meant = self._meant(request)
        try:
            next_offset = await self.log_end()
        except LogUnavailable as error:
            message = f"where the stream of events ends can't be told now: {error}"
            raise RequestRejected(failure(ErrorCode.BROKER_UNAVAILABLE, message)) from error
        kept, margin, now = await self.ledger.snapshots.all(), await self.ledger.margin.all(), self.clock()
        rows = tuple(_book_entry(kept[name], margin.get(name), request.symbol, now) for name in meant if name in kept)
        missing = tuple(name for name in meant if name not in kept)
        book = Book(snapshots=rows, count=len(rows), missing=missing, totals=totals_of(rows), next_offset=next_offset)
        return QueryResult(book)

    async def get_commands(self, request: GetCommands, actor: str | None) -> QueryResult:
        """Commands under way, and those that have ended, the last first."""
        if request.exchange_account_id is not None and request.cursor is None:
            self._require_known(request.exchange_account_id)
        begun = [] if request.cursor else await self._under_way(request)
        ended, cursor = await self._ended(request, request.limit)
        rows = tuple(command_row(record) for record in (*begun, *ended))
        return QueryResult(CommandList(commands=rows, count=len(rows), next_cursor=cursor))

    def _meant(self, request: GetSnapshots) -> list[str]:
        if request.exchange_account_id is not None:
            self._require_known(request.exchange_account_id)
        return [
            name
            for name, account in sorted(self.accounts.items())
            if request.exchange_account_id in (None, name) and request.exchange in (None, account.exchange)
        ]

    def _require_known(self, account_id: str) -> None:
        if account_id not in self.accounts:
            raise RequestRejected(unknown_account(account_id))

    async def _under_way(self, request: GetCommands) -> list[Record]:
        if request.outcome is not None:
            return []
        records = await self.ledger.command_list.unfinished(MOST_UNDER_WAY)
        return [record for record in records if _is_meant(_glance(record), request)]

    async def _ended(self, request: GetCommands, limit: int) -> tuple[list[Record], str | None]:
        """So many of those that are meant, and where to go on."""
        place, found = _place(request.cursor), list[str]()
        for _ in range(MOST_WINDOWS):
            window = await self.ledger.command_list.finished_before(place, WINDOW)
            for row in window:
                if request.since is not None and row.finished < request.since:
                    return await self._records(found), None
                if len(found) == limit:
                    return await self._records(found), _cursor(place)
                place = row.finished, row.id
                if _is_meant(row, request):
                    found.append(row.id)
            if len(window) < WINDOW:
                return await self._records(found), None
        return await self._records(found), _cursor(place)

    async def _records(self, ids: Sequence[str]) -> list[Record]:
        """In their order; what was thrown away meanwhile, for its age, is left out."""
        records = await self.ledger.command_list.of_ids(ids)
        return [records[name] for name in ids if name in records]


def _served(
    account: Account, kept: Kept | None, freezes: list[Freeze], stream: StreamStatus | None, now: Milliseconds
) -> ServedAccount:
    scopes = (EVERYTHING, f"exchange:{account.exchange}", f"account:{account.id}")
    return ServedAccount(
        exchange_account_id=account.id,
        exchange=account.exchange,
        network=account.network,
        region=account.region,
        account_type=account_type(account),
        capabilities=tuple(sorted(capabilities_of(account))),
        frozen=tuple(freeze.scope for freeze in freezes if freeze.scope in scopes),
        guardrails=account.guardrails,
        policy=account.policy.version,
        auto_collect=_auto_collect(account, now),
        margin_thresholds=Thresholds(**account.margin_thresholds.model_dump()),
        stream=stream,
        snapshot=kept and _mark(kept, now),
    )


def _auto_collect(account: Account, now: Milliseconds) -> AutoCollect | None:
    slots = account.auto_collect
    return None if slots is None else AutoCollect(schedule=str(slots), next_slot=slots.next(now))


def _mark(kept: Kept, now: Milliseconds) -> SnapshotMark:
    event = EXACT.decode(kept.event)
    return SnapshotMark(
        epoch=event["epoch"] or 0,
        seq=kept.seq,
        as_of=event["data"]["as_of"],
        confirmed=kept.as_of,
        age_ms=max(0, now - kept.as_of),
        stale=event["data"]["stale"],
    )


def _margin_mark(kept: Kept | None) -> dict[str, Any] | None:
    if kept is None:
        return None
    data = EXACT.decode(kept.event)["data"]
    return {name: data[name] for name in ("as_of", "seq", "level", "worst_ratio", "nearest_liquidation")}


def _book_entry(kept: Kept, margin: Kept | None, symbol: str | None, now: Milliseconds) -> BookEntry:
    event = EXACT.decode(kept.event)
    told = {"epoch": event["epoch"] or 0, "confirmed": kept.as_of, "age_ms": max(0, now - kept.as_of)}
    entry = BookEntry.model_validate({**event["data"], **told, "margin": _margin_mark(margin)})
    if symbol is None:
        return entry
    return entry.model_copy(update={"positions": tuple(row for row in entry.positions if row.symbol == symbol)})


def _glance(record: Record) -> Glance:
    entry = record.entry
    return Glance(entry.id, entry.operation, entry.exchange, entry.account, entry.actor, "", 0)


def _is_meant(row: Glance, request: GetCommands) -> bool:
    return all(_matches(row, request))


def _matches(row: Glance, request: GetCommands) -> Iterator[bool]:
    yield request.exchange_account_id in (None, row.account)
    yield request.exchange in (None, row.exchange)
    yield request.operation in (None, row.operation)
    yield request.outcome in (None, row.outcome)
    yield request.actor in (None, row.actor)


def command_row(record: Record) -> CommandRow:
    """What the ledger knows of a command."""
    return CommandRow(**_told_of(record))


def command_status(
    record: Record, *, id_to_be: str, published: bool, doubt: DoubtState | None, resolution: dict[str, Any] | None
) -> CommandStatus:
    """The same with its event, which has the `id_to_be` until there is one, and what it has left in doubt."""
    ended = record.event is not None
    return CommandStatus(
        **_told_of(record),
        event_id=json.loads(record.event)["id"] if record.event is not None else id_to_be,
        event_published=published if ended else None,
        doubt=doubt,
        resolution=resolution,
    )


def _told_of(record: Record) -> dict[str, Any]:
    entry, event = record.entry, EXACT.decode(record.event) if record.event else {}
    result: dict[str, Any] = event.get("data", {})
    told = {name: result.get(name) for name in ("applied", "confirmed_by", "scope", "venue_code", "timings")}
    return {
        "command_id": entry.id,
        "operation": entry.operation,
        "exchange": entry.exchange,
        "exchange_account_id": entry.account,
        "actor": entry.actor,
        "state": state_of(record),
        "outcome": Outcome(record.outcome) if record.outcome else None,
        "requested": EXACT.decode(entry.request),
        "message": json.loads(record.reply)["message"] if record.reply else None,
        "attempts": record.attempts,
        "received": entry.received,
        "intended": record.intended,
        "deadline": entry.deadline,
        "finished": record.finished,
        "trace": event.get("traceparent"),
        **told,
    }


def state_of(record: Record) -> CommandState:
    """How far a command has come."""
    if record.finished is not None:
        return CommandState.FINISHED
    return CommandState.RECEIVED if record.intended is None else CommandState.SENT


def _cursor(place: Place) -> str:
    at, command = place
    return f"{at}.{command}"


def _place(cursor: str | None) -> Place:
    """Where a cursor points: behind a command, by when it ended and its id."""
    if cursor is None:
        return LAST
    at, _, command = cursor.partition(".")
    return int(at), command
