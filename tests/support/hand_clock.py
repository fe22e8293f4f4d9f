"""A clock that is set by hand."""

from dataclasses import dataclass

from schemas.base import Milliseconds
from tests.support.memory_venue import THEN


@dataclass
class HandClock:
    """The time, which stands still until it is set."""

    time: Milliseconds = THEN

    def __call__(self) -> Milliseconds:
        return self.time

    def pass_(self, span: Milliseconds) -> None:
        self.time += span
