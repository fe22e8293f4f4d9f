"""The envelope of every reply, over HTTP and over the bus."""

from typing import Annotated, Any

from pydantic import Field, SerializeAsAny

from .base import WireModel
from .outcomes import ERRORS, ErrorCode


class ErrorBody(WireModel):
    """What a program needs to know of an error."""

    code: ErrorCode
    retryable: Annotated[bool, Field(description="Whether the same request may succeed later")]
    venue_code: Annotated[str | None, Field(description="The venue's own code, where it gave one")] = None
    details: Annotated[dict[str, Any], Field(default_factory=dict, description="What more is known, by name")]


class Success(WireModel):
    """It was done, or so already; or the answer to a query."""

    isError: Annotated[bool, Field(description="Always false")] = False
    message: str
    statusCode: int = 200
    data: SerializeAsAny[WireModel]


class Failure(WireModel):
    """It was not done, or nobody can tell. The message says what to do."""

    isError: Annotated[bool, Field(description="Always true")] = True
    message: Annotated[str, Field(pattern="^Error - ")]
    statusCode: int
    error: ErrorBody


Envelope = Success | Failure


def printable(text: str) -> str:
    """A text on one line that steers no terminal: it may repeat what a client or a venue has sent.

    >>> printable("there is no market BTC\\x1b[2J")
    'there is no market BTC�[2J'
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def failure(
    code: ErrorCode,
    message: str,
    *,
    venue_code: str | None = None,
    details: dict[str, Any] | None = None,
    retryable: bool | None = None,
) -> Failure:
    """The envelope of an error: status and retryability come from the table of codes."""
    kind = ERRORS[code]
    body = ErrorBody(
        code=code,
        retryable=kind.retryable if retryable is None else retryable,
        venue_code=venue_code,
        details=details or {},
    )
    return Failure(message=f"Error - {printable(message)}", statusCode=kind.status, error=body)
