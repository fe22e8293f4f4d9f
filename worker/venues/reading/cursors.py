"""The cursor of a history: where each part of it goes on, as one word that means nothing to anybody else."""

import base64
import binascii
import hashlib
from collections.abc import Collection, Mapping
from typing import Annotated, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.base import Milliseconds
from worker.venues.port.errors import ValueRefused

Instant = Annotated[int, Field(ge=-1, le=2**53)]
Place = Annotated[str, Field(max_length=512)] | int | tuple[int, ...]
"""Where a page begins, as the venue says it: a token of its own, an offset, an instant and a count."""


class Mark(NamedTuple):
    """Where a walk is: in the window from `first` to `last`, at a page, behind so many of its rows.

    Up to `edge`, in the direction of the walk, nothing is missing that was walked by; from `begin` on, nothing will be
    that is walked by from here. Between them lies at most one instant, some rows of which were told and some were not.
    """

    first: Instant
    last: Instant
    place: Place | None
    skip: Annotated[int, Field(ge=0)]
    edge: Instant
    begin: Instant


class Cursor(BaseModel):
    """Where each part of a question goes on. `question` tells one question from another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    forward: bool
    question: str
    marks: dict[str, Mark]

    def text(self) -> str:
        """As a caller gets it."""
        return base64.urlsafe_b64encode(self.model_dump_json().encode()).decode().rstrip("=")


def question_of(*parts: object) -> str:
    """What tells a question from others that a cursor does not belong to."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]


def read_cursor(text: str, question: str) -> Cursor:
    """A cursor as a caller gives it back. Raises ValueRefused for any but one that this question's answer gave."""
    try:
        cursor = Cursor.model_validate_json(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, ValidationError):
        raise ValueRefused("the cursor is none that an answer of ours gave; ask without it") from None
    if cursor.question != question:
        raise ValueRefused(
            "the cursor belongs to another question: account, operation, symbol and market_type must stay as they were"
        )
    return cursor


def marks_of(cursor: Cursor, names: Collection[str]) -> Mapping[str, Mark]:
    """Where each part goes on. Raises ValueRefused where the account has other parts by now."""
    if cursor.marks.keys() != set(names):
        raise ValueRefused("the account has other parts than when the cursor was given; ask without it")
    return cursor.marks


def span_of(mark: Mark) -> Milliseconds:
    """How long the window of a mark is."""
    return mark.last - mark.first + 1
