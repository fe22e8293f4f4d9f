"""Ending doubts: the venue is asked what is in force after a command that ended as `unknown`, and everybody is told.

doubt ─▶ due, or the venue has just answered somebody ─▶ read ─▶ shows what was wanted ──────────▶ told
                                                            ├▶ shows something else, long after ─▶ told
                                                            ├▶ a command may change it meanwhile ▶ look again
                                                            └▶ not to be had ────────────────────▶ look again, later
      ─▶ a later command about the same setting succeeds ────────────────────────────────────────▶ told

Nothing is ever sent that changes anything. A sweep leaves nothing that could be read back: the balances are told, and
that nobody can know more.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog

from schemas.base import Milliseconds
from schemas.control import VenueHealth, VenueState
from schemas.events import DoubtResolution
from worker.accounts.account import Account, Accounts, Site
from worker.execution.aftermath.resolution import Reading, event_of, is_as_wanted, read_back, settled
from worker.execution.calls import VenueCalls
from worker.execution.errors import Expired
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.ledger.unresolved import Doubt
from worker.messages.wire import Outgoing, encode, outgoing
from worker.runtime.backoff import backoff_s
from worker.runtime.clock import Clock
from worker.venues.limits.request_context import Urgency
from worker.venues.port.adapter import Adapter, ModeAddress
from worker.venues.port.errors import NotSupported, PreconditionFailed, Throttled, VenueError

LOOK_S = 2.0
"""How often the ledger is looked into for doubts that are due: any worker may have left them."""

SETTLE_MS: Milliseconds = 5_000
"""How long a venue may take to carry out, or to show, what it was sent: until then only what was wanted is believed."""

AROUND_MS: Milliseconds = 120_000
"""How long before a command ended its money may have been moved; deadlines are nearer than that."""

FIRST_WAIT_MS: Milliseconds = 2_000
LONGEST_WAIT_MS: Milliseconds = 300_000
"""Between looks at what can't be read: at most, doubling. It is any part of that, so that not all look together."""

SOONEST_MS: Milliseconds = 1_000
"""However often clients read an account that has doubts, it is looked at for their sake no more often than this."""

AT_ONCE = 4
"""How many accounts of one site are looked at side by side."""

Told = tuple[int, Outgoing]
"""An event in the outbox, by its position there, and still to be published."""

Group = tuple[str, str, str]
"""What one answer tells of: a market's terms, a position mode, a position's margin, or the balances of an account."""

log = structlog.get_logger(__name__)


class DoubtResolver:
    """Looks at what is in doubt, side by side with any number of workers on the same ledger."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        relay: OutboxRelay,
        accounts: Accounts,
        adapter_of: Callable[[Account], Adapter],
        venues: Callable[[], tuple[VenueState, ...]],
        timeout_ms: Milliseconds,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._doubts = ledger.doubts
        self._relay = relay
        self._accounts = accounts
        self._adapter_of = adapter_of
        self._troubles = Troubles(venues)
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._at_once: defaultdict[Site, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))
        self._running: dict[str, asyncio.Task[None]] = {}
        self._doubted: frozenset[str] = frozenset()
        self._answered: dict[str, Milliseconds] = {}
        self._wanted: set[str] = set()

    def answered(self, account: str) -> None:
        """The venue has answered somebody about an account: if anything there is in doubt, look now."""
        now = self._clock()
        if account in self._doubted and now - self._answered.get(account, 0) >= SOONEST_MS:
            self._answered[account] = now
            self._wanted.add(account)
            self._doubts.news.set()

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        try:
            while True:
                await self._begin()
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_S):
                        await self._doubts.news.wait()
        finally:
            for running in self._running.values():
                running.cancel()
            await self._done()

    async def look(self) -> None:
        """Look at what is due now; returns when all of it was looked at and told."""
        await self._begin()
        await self._done()

    async def _begin(self) -> None:
        self._doubts.news.clear()
        try:
            await self._tell_ended()
            for account, asked_for in await self._due():
                if account.id not in self._running:
                    self._run(account.id, self._look(account, asked_for=asked_for))
        except LedgerUnavailable as error:
            log.warning("doubts_not_read", error=str(error))

    async def _done(self) -> None:
        if self._running:
            await asyncio.wait(list(self._running.values()))

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Work in a task of its own: what a bug raises is logged, and ends neither the others nor the worker."""
        self._running[name] = task = asyncio.create_task(work)
        task.add_done_callback(partial(self._over, name))

    def _over(self, name: str, task: "asyncio.Task[None]") -> None:
        del self._running[name]
        if not task.cancelled() and (error := task.exception()):
            log.error("doubt_look_failed", look=name, exc_info=error)

    async def _tell_ended(self) -> None:
        """Tell of the doubts that commands of ours have ended."""
        while self._doubts.ended:
            ended = self._doubts.ended[0]
            if told := await self._recorded(ended.doubt, settled(ended, self._clock())):
                self._run(f"event {told[1].id}", self._relay.publish(*told))
            self._doubts.ended.popleft()

    async def _due(self) -> list[tuple[Account, bool]]:
        """The accounts to be looked at, and whether at all that is in doubt there, be it due or not."""
        looks = await self._doubts.next_looks()
        wanted, self._wanted, self._doubted = self._wanted, set(), frozenset(looks)
        self._answered = {name: at for name, at in self._answered.items() if name in looks}
        recovered, now = self._troubles.recovered(), self._clock()
        known = ((account, at) for name, at in looks.items() if (account := self._accounts.get(name)))
        reachable = ((account, at) for account, at in known if not self._troubles.is_down(account.site))
        asked_for = ((account, account.id in wanted or account.site[:2] in recovered, at) for account, at in reachable)
        return [(account, asked) for account, asked, at in asked_for if asked or at <= now]

    async def _look(self, account: Account, *, asked_for: bool) -> None:
        """Look at an account. While events are published, other workers may have their turns."""
        told: list[Told] = []
        try:
            async with self._at_once[account.site], self._ledger.turn(f"doubts:{account.id}") as ours:
                for doubts in await self._to_be_read(account, asked_for=asked_for) if ours else ():
                    told += await self._looked_at(account, doubts)
        except LedgerUnavailable as error:
            log.warning("doubts_not_read", account=account.id, error=str(error))
        for position, event in told:
            await self._relay.publish(position, event)

    async def _to_be_read(self, account: Account, *, asked_for: bool) -> Iterable[list[Doubt]]:
        """The doubts of an account that are to be looked at, together where one answer tells of all."""
        now, together = self._clock(), defaultdict[Group, list[Doubt]](list)
        for doubt in await self._doubts.of(account.id):
            # The id may mean an account of another venue by now.
            if doubt.exchange == account.exchange and (asked_for or doubt.next_look <= now):
                together[_group(doubt)].append(doubt)
        return together.values()

    async def _looked_at(self, account: Account, doubts: list[Doubt]) -> list[Told]:
        """Ask the venue about doubts, and record what it shows. That it is asked is written down first."""
        now, settles = self._clock(), doubts[-1].since + SETTLE_MS
        if doubts[-1].moves_money and now < settles:
            await self._doubts.put_off(doubts, settles)
            return []
        again = now + _wait(doubts[-1].tries)
        await self._doubts.put_off(doubts, again, doubts[-1].problem, tried=1)
        try:
            reading = await self._read(account, doubts[-1])
        except (VenueError, Expired) as error:
            log.info("still_in_doubt", account=account.id, **_about(doubts[-1]), reason=str(error))
            closed = (error.retry_after or 0) if isinstance(error, Throttled) else 0
            await self._doubts.put_off(doubts, max(again, self._clock() + closed), str(error))
            return []
        if now < settles and not _is_as_last_wanted(doubts, reading):
            await self._doubts.put_off(doubts, settles)
            return []
        return [told for doubt in doubts if (told := await self._recorded(doubt, self._resolution(doubt, reading)))]

    async def _read(self, account: Account, doubt: Doubt) -> Reading:
        """What the venue shows now. Nobody waits for it, so everybody's requests come before this one."""
        asked, adapter = self._clock(), self._adapter_of(account)
        calls = VenueCalls(asked + self._timeout_ms, self._clock, urgency=Urgency.AFTER_COMMAND)
        if doubt.is_margin_move:
            return await self._read_margin(asked, doubt, adapter, calls)
        if doubt.is_of_position_mode:
            address = _address(doubt, adapter)
            return Reading(asked, await calls.read(lambda: adapter.position_modes(address)))
        if not doubt.is_sweep:
            market = adapter.market(doubt.subject, doubt.market_type)
            return Reading(asked, await calls.read(lambda: adapter.terms(market)))
        if (venue := adapter.portfolio_margin) is None:
            raise NotSupported("this account has no Portfolio Margin side any more")
        balances = await calls.read(venue.balance)
        return Reading(asked, balances={name: row.model_dump() for name, row in balances.items()})

    async def _read_margin(self, asked: Milliseconds, doubt: Doubt, adapter: Adapter, calls: VenueCalls) -> Reading:
        """The margin of the position that was meant. One that is gone shows no more of it, ever."""
        market, side = adapter.market(doubt.subject, doubt.market_type), doubt.position_side
        moves = await calls.read(lambda: adapter.margin_movements(market, doubt.since - AROUND_MS))
        try:
            found = await calls.read(lambda: adapter.isolated_margin(market, side))
        except PreconditionFailed as gone:
            return Reading(asked, gone=gone.message, moves=moves)
        return Reading(asked, margin=found, moves=moves)

    def _resolution(self, doubt: Doubt, reading: Reading) -> DoubtResolution:
        return read_back(doubt, reading, self._clock())

    async def _recorded(self, doubt: Doubt, how: DoubtResolution) -> Told | None:
        """Record how a doubt ended; None where it had ended before, or where a command may have changed what was read.

        Then it is looked at again, if it is still there.
        """
        event, read = outgoing(event_of(how, self._ledger.epoch.number)), how.as_of if how.settled_by is None else None
        try:
            position = await self._doubts.resolve(doubt, event, encode(how).decode(), how.resolved, read=read)
        except StaleWrite:
            await self._doubts.put_off((doubt,), self._clock() + FIRST_WAIT_MS)
            return None
        log.info("doubt_resolved", account=doubt.account, **_about(doubt), message=how.message)
        return position, event


class Troubles:
    """Which venues have trouble, and which have none any more."""

    def __init__(self, venues: Callable[[], tuple[VenueState, ...]]) -> None:
        self._venues = venues
        self._in_trouble: frozenset[tuple[str, str]] = frozenset()

    def is_down(self, site: Site) -> bool:
        """Whether nothing gets through to a venue."""
        return site[:2] in self._in_all(VenueHealth.DOWN)

    def recovered(self) -> frozenset[tuple[str, str]]:
        """The venues, by name and network, whose trouble is over since this was asked last."""
        before, self._in_trouble = self._in_trouble, self._in_all(VenueHealth.DOWN, VenueHealth.FAILING)
        return before - self._in_trouble

    def _in_all(self, *healths: VenueHealth) -> frozenset[tuple[str, str]]:
        """The venues that are so wherever they are reached."""
        states = self._venues()
        others = {(state.exchange, state.network) for state in states if state.health not in healths}
        return frozenset((state.exchange, state.network) for state in states) - others


def _wait(tries: int) -> Milliseconds:
    """How long to wait for the next look."""
    return int(1000 * backoff_s(tries + 1, FIRST_WAIT_MS / 1000, LONGEST_WAIT_MS / 1000, least=0))


def _group(doubt: Doubt) -> Group:
    """What has to be asked about a doubt. All sweeps of an account are told of by its balances."""
    if doubt.is_sweep:
        return "balances", "", ""
    if doubt.is_margin_move:
        return f"margin of {doubt.position_side}", doubt.subject, doubt.market_type
    return "position mode" if doubt.is_of_position_mode else "terms", doubt.subject, doubt.market_type


def _address(doubt: Doubt, adapter: Adapter) -> ModeAddress:
    """Whose position mode is in doubt. Raises UnknownSymbol."""
    market = adapter.market(doubt.symbol, doubt.market_type) if doubt.symbol else None
    return ModeAddress(market, doubt.request.get("settle"))


def _is_as_last_wanted(doubts: Iterable[Doubt], reading: Reading) -> bool:
    """Whether the last command of each operation has its way: what was wanted before it counts no more."""
    newest, setting = {doubt.operation: doubt for doubt in doubts}.values(), reading.setting
    return setting is not None and all(is_as_wanted(doubt, setting) for doubt in newest)


def _about(doubt: Doubt) -> dict[str, Any]:
    """What a line of the log says a doubt is about."""
    names = {"command_id": doubt.command, "operation": doubt.operation, "symbol": doubt.symbol, "asset": doubt.asset}
    return {**{name: value for name, value in names.items() if value}, "wanted": doubt.wanted, "since": doubt.since}
