"""What can go wrong between a program and the service.

PerpsDmaError
├── BrokerAway            the broker can't be reached; nothing was sent
├── NotServed             no worker was ever started on this broker; nothing was sent
├── NotAllowed            the broker refuses our user, or denies it this operation; nothing was done
├── NoAnswer              it was sent, and no answer came in time: get_command tells what became of a command
├── RequestFailed         a query was answered with an error, or a request was refused before it became a command
└── CommandFailed         a command did not end as applied or unchanged; raised where one asks for it alone
    ├── CommandRejected
    │   └── CommandForbidden  a guardrail of the account or of the sender forbids it; nothing was sent
    ├── PreconditionFailed
    ├── CommandUnsupported
    ├── CommandUnknown    it was sent, and nobody can tell what became of it
    ├── CommandExpired
    └── CommandPartial    of many symbols, some are as wanted and some are not
"""

from collections.abc import Mapping
from types import MappingProxyType

from ..envelope import ErrorBody, Failure
from ..outcomes import ErrorCode, Outcome


class PerpsDmaError(Exception):
    """Base of all that the client raises."""


class BrokerAway(PerpsDmaError):
    """The broker can't be reached; nothing was sent."""


class NotServed(PerpsDmaError):
    """There is nobody and nothing to send it to: no worker was ever started on this broker."""


class NotAllowed(PerpsDmaError):
    """The broker refuses our user, or denies it what the operation needs."""


class NoAnswer(PerpsDmaError):
    """It was sent, and no answer came in time.

    A command may be carried out or not, now or before its deadline. `get_command(error.command_id)` tells; the same
    call with this `command_id` carries it out once at most.
    """

    def __init__(self, message: str, command_id: str) -> None:
        super().__init__(f"{message} (id {command_id})")
        self.command_id = command_id


class RequestFailed(PerpsDmaError):
    """An error in place of an answer; `code` is what programs branch on."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message.removeprefix("Error - "))
        self.failure = failure

    @property
    def code(self) -> ErrorCode:
        """What went wrong."""
        return self.failure.error.code

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.failure.error.retryable


class CommandFailed(PerpsDmaError):
    """A command ended otherwise than as applied or unchanged."""

    def __init__(self, message: str, command_id: str, error: ErrorBody | None) -> None:
        super().__init__(f"{message} (command {command_id})")
        self.command_id = command_id
        self.error = error


class CommandRejected(CommandFailed):
    """Refused, by the venue or before anything was sent."""


class CommandForbidden(CommandRejected):
    """A guardrail forbids it; `error.details` names the rule, what it allows, and whose it is. Nothing was sent."""


class PreconditionFailed(CommandFailed):
    """Something must be closed or changed first; the message says what."""


class CommandUnsupported(CommandFailed):
    """This venue or account type has no such operation."""


class CommandUnknown(CommandFailed):
    """It was sent, and neither answer nor read-back tells what became of it."""


class CommandExpired(CommandFailed):
    """Its deadline passed before it was sent, and it never will be."""


class CommandPartial(CommandFailed):
    """Of its symbols some are as wanted now, and some are not: the result's `applied` tells of each."""


BY_OUTCOME: Mapping[Outcome, type[CommandFailed]] = MappingProxyType(
    {
        Outcome.REJECTED: CommandRejected,
        Outcome.PRECONDITION_FAILED: PreconditionFailed,
        Outcome.UNSUPPORTED: CommandUnsupported,
        Outcome.UNKNOWN: CommandUnknown,
        Outcome.EXPIRED: CommandExpired,
        Outcome.PARTIAL: CommandPartial,
    }
)
"""What is raised for each way to end that is no success."""

BY_CODE: Mapping[ErrorCode, type[CommandFailed]] = MappingProxyType({ErrorCode.GUARDRAIL: CommandForbidden})
"""What is raised instead where the error is of one kind."""


def failure_of(outcome: Outcome, error: ErrorBody | None) -> type[CommandFailed]:
    """What is raised for a command that ended so."""
    return BY_OUTCOME[outcome] if error is None else BY_CODE.get(error.code, BY_OUTCOME[outcome])
