"""The controls of documents that are kept: keep, read, drop."""

import json
from dataclasses import dataclass
from typing import Any

import orjson

from schemas import ErrorCode, failure
from schemas.base import utc_text
from schemas.control import Exchange
from schemas.events import KeepEvent, event_id
from schemas.problems import unknown_account
from schemas.terms import (
    DropTerms,
    GetTerms,
    KeepingChanged,
    KeepTerms,
    KeptDocument,
    KeptDocuments,
    KeptState,
    MendedSetting,
    TermsDocument,
)
from worker.accounts.account import Account, Accounts
from worker.execution.requests import RequestRejected
from worker.execution.service import ControlHandler
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers.plan import QueryResult
from worker.ledger.audit import Audited
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import StaleWrite
from worker.ledger.terms.kept_terms import MOST_TOLD, Keeping, Mend
from worker.messages.wire import Outgoing, encode, outgoing
from worker.runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class KeepingOffice:
    """What the controls need."""

    ledger: Ledger
    relay: OutboxRelay
    accounts: Accounts
    clock: Clock

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {"keep_terms": self.keep, "get_terms": self.get, "drop_terms": self.drop}

    async def keep(self, request: KeepTerms, actor: str | None) -> QueryResult:
        """Keep a document from now on. One that is kept already becomes a new version, and is suspended no more."""
        account, now = self._known(request.exchange_account_id), self.clock()
        before = await self.ledger.kept.of(account.id)
        version = before.version + 1 if before else 1
        keeping = Keeping(account.id, account.exchange, version, document_json(request), actor, now, now)
        change = changed(keeping, KeptState.KEPT, actor, now)
        details = {"version": version, "document": json.loads(keeping.document)}
        position = await self.ledger.kept.keep(
            keeping, Audited(now, actor, "keep_terms", account.id, details), event_of(change, self.ledger.epoch.number)
        )
        await self.relay.publish(position, event_of(change, self.ledger.epoch.number))
        return QueryResult(change, message=f"the terms of {account.id} are kept, version {version}")

    async def drop(self, request: DropTerms, actor: str | None) -> QueryResult:
        """Keep it no more. Raises RequestRejected where nothing is kept."""
        account, now = self._known(request.exchange_account_id), self.clock()
        if (keeping := await self.ledger.kept.of(account.id)) is None:
            raise _nothing_kept(account)
        change = changed(keeping, KeptState.DROPPED, actor, now)
        event, details = event_of(change, self.ledger.epoch.number), {"version": keeping.version}
        try:
            position = await self.ledger.kept.drop(
                account.id, Audited(now, actor, "drop_terms", account.id, details), event
            )
        except StaleWrite:
            raise _nothing_kept(account) from None
        await self.relay.publish(position, event)
        return QueryResult(change, message=f"the terms of {account.id} are kept no more; what is in force stays")

    async def get(self, request: GetTerms, actor: str | None) -> QueryResult:
        """What is kept, and how that fares."""
        if request.exchange_account_id is not None:
            self._known(request.exchange_account_id)
        kept = await self.ledger.kept.all()
        meant = [row for row in kept if request.exchange_account_id in (None, row.account)]
        rows = tuple([_told(row, (await self.ledger.kept.mends_of(row.account, 0))[:MOST_TOLD]) for row in meant])
        return QueryResult(KeptDocuments(terms=rows, count=len(rows)))

    def _known(self, account_id: str) -> Account:
        if (account := self.accounts.get(account_id)) is None:
            raise RequestRejected(unknown_account(account_id))
        return account


def document_json(document: TermsDocument) -> str:
    """A document, as it is kept."""
    return encode(document.model_dump(exclude_none=True)).decode()


def changed(
    keeping: Keeping, state: KeptState, actor: str | None, at: int, reason: str | None = None
) -> KeepingChanged:
    """What everybody is told of a document that is kept, suspended or dropped."""
    exchange: Exchange = keeping.exchange  # type: ignore[assignment]  # out of our own table
    return KeepingChanged(
        exchange=exchange,
        exchange_account_id=keeping.account,
        version=keeping.version,
        state=state,
        reason=reason,
        actor=actor,
        at=at,
    )


def event_of(change: KeepingChanged, epoch: int) -> Outgoing:
    """The same as an event."""
    about = (change.exchange_account_id, change.version, change.state, change.at)
    return outgoing(
        KeepEvent(
            id=event_id("keep", epoch, *about),
            subject=change.exchange_account_id,
            time=utc_text(change.at),
            epoch=epoch,
            data=change,
        )
    )


def _told(keeping: Keeping, mends: list[Mend]) -> KeptDocument:
    document: dict[str, Any] = orjson.loads(keeping.document)
    return KeptDocument(
        exchange=keeping.exchange,
        exchange_account_id=keeping.account,
        version=keeping.version,
        document=document,
        actor=keeping.actor,
        since=keeping.since,
        state=KeptState.KEPT if keeping.suspended is None else KeptState.SUSPENDED,
        reason=keeping.reason,
        looked=keeping.looked,
        problem=keeping.problem,
        mends=keeping.mends,
        mended=tuple(
            MendedSetting(
                symbol=mend.symbol,
                setting=mend.setting,
                at=mend.at,
                command_id=mend.command,
                reversal=bool(mend.reversal),
            )
            for mend in mends
        ),
    )


def _nothing_kept(account: Account) -> RequestRejected:
    message = f"no terms of {account.id} are kept"
    return RequestRejected(failure(ErrorCode.PRECONDITION_FAILED, message))
