"""What is told of terms that are not applied, or not yet."""

from schemas import ErrorCode, Outcome, Success, failure
from schemas.replies import Accepted
from schemas.terms import TermsPlan
from worker.execution.failures import CommandFailure
from worker.execution.requests import Command
from worker.ledger.terms.terms_applies import TermsApply
from worker.messages.wire import EXCHANGE_HEADER, Reply, encode


def pending(command: Command) -> Reply:
    """It is recorded and goes on, and its end is told later."""
    envelope = Success(
        message=f"terms are being applied; GET /commands/{command.id} tells how far, and a result event how it ended",
        statusCode=202,
        data=Accepted(command_id=command.id),
    )
    return Reply(202, encode(envelope), {"Command-Id": command.id, EXCHANGE_HEADER: command.account.exchange})


def outdated(plan: TermsPlan) -> CommandFailure:
    """What is in force is not what the plan that was shown has seen."""
    message = "what is in force is not what the plan has seen, so that nothing was changed; plan again"
    envelope = failure(ErrorCode.PRECONDITION_FAILED, message, details={"fingerprint": plan.fingerprint})
    return CommandFailure(Outcome.PRECONDITION_FAILED, envelope)


def occupied(other: TermsApply) -> CommandFailure:
    """The account has one already."""
    message = f"terms are being applied to the account by {other.command}; wait until it has ended, or cancel it"
    envelope = failure(ErrorCode.PRECONDITION_FAILED, message, details={"command_id": other.command})
    return CommandFailure(Outcome.PRECONDITION_FAILED, envelope)
