"""Receiving a request: from the bytes of a delivery to a command that can be carried out, or the reason why not."""

from dataclasses import dataclass
from uuid import uuid4

from pydantic import ValidationError

from schemas import OPERATIONS, ErrorCode, Failure, Operation, failure
from schemas.base import Milliseconds
from schemas.problems import invalid_request, problems_of
from schemas.requests import Request
from worker.accounts import Account, Accounts
from worker.wire import Delivery


@dataclass(frozen=True, slots=True)
class Command:
    """A request that names a known operation and account, and has the documented form."""

    id: str
    operation: Operation
    request: Request
    account: Account
    actor: str | None
    received: Milliseconds
    deadline: Milliseconds


class NotAccepted(Exception):
    """The request is refused on receipt, and nothing was sent anywhere. `envelope` says why."""

    def __init__(self, envelope: Failure) -> None:
        super().__init__(envelope.message)
        self.envelope = envelope


class Receiver:
    """Turns deliveries into commands."""

    def __init__(self, accounts: Accounts, timeout_ms: Milliseconds) -> None:
        self._accounts = accounts
        self._timeout_ms = timeout_ms

    def receive(self, delivery: Delivery, received: Milliseconds) -> Command:
        """The command in a delivery. Raises NotAccepted."""
        operation = self._operation(delivery)
        request = self._request(operation, delivery.body)
        account = self._accounts.get(request.exchange_account_id)
        if account is None:
            raise NotAccepted(_unknown_account(request.exchange_account_id))
        return Command(
            id=self.command_id(delivery),
            operation=operation,
            request=request,
            account=account,
            actor=delivery.actor,
            received=received,
            deadline=received + self._timeout_ms if delivery.deadline is None else delivery.deadline,
        )

    @staticmethod
    def command_id(delivery: Delivery) -> str:
        """The sender's message id, or a new id for a sender who gave none."""
        return delivery.message_id or str(uuid4())

    def _operation(self, delivery: Delivery) -> Operation:
        if operation := OPERATIONS.get(delivery.operation):
            return operation
        known = ", ".join(OPERATIONS)
        message = f"there is no operation {delivery.operation!r}; there are {known}"
        raise NotAccepted(failure(ErrorCode.UNKNOWN_OPERATION, message))

    def _request(self, operation: Operation, body: bytes) -> Request:
        try:
            return operation.request.model_validate_json(body, strict=True)
        except ValidationError as error:
            raise NotAccepted(invalid_request(problems_of(error))) from error


def _unknown_account(account_id: str) -> Failure:
    message = f"no account {account_id!r} is registered; `perps-dma accounts` lists those that are"
    return failure(ErrorCode.UNKNOWN_ACCOUNT, message, details={"exchange_account_id": account_id})
