"""Drift that a venue pushes: told at once, and not once more when a reading shows it.

push states terms ─▶ newer than the last reading? ─▶ other than known? ─▶ asked for by a command of ours? ─▶ told
                                        asked for its terms, the venue shows others ─▶ told as what is known by reading
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto
from typing import Generic, TypeVar

import structlog

from schemas import Position, PositionSnapshot
from schemas.base import Milliseconds, utc_text
from schemas.events import Drift, DriftedTerms, DriftEvent, KnownBy, event_id
from schemas.requests import MarginMode
from worker.accounts.account import Account
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.ledger.observed.pushed_drifts import PushedDrift
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import outgoing
from worker.runtime.clock import Clock
from worker.snapshots.drift import MODES_OF_THEIR_OWN
from worker.snapshots.explained_changes import Asked, asked_by
from worker.snapshots.latest import Newest
from worker.snapshots.snapshots import ANY_SIDE, SETTLE_MS, Recorded, Snapshots
from worker.venues.port.adapter import MarginSettings
from worker.venues.port.streams import Evidence, Nudge, Why

log = structlog.get_logger(__name__)

T = TypeVar("T", Decimal, MarginMode)

EXPLAINED_MS: Milliseconds = 60_000
"""How long after a command its push may come."""

Place = tuple[str, str, str]
"""Account, symbol and side; the side is empty where the venue keeps one leverage for both."""


Term = Decimal | MarginMode | None


class Origin(Enum):
    """Where the terms that a push states come from."""

    OUTSIDE = auto()
    """Nobody here has asked for them: that was told."""

    OURS = auto()
    """Commands of ours have asked for all that differs."""

    KNOWN = auto()
    """They are what was known already, or an earlier copy of the push has told them."""


@dataclass(frozen=True, slots=True)
class Stated(Generic[T]):
    """A leverage or a margin mode that a venue stated by a push, when that came, and the venue's time of it."""

    value: T
    heard: Milliseconds
    at: Milliseconds | None = None


@dataclass(slots=True)
class StatedTerms:
    """What pushes have stated of one market so far; a push may say nothing of one of both."""

    leverage: Stated[Decimal] | None = None
    margin_mode: Stated[MarginMode] | None = None

    def note(self, row: Evidence, heard: Milliseconds, at: Milliseconds | None = None) -> None:
        """The venue states this now, of that time."""
        if row.leverage is not None:
            self.leverage = Stated(row.leverage, heard, at)
        if row.margin_mode is not None:
            self.margin_mode = Stated(row.margin_mode, heard, at)

    def is_past(self, row: Evidence, at: Milliseconds | None) -> bool:
        """Whether this is older than what was stated before: pushes of two connections may overtake one another."""
        stated = (row.leverage is not None and self.leverage, row.margin_mode is not None and self.margin_mode)
        return at is not None and any(known and known.at is not None and known.at > at for known in stated)

    def has(self, row: Evidence) -> bool:
        """Whether this says nothing new."""
        leverage = self.leverage.value if self.leverage else None
        mode = self.margin_mode.value if self.margin_mode else None
        return row.leverage in (None, leverage) and row.margin_mode in (None, mode)

    def heard_after(self, moment: Milliseconds) -> bool:
        """Whether something of it was stated after a moment."""
        return any(stated.heard > moment for stated in (self.leverage, self.margin_mode) if stated is not None)


class PushedTerms:
    """Tells of terms that a push states and nobody here has asked for. Calls raise LedgerUnavailable."""

    def __init__(self, snapshots: Snapshots, ledger: Ledger, relay: OutboxRelay, clock: Clock) -> None:
        self._snapshots = snapshots
        self._ledger = ledger
        self._relay = relay
        self._clock = clock
        self._stated: dict[Place, StatedTerms] = {}

    def forget(self, account: Account) -> None:
        """An account is followed no more."""
        self._stated = {place: terms for place, terms in self._stated.items() if place[0] != account.id}

    def repeats(self, account: Account, nudge: Nudge) -> bool:
        """Whether it states nothing but what the venue has stated before."""
        return all(self._is_stated(account, row) for row in nudge.evidence)

    async def hear(self, account: Account, nudge: Nudge, heard: Milliseconds) -> Origin:
        """A push came that states terms. What nobody here has asked for is told."""
        async with self._snapshots.telling(account):
            origin, told = await self._recorded(account, nudge, heard)
        for position, event in told:
            await self._relay.publish(position, event)
        return origin

    async def waiting(self, account: Account) -> list[PushedDrift]:
        """What was told of an account and was shown by no reading yet."""
        return await self._ledger.pushed_drifts.waiting(account.id, self._clock())

    async def of_flat_markets(self, account: Account, told: Sequence[PushedDrift]) -> Sequence[PushedDrift]:
        """Those in whose markets nothing is known to be open: of others the positions are read anyway."""
        if not told:
            return told
        newest = await self._snapshots.newest(account)
        held = {(one.symbol, one.side) for one in newest.snapshot.positions} if newest is not None else set()
        return [row for row in told if not _is_among(row, held)]

    async def read(
        self, account: Account, told: PushedDrift, settings: MarginSettings, asked: Milliseconds, *, is_settled: bool
    ) -> bool:
        """The venue was asked for the terms of a market of which a push was told; whether that is settled by it.

        Others than were pushed are told once they are `is_settled`: a venue may push before it shows.
        """
        async with self._snapshots.telling(account):
            if any(place.heard_after(asked) for place in self._stated_of(told)):
                return False  # the venue has pushed others since
            if _is_shown(told, settings) or _is_of_another(account, told, settings):
                await self._ledger.pushed_drifts.confirm((told,))
                return True
            if not is_settled:
                return False
            corrected = await self._corrected(account, told, settings, asked)
        for position, event in corrected:
            await self._relay.publish(position, event)
        return True

    async def _corrected(
        self, account: Account, told: PushedDrift, settings: MarginSettings, asked: Milliseconds
    ) -> Recorded:
        """What a venue shows in place of what it has pushed, unless a command of ours has asked for it since."""
        for place in self._stated_of(told):
            place.note(Evidence(told.symbol, settings.leverage, settings.margin_mode), asked)
        terms = DriftedTerms(
            symbol=told.symbol,
            side=told.side,
            leverage_before=None if told.leverage is None else Decimal(told.leverage),
            leverage=settings.leverage,
            margin_mode_before=None if told.margin_mode is None else MarginMode(told.margin_mode),
            margin_mode=settings.margin_mode,
        )
        newest = await self._snapshots.newest(account)
        if _is_explained(terms, await self._asked(account, newest, told.at)):
            await self._ledger.pushed_drifts.confirm((told,))
            return []
        seq = newest.kept.seq if newest else 0
        event = outgoing(_event(account, self._ledger.epoch.number, seq, (terms,), asked, known_by=KnownBy.READ))
        try:
            position = await self._ledger.pushed_drifts.correct(told, event, self._clock())
        except StaleWrite:
            return []
        log.warning("drift_corrected", account=account.id)
        return [(position, event)]

    def _stated_of(self, told: PushedDrift) -> list[StatedTerms]:
        places = ((told.account, told.symbol, side) for side in {"", told.side})
        return [self._stated[place] for place in places if place in self._stated]

    def _of(self, account: Account, row: Evidence) -> StatedTerms:
        return self._stated.setdefault((account.id, row.symbol, row.side or ""), StatedTerms())

    def _is_news(self, account: Account, row: Evidence, at: Milliseconds | None) -> bool:
        stated = self._of(account, row)
        return not stated.has(row) and not stated.is_past(row, at)

    def _is_stated(self, account: Account, row: Evidence) -> bool:
        return self._of(account, row).has(row)

    async def _recorded(self, account: Account, nudge: Nudge, heard: Milliseconds) -> tuple[Origin, Recorded]:
        newest = await self._snapshots.newest(account)
        rows = [row for row in nudge.evidence if self._is_news(account, row, nudge.at)]
        told = [row for row in rows if not self._is_read(newest, row, heard)]
        changed = [terms for row in told for terms in self._changed(account, newest, row, nudge)]
        asked = await self._asked(account, newest, heard) if changed else []
        for row in rows:
            self._of(account, row).note(row, heard, nudge.at)
        drifted = tuple(terms for terms in changed if not _is_explained(terms, asked))
        if not drifted:
            return Origin.OURS if changed else Origin.KNOWN, []
        event = await self._tell(account, newest, drifted, nudge.at or heard)
        return Origin.OUTSIDE if event else Origin.KNOWN, event

    def _is_read(self, newest: Newest | None, row: Evidence, heard: Milliseconds) -> bool:
        """Whether a reading of positions that began later shows what there is of this market: if one is open there.

        A reading of the future is of another clock than ours is now.
        """
        return newest is not None and heard < newest.asked <= self._clock() and bool(_held(newest.snapshot, row))

    async def _asked(self, account: Account, newest: Newest | None, heard: Milliseconds) -> list[Asked]:
        since = min(heard - EXPLAINED_MS, *([newest.seen - SETTLE_MS] if newest else []), heard)
        return asked_by(await self._ledger.sent_changes.since(account.id, since))

    def _changed(self, account: Account, newest: Newest | None, row: Evidence, nudge: Nudge) -> list[DriftedTerms]:
        """What a push shows to be other than it was known: by a push that is newer than the reading, or by that.

        Where nothing is known, only a push that says itself that a setting was changed is a change.
        """
        known = self._of(account, row)
        read = newest.asked if newest is not None else 0
        held = _held(newest.snapshot, row) if newest is not None else []
        places: list[tuple[str, Decimal | None, MarginMode | None]] = [(row.side or ANY_SIDE, None, None)]
        if held:
            places = [(one.side, one.leverage, one.margin_mode) for one in held]
        found = [
            DriftedTerms(
                symbol=row.symbol,
                side=side,
                leverage_before=_newest(known.leverage, leverage, read),
                leverage=row.leverage,
                margin_mode_before=_newest(known.margin_mode, mode, read),
                margin_mode=row.margin_mode,
            )
            for side, leverage, mode in places
        ]
        own_modes = account.exchange in MODES_OF_THEIR_OWN
        return [terms for terms in found if _differs(terms, own_modes=own_modes, is_told=nudge.why is Why.SETTINGS)]

    async def _tell(
        self, account: Account, newest: Newest | None, drifted: tuple[DriftedTerms, ...], at: Milliseconds
    ) -> Recorded:
        seq = newest.kept.seq if newest else 0
        told = outgoing(_event(account, self._ledger.epoch.number, seq, drifted, at, known_by=KnownBy.PUSH))
        try:
            rows = [_row(account, terms, at) for terms in drifted]
            position = await self._ledger.pushed_drifts.tell(rows, told, self._clock())
        except StaleWrite:
            return []  # another worker, or an earlier copy of the push, has told it
        log.warning("drift_pushed", account=account.id, count=len(drifted))
        return [(position, told)]


def _held(snapshot: PositionSnapshot, row: Evidence) -> list[Position]:
    """The open positions that a push is about."""
    return [
        one
        for one in snapshot.positions
        if one.symbol == row.symbol
        and row.side in (None, one.side)
        and (snapshot.exchange not in MODES_OF_THEIR_OWN or row.margin_mode in (None, one.margin_mode))
    ]


def _newest(stated: Stated[T] | None, read: T | None, asked: Milliseconds) -> T | None:
    """What was known before: as it was stated after the last reading, or as that showed it."""
    return stated.value if stated is not None and (read is None or stated.heard > asked) else read


def _differs(terms: DriftedTerms, *, own_modes: bool, is_told: bool) -> bool:
    leverage = _is_other(terms.leverage_before, terms.leverage, is_told=is_told)
    return leverage or (not own_modes and _is_other(terms.margin_mode_before, terms.margin_mode, is_told=is_told))


def _is_other(before: Term, now: Term, *, is_told: bool) -> bool:
    """Whether a term has changed; one that was not known before has where the venue says so."""
    return now is not None and (is_told if before is None else now != before)


def _mode_differs(terms: DriftedTerms) -> bool:
    return terms.margin_mode is not None and terms.margin_mode != terms.margin_mode_before


def _is_explained(terms: DriftedTerms, asked: Iterable[Asked]) -> bool:
    """Whether commands of ours have asked for all that differs. A new mode may bring a leverage of its own."""
    rows = list(asked)
    mode = any(row.explains_mode(terms.symbol, terms.margin_mode) for row in rows)
    leverage = any(row.explains_leverage(terms.symbol, terms.leverage) for row in rows)
    if not _mode_differs(terms):
        return leverage
    return mode or (leverage and terms.margin_mode_before is None)


def _row(account: Account, terms: DriftedTerms, at: Milliseconds) -> PushedDrift:
    leverage = None if terms.leverage is None else str(terms.leverage)
    return PushedDrift(account.id, terms.symbol, terms.side, leverage, terms.margin_mode, at)


def _is_among(told: PushedDrift, held: Container[tuple[str, str]]) -> bool:
    return (told.symbol, told.side) in held


def _is_shown(told: PushedDrift, settings: MarginSettings) -> bool:
    """Whether a market has the terms that were pushed of it; a leverage may be of one side only."""
    leverage = told.leverage is None or Decimal(told.leverage) in (settings.leverage, *settings.sides)
    return leverage and told.margin_mode in (None, settings.margin_mode)


def _is_of_another(account: Account, told: PushedDrift, settings: MarginSettings) -> bool:
    """Whether what is shown is about a position of another mode than the one that was pushed, which is gone by now."""
    return account.exchange in MODES_OF_THEIR_OWN and told.margin_mode not in (None, settings.margin_mode)


def _event(
    account: Account,
    epoch: int,
    seq: int,
    drifted: tuple[DriftedTerms, ...],
    at: Milliseconds,
    *,
    known_by: KnownBy,
) -> DriftEvent:
    what = "/".join(f"{row.symbol}:{row.side}:{row.leverage}:{row.margin_mode}" for row in drifted)
    return DriftEvent(
        id=event_id("drift", epoch, account.id, known_by, at, what),
        subject=account.id,
        time=utc_text(at),
        epoch=epoch,
        data=Drift(
            exchange=account.exchange,
            exchange_account_id=account.id,
            seq=seq,
            as_of=at,
            known_by=known_by,
            positions=drifted,
        ),
    )
