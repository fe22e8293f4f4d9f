"""Mending drift from documents that are kept, and ceasing to before it becomes a fight.

    due ─▶ frozen                                   suspended
        ─▶ planned: as it should be                 looked at again later
                    otherwise, and as we had set    the second reversal within an hour ─▶ suspended
                                                    ─▶ written down ─▶ applied by a command of the actor `keeper`
        ─▶ can't be read, or not be mended          tried again later and later; after some times suspended

Workers on one ledger take turns: a document is looked at by one at a time.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from uuid import UUID, uuid5

import orjson
import structlog
from pydantic import ValidationError

from schemas import OPERATIONS, Outcome
from schemas.base import Milliseconds
from schemas.problems import invalid_request, problems_of
from schemas.terms import ApplyTerms, KeptState, PlannedRow, PlannedState, PlanTerms, TermsPlan
from worker.accounts.account import Account, Accounts
from worker.execution.calls import VenueCalls
from worker.execution.dispatch import Dispatch
from worker.execution.errors import TakenOver
from worker.execution.failures import CommandFailure, refusal
from worker.execution.requests import Command, RequestRejected
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers import QUERY_HANDLERS
from worker.ledger.audit import Audited
from worker.ledger.commands import Record
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable, StaleWrite
from worker.ledger.terms.kept_terms import Keeping, Mend
from worker.messages.wire import Reply, ShuttingDown
from worker.runtime.clock import Clock
from worker.runtime.periodic import periodically
from worker.terms.applies import TermsOffice
from worker.terms.keeping import changed, event_of
from worker.venues.limits import Urgency

log = structlog.get_logger(__name__)

KEEPER = "keeper"
"""The actor of the commands that mend."""

MENDS = UUID("0b4b5f0e-7d1e-4ab8-9a7b-5d2f0c6e3a51")
"""The namespace of their ids (UUID version 5)."""

LOOK_S = 1.0
BETWEEN_LOOKS_MS: Milliseconds = 30_000
"""How often an account is compared with its document."""

LONGEST_MS: Milliseconds = 600_000

HOUR_MS: Milliseconds = 3_600_000
MOST_REVERSALS = 2
"""What was set back so often within an hour is wanted otherwise by somebody: it is set no more."""

MOST_FAILURES = 5
"""How often in a row mending may fail."""

READING_MS: Milliseconds = 60_000


class TermsKeeper:
    """Looks at what is kept. Bootstrap gives it all its parts."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        relay: OutboxRelay,
        dispatch: Dispatch,
        office: TermsOffice,
        accounts: Accounts,
        timeout_ms: Milliseconds,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._relay = relay
        self._dispatch = dispatch
        self._office = office
        self._accounts = accounts
        self._timeout_ms = timeout_ms
        self._clock = clock
        self._running: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Look at what is due, until cancelled."""
        try:
            await periodically(self._begin, LOOK_S, tolerated=(LedgerUnavailable,), told=_not_read)
        finally:
            for task in self._running.values():
                task.cancel()

    async def look(self) -> None:
        """Look at what is due now; returns when all of it was looked at and mended."""
        await self._begin()
        if self._running:
            await asyncio.wait(list(self._running.values()))

    async def _begin(self) -> None:
        for keeping in () if self._office.has_ceased else await self._ledger.kept.due(self._clock()):
            account = self._accounts.get(keeping.account)
            if account is None or account.exchange != keeping.exchange or keeping.account in self._running:
                continue
            task = self._running[keeping.account] = asyncio.create_task(self._in_turn(account))
            task.add_done_callback(partial(self._over, keeping.account))

    def _over(self, account_id: str, task: "asyncio.Task[None]") -> None:
        del self._running[account_id]
        if not task.cancelled() and (error := task.exception()):
            log.error("keeper_failed", account=account_id, exc_info=error)

    async def _in_turn(self, account: Account) -> None:
        """Look at a document while no other worker does."""
        structlog.contextvars.bind_contextvars(account=account.id, venue=account.venue)
        try:
            async with self._ledger.turn(f"keep:{account.id}") as ours:
                keeping = await self._ledger.kept.of(account.id) if ours else None
                if keeping is not None and keeping.suspended is None and keeping.next_look <= self._clock():
                    await self._look_at(account, keeping)
        except LedgerUnavailable as error:
            log.warning("kept_terms_not_read", error=str(error))
        except (ShuttingDown, TakenOver, StaleWrite) as left:
            log.info("keeping_left", reason=str(left) or type(left).__name__)

    async def _look_at(self, account: Account, keeping: Keeping) -> None:
        if freeze := await self._ledger.freezes.of(account.exchange, account.id):
            await self._suspend(keeping, f"{freeze.scope} is frozen: {freeze.reason}")
            return
        if await self._ledger.applies.of_account(account.id) is not None:
            await self._again(keeping, None, keeping.failures)  # it is being changed as somebody wants it
            return
        plan = await self._planned(account, keeping)
        if isinstance(plan, CommandFailure):
            await self._again(keeping, plan.envelope.message, keeping.failures)
            return
        drifted = [row for row in plan.rows if row.state is PlannedState.CHANGE]
        if drifted:
            await self._mend(account, keeping, plan, drifted)
        else:
            await self._again(keeping, _not_so(plan), 0)

    async def _planned(self, account: Account, keeping: Keeping) -> TermsPlan | CommandFailure:
        """What is not as it should be. Nobody waits for it: everybody's requests come before."""
        try:
            request = PlanTerms.model_validate(orjson.loads(keeping.document))
        except ValidationError as error:  # another version of this program has kept it
            return refusal(RequestRejected(invalid_request(problems_of(error))))
        command = self._command(account, keeping, "plan_terms", request, READING_MS)
        calls = VenueCalls(command.deadline, self._clock, urgency=Urgency.SCHEDULED)
        found = await self._dispatch.query(command, QUERY_HANDLERS["plan_terms"], calls)
        if isinstance(found, CommandFailure):
            return found
        assert isinstance(found.data, TermsPlan)  # noqa: S101 - of this operation
        return found.data

    async def _mend(self, account: Account, keeping: Keeping, plan: TermsPlan, drifted: Iterable[PlannedRow]) -> None:
        """Set what is not as it should be, unless it was set back too often. It is written down first."""
        now, rows = self._clock(), list(drifted)
        lately = await self._ledger.kept.mends_of(account.id, max(now - HOUR_MS, keeping.since))
        in_force = await self._set_by(lately)
        ours = {(mend.symbol, mend.setting) for mend in lately if mend.symbol in in_force[mend.command]}
        reversed_before = {(mend.symbol, mend.setting) for mend in lately if mend.reversal}
        wanted = [(row.name, change) for row in rows for change in row.changes]
        if fought := next((one for one in wanted if one in reversed_before), None):
            symbol, setting = fought
            what = f"the {setting.replace('_', ' ')} of {symbol} was set back {MOST_REVERSALS} times within an hour"
            await self._suspend(keeping, what)
            return
        request = ApplyTerms.model_validate(orjson.loads(keeping.document) | {"fingerprint": plan.fingerprint})
        command = self._command(account, keeping, "apply_terms", request, self._timeout_ms)
        await self._ledger.kept.mended(keeping, (Mend(*one, now, command.id, int(one in ours)) for one in wanted))
        log.warning("terms_mended", count=len(wanted), command_id=command.id, version=keeping.version)
        problem = await self._applied(command, {row.name for row in rows})
        await self._settle(replace(keeping, mends=keeping.mends + 1), problem)

    async def _set_by(self, mends: Iterable[Mend]) -> dict[str, frozenset[str]]:
        """The symbols that earlier commands of the keeper have made as they should be, by command."""
        ids = sorted({mend.command for mend in mends})
        records = await self._ledger.command_list.of_ids(ids)
        return {name: symbols_set(records[name]) if name in records else frozenset() for name in ids}

    async def _applied(self, command: Command, wanted: set[str]) -> str | None:
        """Apply it, and wait for its end. Why it failed for some of what was wanted, if it did."""

        async def nobody(reply: Reply) -> None:
            """Nobody has asked."""

        try:
            await self._office.apply(command, nobody)
        except RequestRejected as refused:
            return refused.envelope.message
        record = await self._office.over(command.id)
        if record is None or record.outcome is None:
            return "it is not known how it ended"
        if wanted <= symbols_set(record):
            return None
        return str(orjson.loads(record.reply or "{}")["message"]).removeprefix("Error - ")

    async def _settle(self, keeping: Keeping, problem: str | None) -> None:
        """Look again soon where it was mended; where it failed later, and some time no more."""
        failures = 0 if problem is None else keeping.failures + 1
        if failures < MOST_FAILURES:
            await self._again(keeping, problem, failures)
            return
        await self._suspend(keeping, f"mending failed {failures} times in a row: {problem}")

    async def _again(self, keeping: Keeping, problem: str | None, failures: int) -> None:
        now = self._clock()
        wait = min(LONGEST_MS, BETWEEN_LOOKS_MS * 2**failures)
        await self._ledger.kept.looked_at(keeping, now, now + wait, problem, failures)

    async def _suspend(self, keeping: Keeping, reason: str) -> None:
        """Mend it no more until an admin has it kept anew, and tell everybody."""
        now = self._clock()
        change = changed(keeping, KeptState.SUSPENDED, KEEPER, now, reason)
        event = event_of(change, self._ledger.epoch.number)
        details = {"version": keeping.version, "reason": reason}
        with suppress(StaleWrite):
            position = await self._ledger.kept.suspend(
                keeping, Audited(now, KEEPER, "suspend_terms", keeping.account, details), event
            )
            log.warning("keeping_suspended", version=keeping.version, reason=reason)
            await self._relay.publish(position, event)

    def _command(
        self,
        account: Account,
        keeping: Keeping,
        operation: str,
        request: PlanTerms | ApplyTerms,
        timeout_ms: Milliseconds,
    ) -> Command:
        """A command of the keeper; the same for the same document and number of mends before."""
        now = self._clock()
        about = "/".join((account.id, str(keeping.version), str(keeping.since), str(keeping.mends)))
        return Command(
            id=str(uuid5(MENDS, about)),
            operation=OPERATIONS[operation],
            request=request,
            account=account,
            actor=KEEPER,
            received=now,
            deadline=now + timeout_ms,
        )


def symbols_set(record: Record) -> frozenset[str]:
    """The symbols that a command which has ended found, or made, as they were wanted."""
    envelope = orjson.loads(record.reply or "{}")
    told = envelope.get("data") or envelope.get("error", {}).get("details", {})
    rows = (*told.get("position_modes", ()), *told.get("symbols", ()))
    return frozenset(row["symbol"] for row in rows if Outcome(row["outcome"]).succeeded)


def _not_so(plan: TermsPlan) -> str | None:
    """What is not as it should be, and can't be made so, or is not told."""
    rows = [row for row in plan.rows if row.state is not PlannedState.UNCHANGED]
    return f"{len(rows)} can't be as they should, {rows[0].name}: {rows[0].reason}" if rows else None


def _not_read(error: Exception) -> None:
    log.warning("kept_terms_not_read", error=str(error))
