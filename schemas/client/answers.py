"""Answers as they come over the bus, and what a program gets of them: typed, with numbers to their last digit."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, Self, TypeVar
from urllib.parse import unquote

from ..base import WireModel
from ..envelope import ErrorBody, Failure
from ..events import ConfirmedBy
from ..operations import OPERATIONS
from ..outcomes import ErrorCode, Outcome
from .errors import NoAnswer, RequestFailed, failure_of

Data = TypeVar("Data", bound=WireModel)


@dataclass(frozen=True, slots=True)
class Reply:
    """An envelope as JSON, with the headers beside it."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Sending:
    """How a command is sent: under which id, made if there is none, and why, for the audit."""

    command_id: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Result(Generic[Data]):
    """How a command ended, and how that is known.

    `applied` is the setting as the venue confirmed it; None where the outcome is no success. `command_id` names the
    command in its result event and in `get_command`, `policy` the version of the guardrails it was checked against.
    """

    command_id: str
    outcome: Outcome
    confirmed_by: ConfirmedBy | None
    applied: Data | None
    message: str
    error: ErrorBody | None = None
    retry_after_s: int | None = None
    policy: str | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the setting now is what was asked for."""
        return self.outcome.succeeded

    def raise_for_outcome(self) -> Self:
        """This result, if it is a success. Raises CommandFailed, by the class that is the outcome's."""
        if self.outcome.succeeded:
            return self
        raise failure_of(self.outcome, self.error)(self.message, self.command_id, self.error)


@dataclass(frozen=True, slots=True)
class Answer(Generic[Data]):
    """What a query was answered, and how far it reaches.

    Of a history, `next_cursor` says that there is more. `unread` names the parts of the account that could not be read
    whole, with the reason: of what is there, the data says nothing.
    """

    data: Data
    headers: Mapping[str, str]

    @property
    def next_cursor(self) -> str | None:
        """Goes on where this answer ends; None where it is all there is."""
        return self.headers.get("Next-Cursor")

    @property
    def unread(self) -> str | None:
        """The parts of the account that were not read whole, and why; None where all were."""
        return _text(self.headers, "Coverage-Unread")

    @property
    def totals_missing(self) -> str | None:
        """The totals that are null, and why; None where none is."""
        return _text(self.headers, "Totals-Missing")


def result_of(reply: Reply, data: type[Data], command_id: str) -> Result[Data]:
    """What a command was answered. Raises NoAnswer where its end is not known yet, RequestFailed where it has none."""
    envelope, outcome = decoded(reply.body), reply.headers.get("Outcome")
    failure = _failure(envelope)
    if outcome is None:
        raise _without_outcome(failure, command_id)
    confirmed_by, retry_after = reply.headers.get("Confirmed-By"), reply.headers.get("Retry-After")
    return Result(
        command_id=command_id,
        outcome=Outcome(outcome),
        confirmed_by=None if confirmed_by is None else ConfirmedBy(confirmed_by),
        applied=None if failure else read(data, envelope["data"]),
        message=str(envelope["message"]).removeprefix("Error - "),
        error=None if failure is None else failure.error,
        retry_after_s=None if retry_after is None else int(retry_after),
        policy=reply.headers.get("Policy"),
    )


def _without_outcome(failure: Failure | None, command_id: str) -> NoAnswer | RequestFailed:
    if failure is None or failure.error.code is ErrorCode.TIMEOUT:
        return NoAnswer("no outcome is known yet" if failure is None else failure.message, command_id)
    return RequestFailed(failure)


def answer_of(reply: Reply, data: type[Data]) -> Answer[Data]:
    """What a query was answered. Raises RequestFailed for an error."""
    envelope = decoded(reply.body)
    if failure := _failure(envelope):
        raise RequestFailed(failure)
    return Answer(read(data, envelope["data"]), reply.headers)


def _failure(envelope: Mapping[str, Any]) -> Failure | None:
    return read(Failure, envelope) if envelope["isError"] else None


def decoded(body: bytes) -> Any:
    """JSON with its numbers as they were written, none of them rounded through a float."""
    return json.loads(body, parse_float=Decimal)


def encoded(fields: Mapping[str, Any]) -> bytes:
    """The JSON of a request, with its numbers as they were given.

    >>> encoded({"symbol": "BTC/USDT:USDT", "leverage": Decimal("1E+1")})
    b'{"symbol": "BTC/USDT:USDT", "leverage": 10}'
    >>> encoded({"symbols": {"BTC/USDT:USDT": {"leverage": Decimal("2.50")}}})
    b'{"symbols": {"BTC/USDT:USDT": {"leverage": 2.50}}}'
    """
    return _written(fields).encode()


def _written(value: Any) -> str:
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{json.dumps(name)}: {_written(held)}' for name, held in value.items())}}}"
    return format(value, "f") if isinstance(value, Decimal) else json.dumps(value)


def account_in(body: bytes) -> str | None:
    """The account that a request names, if it names one.

    >>> account_in(b'{"exchange_account_id": "binance-perp-001"}'), account_in(b"[1]")
    ('binance-perp-001', None)
    """
    try:
        account = json.loads(body)["exchange_account_id"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return account if isinstance(account, str) else None


def read(model: type[Data], value: Any) -> Data:
    """A model of what came; fields that a later version of the service has added are passed over."""
    return model.model_validate(value, extra="ignore")


def typed_envelope(operation: str, envelope: Mapping[str, Any]) -> Mapping[str, Any]:
    """An envelope whose data is what the operation answers with; it does not say itself what it holds."""
    if envelope["isError"] or operation not in OPERATIONS:
        return envelope
    return {**envelope, "data": read(OPERATIONS[operation].data, envelope["data"])}


def _text(headers: Mapping[str, str], name: str) -> str | None:
    return unquote(headers[name]) if name in headers else None
