"""Any order of deliveries, duplicates, crashes, time-outs, read-backs and freezes, against a model of the promises.

The model knows what was asked, what the venue really did, and what was told. A command is told apart at the venue by
its value: no two setters have the same leverage, no two collections the same asset.
"""

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from schemas import OPERATIONS
from tests.support.memory_venue import ACCOUNT, BTC, MAX_LEVERAGE, MemoryBus, MemoryVenue, Misbehaviour
from worker.accounts.account import Accounts
from worker.execution.dispatch import Dispatch
from worker.execution.executor import Answer, CommandExecutor
from worker.execution.requests import Command, RequestRejected
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers import COMMAND_HANDLERS
from worker.ledger.freezes import Freeze
from worker.ledger.ledger import Ledger, open_ledger
from worker.ledger.sql.errors import StaleWrite
from worker.messages.wire import Outgoing, Reply
from worker.venues.port.errors import Ambiguous, NotSent, PreconditionFailed, VenueError

T = TypeVar("T")

TIMEOUT_MS = 10_000
NEVER_SENT = {"expired", "rejected"}


class Died(BaseException):
    """The worker dies at the venue."""


AT_THE_VENUE: dict[str, tuple[type[BaseException], bool] | None] = {
    "fine": None,
    "time-out, applied": (Ambiguous, True),
    "time-out, not applied": (Ambiguous, False),
    "crash, applied": (Died, True),
    "crash, not applied": (Died, False),
    "refused": (PreconditionFailed, False),
}


@dataclass(slots=True)
class Asked:
    """A command of the model: what was asked, and all that was told of it."""

    id: str
    operation: str
    body: dict[str, Any]
    change: str
    deadline: int
    replies: list[Reply] = field(default_factory=list)
    events: list[Outgoing] = field(default_factory=list)

    def command(self, received: int, **other: Any) -> Command:
        operation = OPERATIONS[self.operation]
        request = operation.request.model_validate(self.body | other)
        return Command(self.id, operation, request, ACCOUNT, "ann", received, self.deadline)  # type: ignore[arg-type]

    @property
    def outcome(self) -> str | None:
        return self.replies[0].headers["Outcome"] if self.replies else None


class Promises(RuleBasedStateMachine):
    """A worker that is restarted again and again on one ledger."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        self.time = 1_000_000
        self.venue = MemoryVenue()
        self.asked: list[Asked] = []
        self.frozen = False
        self.stack = AsyncExitStack()
        self.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def start(self) -> None:
        """A worker, as a new process would be."""
        url = f"sqlite:///{self.folder / 'ledger.db'}"
        self.ledger: Ledger = self.run(self.stack.enter_async_context(open_ledger(url)))
        self.bus = MemoryBus()
        self.executor = CommandExecutor(
            ledger=self.ledger,
            relay=OutboxRelay(self.ledger, self.bus),
            dispatch=Dispatch(lambda _: self.venue, Accounts((ACCOUNT,))),
            owe_snapshot=self.no_snapshot,
            clock=lambda: self.time,
        )

    def no_snapshot(self, command: Command) -> None:
        """The snapshots are not the model's."""

    async def execute(self, command: Command, answer: Answer) -> None:
        """Have a command carried out as the service does."""
        await self.executor.execute(command, COMMAND_HANDLERS[command.operation.name], answer)

    def deliver(self, asked: Asked) -> bool:
        """Deliver a command once; whether the worker lived through it."""
        before = len(self.bus.events)

        async def answer(reply: Reply) -> None:
            asked.replies.append(reply)

        try:
            self.run(self.execute(asked.command(self.time), answer))
        except Died:
            self.restart()
            return False
        asked.events += self.bus.events[before:]
        assert len(self.bus.events) == before + 1
        return True

    def sends(self, asked: Asked) -> int:
        return self.venue.log.count(asked.change)

    @rule(setter=st.booleans(), late=st.booleans(), at_the_venue=st.sampled_from(sorted(AT_THE_VENUE)))
    def deliver_new(self, setter: bool, late: bool, at_the_venue: str) -> None:
        """A new command, to a venue in some mood."""
        number = len(self.asked) + 1
        leverage = number % int(MAX_LEVERAGE) + 1
        body = {"exchange_account_id": ACCOUNT.id}
        deadline = self.time - 1 if late else self.time + TIMEOUT_MS
        if setter:
            body |= {"symbol": BTC.symbol, "leverage": Decimal(leverage)}  # type: ignore[dict-item]
            asked = Asked(f"c-{number}", "set_leverage", body, f"leverage {leverage}", deadline)
        else:
            body |= {"asset": f"A{number}"}
            asked = Asked(f"c-{number}", "pm_asset_collect", body, f"collect A{number}", deadline)
        self.asked.append(asked)
        mood = AT_THE_VENUE[at_the_venue]
        self.venue.misbehaviours.clear()
        if mood is not None:
            kind, applied = mood
            self.venue.misbehaviours.append(Misbehaviour(kind("the venue's mood"), applied))
        self.deliver(asked)
        self.check_truth(asked)

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """The broker delivers a command once more, be it finished or interrupted."""
        asked = data.draw(st.sampled_from(self.asked))
        finished, sends, log = asked.outcome, self.sends(asked), len(self.venue.log)
        self.venue.misbehaviours.clear()
        self.deliver(asked)
        if finished:
            assert len(self.venue.log) == log, "a finished command made a venue call"
        elif asked.operation == "pm_asset_collect" and sends:
            assert (self.sends(asked), asked.outcome) == (sends, "unknown")
        self.check_truth(asked)

    @precondition(lambda self: self.asked)
    @rule(data=st.data(), kind=st.sampled_from([Ambiguous, NotSent]))
    def deliver_again_while_the_venue_cant_be_read(self, data: st.DataObject, kind: type[VenueError]) -> None:
        """A read-back that fails leaves a setter in doubt, and never makes it rejected or applied."""
        asked = data.draw(st.sampled_from(self.asked))
        interrupted = asked.outcome is None and self.sends(asked) > 0
        self.venue.misbehaviours.clear()
        self.venue.unreadable.extend([kind("can't be read")] * 3)
        self.deliver(asked)
        self.venue.unreadable.clear()
        if interrupted:
            assert asked.outcome == "unknown"

    @precondition(lambda self: self.asked)
    @rule(data=st.data())
    def reuse_an_id(self, data: st.DataObject) -> None:
        """The id of a command with another body is a conflict, and nothing happens."""
        asked = data.draw(st.sampled_from(self.asked))
        log = list(self.venue.log)
        other = {"leverage": Decimal(1)} if "leverage" in asked.body else {"asset": "OTHER"}

        async def answer(reply: Reply) -> None:
            raise AssertionError("a conflict was answered with a result")

        command = asked.command(self.time, **other)
        with pytest.raises(RequestRejected) as conflict:
            self.run(self.execute(command, answer))
        assert conflict.value.envelope.statusCode == 409
        assert self.venue.log == log

    @rule()
    def restart(self) -> None:
        """The worker ends, in whatever way, and another one starts."""
        self.run(self.stack.aclose())
        self.start()

    @rule(milliseconds=st.integers(1, 2 * TIMEOUT_MS))
    def time_passes(self, milliseconds: int) -> None:
        """Deadlines go by."""
        self.time += milliseconds

    @rule(frozen=st.booleans())
    def freeze_or_not(self, frozen: bool) -> None:
        """An admin freezes everything, or lifts it."""
        event = Outgoing("e", "perps-dma.freeze.v1", "control.freeze", "{}")
        act = self.ledger.freezes.freeze if frozen else self.ledger.freezes.unfreeze
        try:
            self.run(act(Freeze("all", "audit", None, self.time), event))
        except StaleWrite:
            assert self.frozen is frozen
        self.frozen = frozen

    def check_truth(self, asked: Asked) -> None:
        """What was just told is what happened."""
        if asked.outcome == "applied" and "leverage" in asked.body and len(asked.replies) == 1:
            assert self.venue.leverage == asked.body["leverage"]
        if asked.outcome in NEVER_SENT:
            assert self.sends(asked) == 0

    @invariant()
    def everybody_is_told_the_same_for_ever(self) -> None:
        """One reply and one event for each command, however often."""
        for asked in self.asked:
            assert len({(reply.status, reply.body) for reply in asked.replies}) <= 1
            assert len(set(asked.events)) <= 1
            assert len(asked.replies) == len(asked.events)

    @invariant()
    def money_is_moved_once(self) -> None:
        """No collection was ever sent twice."""
        log = Counter(self.venue.log)
        assert not [what for what, times in log.items() if what.startswith("collect") and times > 1]

    @invariant()
    def a_setter_is_sent_again_only_after_a_read_back(self) -> None:
        """Between two sendings of one setting the venue was read."""
        last: dict[str, int] = {}
        for position, what in enumerate(self.venue.log):
            if what.startswith("leverage"):
                assert what not in last or "terms" in self.venue.log[last[what] : position]
                last[what] = position

    def teardown(self) -> None:
        """Whatever was interrupted ends in an outcome when it is delivered at last: nothing is lost."""
        for asked in self.asked:
            if asked.outcome is None:
                self.venue.misbehaviours.clear()
                assert self.deliver(asked)
            assert asked.outcome is not None
        self.run(self.stack.aclose())
        self.runner.close()
        shutil.rmtree(self.folder)


Promises.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestPromises = pytest.mark.usefixtures("a_loop_apart")(Promises.TestCase)
