"""A worker's parts, put together: what reads, what carries commands out, what answers about the service itself."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Protocol

from schemas.control import StreamStatus
from schemas.letters import MOST_LOOKED_THROUGH
from worker.accounts.account import Account, Accounts
from worker.bus.consumer import Handle
from worker.bus.dead_letters import DeadLetters, hold_dead_letters
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.control.audit import AuditOffice, OwnDenials
from worker.control.book import BookOffice
from worker.control.letters import LetterOffice
from worker.control.service import ControlService
from worker.execution.aftermath.epochs import Epochs
from worker.execution.aftermath.recovery import DAY_MS, Recovery, Retention
from worker.execution.aftermath.resolver import DoubtResolver
from worker.execution.aftermath.venue_news import VenueNews
from worker.execution.dispatch import Dispatch
from worker.execution.executor import CommandExecutor
from worker.execution.requests import RequestParser
from worker.execution.service import Handlers, Replies, Service
from worker.execution.sweeps import CommandBus, ScheduledSweeps
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.execution.telling.outbox_relay import Publisher as EventPublisher
from worker.handlers import COMMAND_HANDLERS, QUERY_HANDLERS
from worker.ledger.ledger import Ledger
from worker.runtime.clock import now
from worker.snapshots.after_commands import AfterCommands
from worker.snapshots.intervals import Interval
from worker.snapshots.margin import MarginWatch
from worker.snapshots.pacing import LIVE_SHARE, Pacing
from worker.snapshots.pushed_terms import PushedTerms
from worker.snapshots.schedule import Schedule
from worker.snapshots.snapshots import Snapshots
from worker.snapshots.stream_board import StreamBoard
from worker.streams.dials import DialGates
from worker.streams.follower import FollowerParts
from worker.streams.line import OpenSocket
from worker.streams.streams import Streams
from worker.terms.applies import TermsOffice
from worker.terms.keeper import TermsKeeper
from worker.terms.keeping import KeepingOffice
from worker.venues.lifecycle.health import UNWATCHED, VenueWatch
from worker.venues.limits import Headroom
from worker.venues.port.adapter import Adapter


class Runs(Protocol):
    """Something that runs in the background."""

    async def run(self) -> None:
        """Run until cancelled."""


class Bus(EventPublisher, Replies, CommandBus, Protocol):
    """Where a worker publishes events and answers."""


@dataclass(frozen=True, slots=True)
class Worker:
    """All parts of a worker but its connections."""

    handle: Handle
    cease: Callable[[], None]
    relay: OutboxRelay
    denials: OwnDenials
    book: BookOffice
    venue_news: VenueNews
    epochs: Epochs
    recovery: Recovery
    retention: Retention
    schedule: Schedule
    after_commands: AfterCommands
    doubts: DoubtResolver
    streams: Streams
    sweeps: ScheduledSweeps
    terms: TermsOffice
    keeper: TermsKeeper
    letters: LetterOffice

    @property
    def beside(self) -> tuple[Runs, ...]:
        """What runs beside the consumer for as long as it consumes."""
        upkeep = self.relay, self.denials, self.venue_news, self.epochs, self.recovery, self.retention
        terms = self.terms, self.keeper
        return *upkeep, self.doubts, self.after_commands, self.schedule, self.streams, self.sweeps, *terms


def pacing_of(settings: Settings, accounts: Accounts, widened: float = 1.0) -> Pacing:
    """How often accounts are read, as it is set; live ones have a smaller share of limits that are `widened`."""
    share = LIVE_SHARE / widened
    return Pacing(settings.snapshot_interval_ms, accounts, settings.snapshot_live_interval_ms, live_share=share)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What all parts stand on. Without `socket` no streams are followed."""

    settings: Settings
    accounts: Accounts
    adapter_of: Callable[[Account], Adapter]
    ledger: Ledger
    relay: OutboxRelay
    watch: VenueWatch
    pacing: Pacing
    board: StreamBoard
    socket: OpenSocket | None
    widened: float
    headroom: Callable[[], list[Headroom]]


@dataclass(frozen=True, slots=True)
class AccountReaders:
    """What reads accounts: on schedule, after commands, when a venue pushes."""

    schedule: Schedule
    after_commands: AfterCommands
    streams: Streams


def build_worker(
    settings: Settings,
    accounts: Accounts,
    adapter_of: Callable[[Account], Adapter],
    ledger: Ledger,
    publisher: Bus,
    *,
    watch: VenueWatch = UNWATCHED,
    pacing: Pacing | None = None,
    board: StreamBoard | None = None,
    socket: OpenSocket | None = None,
    widened: float = 1.0,
    headroom: Callable[[], list[Headroom]] = list,
) -> Worker:
    """A worker with all its parts; a test gives it others in the same way. Without `socket` it follows no streams."""
    pacing = pacing or pacing_of(settings, accounts)
    board = StreamBoard(pacing.mark) if board is None else board
    relay = OutboxRelay(ledger, publisher)
    base = Foundation(settings, accounts, adapter_of, ledger, relay, watch, pacing, board, socket, widened, headroom)
    readers, doubts, dispatch = readers_on(base), doubts_on(base), Dispatch(adapter_of, accounts)
    executor = CommandExecutor(
        ledger=ledger, relay=relay, dispatch=dispatch, owe_snapshot=readers.after_commands.owe, clock=now
    )
    terms = TermsOffice(
        ledger=ledger,
        relay=relay,
        dispatch=dispatch,
        executor=executor,
        accounts=accounts,
        adapter_of=adapter_of,
        timeout_ms=settings.timeout_ms,
        clock=now,
    )
    keeping = KeepingOffice(ledger, relay, accounts, now)
    audit, book = AuditOffice(ledger, relay), BookOffice(ledger, accounts, now, streams_told(base))
    denials = OwnDenials(audit, now)
    letters = letters_on(base)
    offices = control_on(base), audit, book, letters, terms, keeping
    controls = dict(chain.from_iterable(office.handlers().items() for office in offices))
    service = Service(
        parser=RequestParser(accounts, settings.timeout_ms),
        handlers=Handlers(COMMAND_HANDLERS, QUERY_HANDLERS, controls, terms.long_commands()),
        dispatch=dispatch,
        executor=executor,
        replies=publisher,
        note_conflict=denials.note_conflict,
        answered=doubts.answered,
        clock=now,
    )
    sweeps = ScheduledSweeps(ledger, relay, accounts, publisher, now)
    return assembled(base, readers, doubts, service, executor, denials, book, sweeps, terms, dispatch, letters)


def assembled(  # noqa: PLR0917 - each part once
    base: Foundation,
    readers: AccountReaders,
    doubts: DoubtResolver,
    service: Service,
    executor: CommandExecutor,
    denials: OwnDenials,
    book: BookOffice,
    sweeps: ScheduledSweeps,
    terms: TermsOffice,
    dispatch: Dispatch,
    letters: LetterOffice,
) -> Worker:
    """All of them, with what runs beside."""
    settings, ledger = base.settings, base.ledger

    def cease() -> None:
        sweeps.cease()  # what is published now would be for the next worker
        executor.cease()

    return Worker(
        handle=service.handle,
        cease=cease,
        relay=base.relay,
        denials=denials,
        book=book,
        venue_news=VenueNews(ledger, base.relay, base.watch.changes),
        epochs=Epochs(ledger, base.relay, settings.retention_days * DAY_MS, now, streams_told(base)),
        recovery=Recovery(ledger, service.handle, executor.is_running, now),
        retention=Retention(ledger, settings.retention_days, settings.audit_days, now),
        schedule=readers.schedule,
        after_commands=readers.after_commands,
        doubts=doubts,
        streams=readers.streams,
        sweeps=sweeps,
        terms=terms,
        keeper=keeper_on(base, dispatch, terms),
        letters=letters,
    )


def keeper_on(base: Foundation, dispatch: Dispatch, terms: TermsOffice) -> TermsKeeper:
    """What mends drift from documents that are kept."""
    return TermsKeeper(
        ledger=base.ledger,
        relay=base.relay,
        dispatch=dispatch,
        office=terms,
        accounts=base.accounts,
        timeout_ms=base.settings.timeout_ms,
        clock=now,
    )


def readers_on(base: Foundation) -> AccountReaders:
    """What reads accounts."""
    settings, ledger, pacing, board = base.settings, base.ledger, base.pacing, base.board
    snapshots = Snapshots(
        base.adapter_of,
        ledger,
        base.relay,
        settings.timeout_ms,
        now,
        stream_of=lambda account: board.in_snapshot(account, pacing.interval(account)),
        margin=MarginWatch(ledger, settings.snapshot_heartbeat_ms),
    )
    rhythm = Interval(settings.snapshot_interval_ms, settings.snapshot_heartbeat_ms)
    following = FollowerParts(
        adapter_of=base.adapter_of,
        ledger=ledger,
        relay=base.relay,
        snapshots=snapshots,
        terms=PushedTerms(snapshots, ledger, base.relay, now),
        pacing=pacing,
        board=board,
        gates=DialGates(settings.limit_share * base.widened),
        socket=base.socket if settings.streams == "on" else None,
        floor_ms=settings.snapshot_push_floor_ms,
        timeout_ms=settings.timeout_ms,
    )
    return AccountReaders(
        Schedule(snapshots, ledger, base.accounts, rhythm, clock=now, pacing=pacing, board=board),
        AfterCommands(snapshots, ledger, base.accounts, floor_ms=settings.snapshot_floor_ms),
        Streams(base.accounts, ledger, following),
    )


def doubts_on(base: Foundation) -> DoubtResolver:
    """What ends doubts."""
    return DoubtResolver(
        ledger=base.ledger,
        relay=base.relay,
        accounts=base.accounts,
        adapter_of=base.adapter_of,
        venues=base.watch.states,
        timeout_ms=base.settings.timeout_ms,
        clock=now,
    )


def control_on(base: Foundation) -> ControlService:
    """What answers about the service itself."""
    venues = base.pacing.statuses(base.watch.states)
    return ControlService(base.ledger, base.relay, base.accounts, venues, now, streams_told(base), base.headroom)


def letters_on(base: Foundation) -> LetterOffice:
    """What looks after the dead letters."""

    def hold() -> AbstractAsyncContextManager[DeadLetters]:
        return hold_dead_letters(amqp_url(base.settings), base.settings.shim_user, MOST_LOOKED_THROUGH)

    return LetterOffice(base.ledger, base.relay, base.accounts, now, hold)


def streams_told(base: Foundation) -> Callable[[], tuple[StreamStatus, ...]]:
    """How each account is followed."""
    return partial(base.board.statuses, base.accounts, base.pacing.interval)
