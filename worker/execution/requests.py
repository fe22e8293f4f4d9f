"""Receiving a request: from the bytes of a delivery to a command that can be carried out, or the reason why not."""

import hashlib
import re
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import uuid4

from pydantic import ValidationError

from schemas import OPERATIONS, ErrorCode, Failure, Operation, failure
from schemas.base import Milliseconds
from schemas.control import LONGEST_WHY, ControlRequest
from schemas.guardrails import UNGUARDED, Guardrails
from schemas.operations import CONTROL_EXCHANGE, Kind
from schemas.problems import invalid_request, problems_of, unknown_account
from schemas.requests import Request
from worker.accounts.account import Account, Accounts
from worker.accounts.guardrails import FORBIDS_ALL, canonical_of
from worker.ledger.commands import Entry
from worker.messages.wire import GUARDRAILS_HEADER, LARGEST_BODY, LONGEST_ACTOR, Delivery, encode
from worker.runtime.errors import ExecutionError

LONGEST_DEADLINE_MS: Milliseconds = 3_600_000
"""A deadline farther away counts as this far: an hour is long for a setting, and can be waited for."""

LASTING = frozenset({"keep_terms"})
"""Controls by which the service changes accounts later, in its own name.

Whoever is held to guardrails has none of it done, for it would not be held to theirs."""

_COMMAND_ID = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class Command:
    """A request that names a known operation and account, and has the documented form.

    `guardrails` are those of its sender's token; the account's are asked for when it is carried out.
    """

    id: str
    operation: Operation
    request: Request
    account: Account
    actor: str | None
    received: Milliseconds
    deadline: Milliseconds
    reason: str | None = None
    guardrails: Guardrails = UNGUARDED


def entry_of(command: Command) -> Entry:
    """A command as the ledger registers it.

    The `request` is as it was understood, always written in the same way. The `fingerprint` tells one from another: the
    same for the same operation and fields, however they were written. What was not given counts as nothing, so that a
    field more leaves the fingerprints of before as they were.
    """
    fields = {
        name: value.normalize() if isinstance(value, Decimal) else value  # 10, 10.0 and 1e1 are one number
        for name, value in command.request
        if value is not None
    }
    return Entry(
        id=command.id,
        operation=command.operation.name,
        exchange=command.account.exchange,
        account=command.account.id,
        actor=command.actor,
        fingerprint=hashlib.sha256(encode([command.operation.name, fields])).hexdigest(),
        request=encode(command.request.model_dump(exclude_none=True)).decode(),
        received=command.received,
        deadline=command.deadline,
        reason=command.reason,
        guardrails=None if command.guardrails == UNGUARDED else canonical_of(command.guardrails),
    )


def continued(command: Command, begun: Entry) -> Command:
    """A command that another worker has begun: its time and its guardrails are those that it began with.

    Where those can't be read, a later version has written them, nothing more of it is sent.
    """
    try:
        guardrails = guardrails_in(begun.guardrails)
    except RequestRejected:
        guardrails = FORBIDS_ALL
    return replace(command, received=begun.received, deadline=begun.deadline, guardrails=guardrails)


@dataclass(frozen=True, slots=True)
class Control:
    """A request about the service itself."""

    operation: Operation
    request: ControlRequest
    actor: str | None


class RequestRejected(ExecutionError):
    """The request is refused on receipt, and nothing was sent anywhere. `envelope` says why."""

    def __init__(self, envelope: Failure) -> None:
        super().__init__(envelope.message)
        self.envelope = envelope


class RequestParser:
    """Turns deliveries into commands."""

    def __init__(self, accounts: Accounts, timeout_ms: Milliseconds) -> None:
        self._accounts = accounts
        self._timeout_ms = timeout_ms

    def parse(self, delivery: Delivery, received: Milliseconds) -> Command | Control:
        """The command or control in a delivery. Raises RequestRejected."""
        operation = _operation_of(delivery)
        actor, reason = legible(delivery.actor, LONGEST_ACTOR), legible(delivery.reason, LONGEST_WHY)
        guardrails = UNGUARDED if operation.kind is Kind.CONTROL else guardrails_in(delivery.guardrails)
        try:
            request = operation.request.model_validate_json(delivery.body, strict=True)
        except ValidationError as error:
            raise RequestRejected(invalid_request(problems_of(error))) from error
        if isinstance(request, ControlRequest):
            return Control(operation, request, actor)
        if delivery.message_id is not None and not _COMMAND_ID.fullmatch(delivery.message_id):
            problem = "must be 1 to 128 visible ASCII characters, such as a UUID"
            raise RequestRejected(invalid_request([{"field": "message_id", "problem": problem}]))
        if (account := self._accounts.get(request.exchange_account_id)) is None:
            raise RequestRejected(unknown_account(request.exchange_account_id))
        deadline = received + self._timeout_ms
        if delivery.deadline is not None:
            deadline = max(0, min(delivery.deadline, received + LONGEST_DEADLINE_MS))
        return Command(
            id=delivery.message_id or str(uuid4()),
            operation=operation,
            request=request,
            account=account,
            actor=actor,
            received=received,
            deadline=deadline,
            reason=reason,
            guardrails=guardrails,
        )


def _operation_of(delivery: Delivery) -> Operation:
    """What a delivery asks for, with all that can be told before its body is read. Raises RequestRejected."""
    if (operation := OPERATIONS.get(delivery.operation)) is None:
        message = f"there is no operation {delivery.operation!r}; there are {', '.join(OPERATIONS)}"
        raise RequestRejected(failure(ErrorCode.UNKNOWN_OPERATION, message))
    if delivery.unrouted and operation.exchange == CONTROL_EXCHANGE:
        message = f"{operation.name} is for admins: it is published to {CONTROL_EXCHANGE}"
        raise RequestRejected(failure(ErrorCode.FORBIDDEN, message))
    if delivery.problem is not None:
        raise RequestRejected(invalid_request([delivery.problem]))
    if len(delivery.body) > LARGEST_BODY:
        message = f"the body is larger than {LARGEST_BODY} bytes"
        raise RequestRejected(failure(ErrorCode.PAYLOAD_TOO_LARGE, message, details={"limit_bytes": LARGEST_BODY}))
    if operation.name in LASTING and guardrails_in(delivery.guardrails) != UNGUARDED:
        message = (
            f"{operation.name} is not for a token with guardrails: what it has done later would not be held to them"
        )
        raise RequestRejected(failure(ErrorCode.FORBIDDEN, message))
    return operation


def legible(text: str | None, longest: int) -> str | None:
    """Text that every database and terminal takes, and no longer than this."""
    return text and "".join(filter(str.isprintable, text))[:longest]


def guardrails_in(text: str | None) -> Guardrails:
    """Guardrails as a message carries them. Raises RequestRejected: what is not understood may forbid anything."""
    if text is None:
        return UNGUARDED
    try:
        return Guardrails.model_validate_json(text)
    except ValidationError as error:
        rows = problems_of(error)
        raise RequestRejected(
            invalid_request([{**row, "field": f"the header {GUARDRAILS_HEADER}, {row['field']}"} for row in rows])
        ) from error
