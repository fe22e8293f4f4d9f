"""A row of the tables that say what a venue's answers mean for us. Each venue's `errors` has its own."""

from collections.abc import Callable
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.venues.port.errors import Throttled, VenueError
from worker.venues.port.response import VenueResponse

RetryAfter = Callable[[VenueResponse], Milliseconds | None]
"""How long an answer asks to wait, by the venue's own way to say so."""


class ErrorRule(NamedTuple):
    """The class of an answer, what a person can do about it, and for how long the venue asks to wait, if it says so."""

    error: type[VenueError]
    advice: str
    wait: Milliseconds | None = None

    def error_in(
        self, answer: VenueResponse, message: str, code: str | None, retry_after: RetryAfter, **facts: Any
    ) -> VenueError:
        """The error that an answer is by this rule, with the venue's own code. Of a limit it says when to come back."""
        if issubclass(self.error, Throttled):
            facts["retry_after"] = retry_after(answer)
        return self.error(message, venue_code=code, raw=answer.body, **facts)
