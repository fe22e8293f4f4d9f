"""The dead letters, for whoever watches over the service: listing them, sending them again, dropping them.

What is done is written down before a letter is taken out, together with the event that tells it. Whatever ends the
worker between the two leaves the letter where it is; one that was sent again is then there twice, under one id.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from schemas import ErrorCode, failure
from schemas.base import Milliseconds
from schemas.client.trouble import CONNECTION_TROUBLE
from schemas.events import DeadLettersAction, DeadLettersEvent
from schemas.letters import (
    LONGEST_BODY,
    MOST_LOOKED_THROUGH,
    DeadLetterList,
    DeadLetterRow,
    DeadLetterSettled,
    DropDeadLetter,
    GetDeadLetters,
    RequeueDeadLetter,
    SettleDeadLetter,
    unknown_letter,
)
from worker.accounts.account import Accounts
from worker.accounts.registry import CREDENTIALS
from worker.bus.dead_letters import (
    DeadLetters,
    Letter,
    LettersBusy,
    LettersUnavailable,
    Record,
    Settled,
    UnknownLetter,
    change_event,
)
from worker.execution.requests import RequestRejected
from worker.execution.service import ControlHandler
from worker.execution.telling.outbox_relay import OutboxRelay
from worker.handlers.plan import QueryResult
from worker.ledger.audit import Audited
from worker.ledger.ledger import Ledger
from worker.ledger.sql.errors import LedgerUnavailable
from worker.messages.wire import outgoing
from worker.runtime.clock import Clock
from worker.venues.client.masking import HIDDEN, SecretMask

BUSY_S = 3.0
"""How long we wait for somebody else who has the letters."""

BUSY_POLL_S = 0.1

LOOKED_THROUGH = 2 * LONGEST_BODY
"""Characters of a body that are looked through for secrets: one that is cut in the middle is not recognised."""

_NAMED = re.compile(
    r"""(?P<name>(?:secret|api_?key|passw|passphrase|private_?key|token|signature)[\w.-]*["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|[^\s,}\]&]+)""",
    re.IGNORECASE,
)
"""A field whose value is told to nobody, by a part of its name; in JSON, in a query string, or in what is neither."""

Hold = Callable[[], AbstractAsyncContextManager[DeadLetters]]
"""Holds the letters for as long as the context lasts. Raises LettersUnavailable or one of CONNECTION_TROUBLE."""


@dataclass(slots=True)
class LetterOffice:
    """What the controls of the dead letters need. One request at a time has the letters; others wait for it."""

    ledger: Ledger
    relay: OutboxRelay
    accounts: Accounts
    clock: Clock
    hold: Hold
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)

    def handlers(self) -> dict[str, ControlHandler]:
        """The controls by name."""
        return {
            "get_dead_letters": self.get_dead_letters,
            "requeue_dead_letter": self.requeue_dead_letter,
            "drop_dead_letter": self.drop_dead_letter,
        }

    async def get_dead_letters(self, request: GetDeadLetters, actor: str | None) -> QueryResult:
        """The letters that are meant, the oldest first."""
        async with self._held() as held:
            found = [letter for letter in held.letters if _is_meant(letter, request)]
            masked = _Masked(self.accounts)
            rows = tuple(_row(letter, masked) for letter in found[: request.limit])
            more = held.more or len(found) > request.limit
        return QueryResult(DeadLetterList(dead_letters=rows, count=len(rows), more=more))

    async def requeue_dead_letter(self, request: RequeueDeadLetter, actor: str | None) -> QueryResult:
        """Send a letter again."""
        async with self._held() as held:
            letter = _named(held, request)
            record = self._record("requeue", "requeued", request.reason, actor)
            _require_done(await held.requeue([letter], record))
        message = f"{letter.id} was sent again to {letter.operation}; its result event will tell what becomes of it"
        return QueryResult(_settled(letter), message=message)

    async def drop_dead_letter(self, request: DropDeadLetter, actor: str | None) -> QueryResult:
        """Throw a letter away."""
        async with self._held() as held:
            letter = _named(held, request)
            record = self._record("drop", "dropped", request.reason, actor)
            _require_done(await held.drop([letter], record))
        return QueryResult(_settled(letter), message=f"{letter.id} was thrown away")

    async def adopt(self, event: DeadLettersEvent, at: Milliseconds) -> None:
        """Write down what somebody did without a worker, letter by letter. Raises LedgerUnavailable."""
        done = event.data
        name = "requeue" if done.action == "requeued" else "drop"
        columns = {"operation": done.operations, "account": done.accounts, "sender": done.senders}
        columns["died_of"] = done.reasons
        for index, letter_id in enumerate(done.letters):
            about = {key: next(iter(told[index:]), None) for key, told in columns.items()}
            details = {"reason": done.why, **about, "event": event.id}
            await self.ledger.audit.adopt(Audited(at, done.actor, name, letter_id, details))

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[DeadLetters]:
        """The letters. Raises RequestRejected where they can't be had."""
        give_up = monotonic() + BUSY_S
        async with self._one:
            while True:
                try:
                    async with self.hold() as held:
                        yield held
                    return
                except LettersBusy as error:
                    if monotonic() > give_up:
                        raise RequestRejected(failure(ErrorCode.OVERLOADED, str(error))) from error
                except LettersUnavailable as error:
                    raise RequestRejected(failure(ErrorCode.BROKER_UNAVAILABLE, str(error))) from error
                except CONNECTION_TROUBLE as error:
                    message = f"the broker does not give the dead letters now ({error}); look before you try again"
                    raise RequestRejected(failure(ErrorCode.BROKER_UNAVAILABLE, message)) from error
                await asyncio.sleep(BUSY_POLL_S)

    def _record(self, name: str, action: DeadLettersAction, why: str, actor: str | None) -> Record:
        """Writes down what is done with a letter, with the event that tells it."""

        async def record(letter: Letter) -> None:
            at = self.clock()
            event = change_event(action, actor, why, [letter], at)
            told = outgoing(event.model_copy(update={"epoch": self.ledger.epoch.number}))
            row = Audited(at, actor, name, letter.id, _details(letter, why))
            try:
                position = await self.ledger.audit.note(row, told)
            except LedgerUnavailable as error:
                message = f"{error}; {_LEFT[action]}"
                raise RequestRejected(failure(ErrorCode.LEDGER_UNAVAILABLE, message)) from error
            await self.relay.publish(position, told)

        return record


_LEFT = {
    "requeued": "the letter was sent again and stays as well, for it could not be written down; to send it once more "
    "under its id does no harm",
    "dropped": "the letter stays, for it could not be written down who drops it",
}


_BEHIND = (
    f"Only the {MOST_LOOKED_THROUGH:,} oldest were looked through, and there are more, which `perps-dma dead-letters` "
    "reaches on the command line"
)


def _named(held: DeadLetters, request: SettleDeadLetter) -> Letter:
    try:
        [letter] = held.named([request.letter_id])
    except UnknownLetter as error:
        message = str(error) if not held.more else f"{error}. {_BEHIND}"
        raise RequestRejected(unknown_letter(message, request.letter_id)) from error
    return letter


def _require_done(settled: Settled) -> None:
    if settled.problem is not None:
        raise RequestRejected(failure(ErrorCode.BROKER_UNAVAILABLE, settled.problem))


def _details(letter: Letter, why: str) -> dict[str, Any]:
    return {
        "reason": why,
        "operation": letter.operation,
        "account": letter.account,
        "sender": letter.actor,
        "died_of": letter.reason,
    }


def _settled(letter: Letter) -> DeadLetterSettled:
    return DeadLetterSettled(
        letter_id=letter.id,
        command_id=letter.message.message_id,
        operation=letter.operation,
        exchange_account_id=letter.account,
    )


def _is_meant(letter: Letter, request: GetDeadLetters) -> bool:
    died = _died(letter)
    return (
        request.exchange_account_id in (None, letter.account)
        and request.operation in (None, letter.operation)
        and (request.since is None or (died is not None and died >= request.since))
    )


def _died(letter: Letter) -> Milliseconds | None:
    return None if letter.time is None else int(letter.time.timestamp() * 1000)


def _row(letter: Letter, masked: "_Masked") -> DeadLetterRow:
    body = letter.message.body
    return DeadLetterRow(
        letter_id=letter.id,
        command_id=letter.message.message_id,
        at=_died(letter),
        operation=letter.operation,
        exchange_account_id=letter.account,
        actor=letter.actor,
        reason=masked.text(letter.reason, letter.account),
        body=masked.body(body, letter.account),
        body_bytes=len(body),
    )


class _Masked:
    """Takes secrets out of what anybody may have sent: by the names of fields, and by those of our accounts."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        revealed = (account.reveal(name) for account in accounts.values() for name in CREDENTIALS)
        self._secrets = frozenset(filter(None, revealed))
        self._masks: dict[str, SecretMask] = {}

    def body(self, body: bytes, account: str | None) -> str | None:
        """The beginning of a body, as it may be told; None where it is no text."""
        try:
            return self.text(body.decode()[:LOOKED_THROUGH], account)[:LONGEST_BODY]
        except UnicodeDecodeError:
            return None

    def text(self, text: str, account: str | None) -> str:
        """A text without the secrets of our accounts; those of the account that it is about in no other form either."""
        text = _NAMED.sub(rf'\g<name>"{HIDDEN}"', text)
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        return self._mask(account)(text) if account in self._accounts else text

    def _mask(self, account: str | None) -> SecretMask:
        account = str(account)
        if account not in self._masks:
            self._masks[account] = SecretMask(*map(self._accounts[account].reveal, CREDENTIALS))
        return self._masks[account]
