"""A venue's word on an account in danger: recorded before anything else, then told, and the account read at once."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from functools import partial

import structlog

from schemas.base import utc_text
from schemas.events import Risk, RiskEvent, event_id
from worker.accounts.account import Account
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.ledger.ledger import Ledger
from worker.messages.wire import Outgoing, outgoing
from worker.runtime.clock import now
from worker.venues.port.streams import RiskPush

log = structlog.get_logger(__name__)

REMEMBERED = 1_000
"""Pushes of an account that are known when they come again: venues repeat them after each connect."""


class RiskPushes:
    """The risk pushes of one account. `read` asks for a reading of high priority."""

    def __init__(self, account: Account, ledger: Ledger, relay: OutboxRelay, read: Callable[[], None]) -> None:
        self._account = account
        self._ledger = ledger
        self._relay = relay
        self._read = read
        self._known: OrderedDict[str, None] = OrderedDict()
        self._heard: asyncio.Queue[RiskPush] = asyncio.Queue()
        self._recorded: asyncio.Queue[tuple[int, Outgoing]] = asyncio.Queue()

    def hear(self, push: RiskPush) -> None:
        """A push came. One that came before is read after all the same, and told no second time."""
        identity = f"{push.kind}/{push.identity}"
        if identity in self._known:
            self._read()
            return
        self._known[identity] = None
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        self._heard.put_nowait(push)

    async def run(self) -> None:
        """Record and tell each, in their order, until cancelled; what was heard by then is recorded."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._publish())
            try:
                while True:
                    await self._record(await self._heard.get())
            finally:
                while not self._heard.empty():
                    await self._record(self._heard.get_nowait())

    async def _record(self, push: RiskPush) -> None:
        log.warning("risk_pushed", account=self._account.id, kind=push.kind, level=push.level)
        event = outgoing(risk_event(self._account, push, self._ledger.epoch.number))
        add = partial(self._ledger.outbox.add, event, now())
        position = await self._ledger.patience.retry_while_unavailable(add)
        self._recorded.put_nowait((position, event))
        self._read()

    async def _publish(self) -> None:
        while True:
            await self._relay.publish(*await self._recorded.get())


def risk_event(account: Account, push: RiskPush, epoch: int) -> RiskEvent:
    """A push for everybody: the same event, whoever heard it and however often."""
    return RiskEvent(
        id=event_id("risk", account.exchange, account.id, push.kind, push.identity),
        subject=account.id,
        time=utc_text(push.at),
        epoch=epoch,
        data=Risk(
            exchange=account.exchange,
            exchange_account_id=account.id,
            kind=push.kind,
            level=push.level,
            symbols=push.symbols,
            figures=dict(push.figures),
            at=push.at,
        ),
    )
