"""The dead letters: what nobody could carry out and no sender could be told of; sending them again, dropping them."""

from typing import Annotated

from pydantic import Field
from typing_extensions import TypeAliasType

from .base import LATEST, Milliseconds, WireModel
from .control import ControlRequest, Why
from .envelope import Failure, failure
from .outcomes import ErrorCode
from .requests import AccountId

MOST_LETTERS = 500

MOST_LOOKED_THROUGH = 2_000
"""Letters that are looked through for one answer, the oldest: a worker that answers holds all of them meanwhile."""

LONGEST_BODY = 2_000
"""Characters of a letter's body that are told. No request that is documented comes near it."""

LetterId = TypeAliasType(
    "LetterId",
    Annotated[
        str,
        Field(
            pattern=r"^[!-~]{1,256}$",
            description="The letter, by the id that `get_dead_letters` tells",
            examples=["7f0c1f6e-6a55-4a5f-9c6e-0d3f4f0f8f11"],
        ),
    ],
)


class GetDeadLetters(ControlRequest):
    """List the dead letters, the oldest first: what could not be carried out, whose sender could not be told, and why.

    They stay where they are. Where there is `more`, the same request with `since`, the time of the last row, goes on
    among the 2,000 oldest letters; those behind them are listed once these are settled, or by `perps-dma dead-letters`.
    """

    exchange_account_id: Annotated[AccountId | None, Field(description="Only letters that name this account")] = None
    operation: Annotated[
        str | None, Field(max_length=255, description="Only letters that were sent to this operation")
    ] = None
    since: Annotated[
        Milliseconds | None, Field(ge=0, le=LATEST, description="Only letters that died then or later, UTC ms")
    ] = None
    limit: Annotated[int, Field(ge=1, le=MOST_LETTERS, description="Letters at most")] = 100


class DeadLetterRow(WireModel):
    """One dead letter."""

    letter_id: Annotated[str, Field(description="Its command id, where no other letter has the same")]
    command_id: Annotated[str | None, Field(description="The id that it was sent with")]
    at: Annotated[Milliseconds | None, Field(description="When it died, to the second, UTC ms; null where nobody says")]
    operation: Annotated[str, Field(description="What it was sent to, which may be no operation at all")]
    exchange_account_id: Annotated[str | None, Field(description="The account that it names, if any")]
    actor: Annotated[str | None, Field(description="Who sent it, as far as the bus says")]
    reason: Annotated[str, Field(description="Why it could not be carried out")]
    body: Annotated[
        str | None,
        Field(description="What was sent, 2,000 characters at most, its secrets as `***`; null where it is no text"),
    ]
    body_bytes: Annotated[int, Field(ge=0, description="How long its body is")]


class DeadLetterList(WireModel):
    """Answer to get_dead_letters."""

    dead_letters: tuple[DeadLetterRow, ...]
    count: int
    more: Annotated[bool, Field(description="Whether there are letters behind these that were not listed")]


class SettleDeadLetter(ControlRequest):
    """What concerns one dead letter, and why."""

    letter_id: LetterId
    reason: Why


class RequeueDeadLetter(SettleDeadLetter):
    """Send a dead letter again, once what killed it is mended: under its own id, without its old deadline.

    It is taken out only after the broker has confirmed the message that was sent again. Its id is its command's, so
    that a command is carried out once, however often its letter is sent.
    """


class DropDeadLetter(SettleDeadLetter):
    """Throw a dead letter away, for good. The audit keeps what it was and who threw it away."""


class DeadLetterSettled(WireModel):
    """Answer to requeue_dead_letter and drop_dead_letter."""

    letter_id: str
    command_id: str | None
    operation: str
    exchange_account_id: str | None


def unknown_letter(message: str, letter_id: str) -> Failure:
    """What is told of a letter that is not there, or whose id is that of several."""
    return failure(ErrorCode.UNKNOWN_DEAD_LETTER, message, details={"letter_id": letter_id})
