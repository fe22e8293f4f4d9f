"""A worker that kills itself, once, at a step of a command: exactly as `kill -9` would at that moment.

It dies when it comes to the step that is its argument for the first time and the file `die` is in the state folder, or
after as many times more as stand in it; that file is gone then, so that the same program started again goes on.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import structlog
import uvloop

from worker.accounts.account import Account, Accounts
from worker.accounts.slots import Slots
from worker.app.bootstrap import consuming, open_venues
from worker.app.parts import Bus, Worker, build_worker
from worker.config.locations import read_accounts
from worker.config.logs import configure_logging
from worker.config.settings import Settings
from worker.ledger.commands import Commands, Entry, Registration
from worker.ledger.ledger import open_ledger
from worker.ledger.sweep_slots import SweepSlots
from worker.ledger.terms.terms_applies import TermsApplies, TermsApply
from worker.messages.wire import DeadLetter, Delivery, Outgoing, Reply
from worker.venues.lifecycle.registry import limits_kept
from worker.venues.port.adapter import Adapter

STEPS = ("received", "noted", "intended", "sent", "finished", "answered", "published", "handled")
"""After each of these nothing more is done."""

SWEEP_STEPS = ("commanded", "over")
"""Those of a scheduled sweep, before it is a command as any other."""

SWEPT = "swept"
"""How the ids of accounts begin that are swept by schedule, more often than a registry can say."""

OFTEN = Slots("each other second", period=2_000, offset=0, grace=1_900)

STEPS_OF_TERMS = ("begun", "progress told")
"""Further ones of a command that applies terms: its plan is recorded, and how far it has come."""

T = TypeVar("T")

log = structlog.get_logger(__name__)


class Fate:
    """When to die."""

    def __init__(self, step: str, marker: Path) -> None:
        self._step = step
        self._marker = marker
        self._times = 0

    def reached(self, step: str) -> None:
        """Die here, if it is the step."""
        if step == self._step and self._marker.exists():
            self._times += 1
            if self._times > int(self._marker.read_text() or 0):
                self._marker.unlink()
                os.kill(os.getpid(), signal.SIGKILL)


class MortalCommands(Commands):
    """The ledger's commands, with the steps around them."""

    fate: Fate

    async def register(self, entry: Entry) -> Registration:
        noted = await super().register(entry)
        self.fate.reached("noted")
        return noted

    async def record_intent(self, entry: Entry, attempt: int, at: int, *, durable: bool) -> None:
        await super().record_intent(entry, attempt, at, durable=durable)
        self.fate.reached("intended")

    async def finish(self, *arguments: Any, **options: Any) -> int | None:
        position = await super().finish(*arguments, **options)
        self.fate.reached("finished")
        return position


class MortalSlots(SweepSlots):
    """The slots of scheduled sweeps, with the step behind them."""

    fate: Fate

    async def over(self, *arguments: Any) -> int | None:
        position = await super().over(*arguments)
        self.fate.reached("over")
        return position


class MortalApplies(TermsApplies):
    """The terms that are applied, with the steps behind what is written of them."""

    fate: Fate

    async def begin(self, apply: TermsApply, told: Outgoing) -> int | None:
        position = await super().begin(apply, told)
        self.fate.reached("begun")
        return position

    async def tell(self, *arguments: Any) -> int:
        position = await super().tell(*arguments)
        self.fate.reached("progress told")
        return position


class MortalBus:
    """The bus, with the steps behind it."""

    def __init__(self, bus: Bus, fate: Fate) -> None:
        self._bus = bus
        self._fate = fate

    async def command(self, *arguments: Any, **named: Any) -> None:
        await self._bus.command(*arguments, **named)
        self._fate.reached("commanded")

    async def event(self, event: Outgoing) -> None:
        await self._bus.event(event)
        if event.type == "perps-dma.result.v1":
            self._fate.reached("published")

    async def reply(self, delivery: Delivery, reply: Reply) -> None:
        await self._bus.reply(delivery, reply)
        self._fate.reached("answered")

    async def refuse(self, delivery: Delivery, reply: Reply) -> bool:
        return await self._bus.refuse(delivery, reply)


class Mortal:
    """An object whose named methods are followed by the step `sent`; everything else is passed through."""

    def __init__(self, inner: Any, fate: Fate, methods: frozenset[str]) -> None:
        self._inner = inner
        self._fate = fate
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if name == "portfolio_margin" and value is not None:
            return Mortal(value, self._fate, self._methods)
        if name not in self._methods:
            return value

        async def then_reached(*arguments: Any) -> Any:
            result = await value(*arguments)
            self._fate.reached("sent")
            return result

        return then_reached


CHANGES = frozenset({"set_leverage", "set_margin_mode", "set_position_mode", "auto_collect", "asset_collect"})


class MortalService:
    """The service, with the steps before and behind it."""

    def __init__(self, handle: Callable[[Delivery], Any], fate: Fate) -> None:
        self._handle = handle
        self._fate = fate

    async def handle(self, delivery: Delivery) -> DeadLetter | None:
        self._fate.reached("received")
        letter: DeadLetter | None = await self._handle(delivery)
        self._fate.reached("handled")
        return letter


def _swept(account: Account) -> Account:
    return account.model_copy(update={"auto_collect": OFTEN}) if account.id.startswith(SWEPT) else account


async def serve(step: str) -> None:
    """Work until killed."""
    settings = Settings()
    configure_logging(settings, "worker")
    fate, accounts = Fate(step, settings.state / "die"), Accounts(map(_swept, read_accounts(settings)))
    limits = limits_kept(settings.limit_share, settings.granted_limits, settings.background_share)
    async with (
        open_venues(accounts, settings.venue_timeout_ms, limits, settings.markets_reload_s) as venues,
        open_ledger(settings.ledger) as ledger,
    ):
        mortal_commands = MortalCommands(ledger.database, ledger.owner, ledger.patience, ledger.doubts, ledger.epoch)
        mortal_commands.fate = fate
        ledger.commands = mortal_commands
        ledger.sweep_slots = MortalSlots(ledger.database, ledger.owner)
        ledger.sweep_slots.fate = fate
        ledger.applies = applies = MortalApplies(ledger.database, ledger.owner)
        applies.fate = fate

        def adapter(account: Account) -> Adapter:
            return Mortal(venues.adapter(account), fate, CHANGES)

        def build(bus: Bus) -> Worker:
            worker = build_worker(settings, accounts, adapter, ledger, MortalBus(bus, fate))
            return replace(worker, handle=MortalService(worker.handle, fate).handle)

        async with consuming(settings, build):
            log.info("worker_ready")
            await asyncio.Event().wait()


def main() -> None:
    """Work until killed, with the step to die at as the argument."""
    uvloop.run(serve(sys.argv[1]))
