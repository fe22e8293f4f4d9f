"""What a client says that follows the events over HTTP."""

from typing import Annotated

from pydantic import Field

from ..control import ControlRequest
from ..outcomes import Outcome
from ..requests import AccountId

EVENTS_PATH = "/events"
"""Server-Sent Events stand beside the operations, under both prefixes; the shim knows them by itself."""


class FollowEvents(ControlRequest):
    """Follow the events as Server-Sent Events: those of `types`, `account` and `outcome`, or all that a token may see.

    Each has the number of its place in the stream as its id; a client that comes back with it as `Last-Event-ID` goes
    on behind it, with nothing left out. A reader that does not read is cut, and never waited for.
    """

    types: Annotated[
        str | None,
        Field(
            pattern=r"^[a-z-]+(,[a-z-]+)*$",
            max_length=200,
            description="Names of events, separated by commas: `result,positions`",
            examples=["result,positions"],
        ),
    ] = None
    account: AccountId | None = None
    outcome: Annotated[Outcome | None, Field(description="Only results that ended so")] = None
    start: Annotated[
        str | None,
        Field(
            alias="from",
            max_length=40,
            description="Where to begin: an age such as `15m`, a UTC time, a place in the stream such as the "
            "`next_offset` of the book, `first`, or `next` for what is to come, as without it",
            examples=["15m"],
        ),
    ] = None
