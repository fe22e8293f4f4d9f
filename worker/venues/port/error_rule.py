"""A row of the tables that say what a venue's answers mean for us. Each venue's `codes` has its own."""

from typing import NamedTuple

from schemas.base import Milliseconds
from worker.venues.port.errors import VenueError


class ErrorRule(NamedTuple):
    """The class of an answer, what a person can do about it, and for how long the venue asks to wait, if it says so."""

    error: type[VenueError]
    advice: str
    wait: Milliseconds | None = None
