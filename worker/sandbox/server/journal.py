"""What a stand-in venue was asked and what it answered, for tests to look into."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.base import Milliseconds

KEPT = 10_000
"""Requests kept: enough for any test, little enough that a sandbox can run for days."""


@dataclass(slots=True)
class JournalEntry:
    """One request. `status` is what was answered: None until then, and for ever where the connection was cut."""

    time: Milliseconds
    method: str
    path: str
    account: str | None
    params: Mapping[str, str]
    status: int | None = None
    fault: str | None = None


@dataclass(slots=True)
class Journal:
    """The newest requests, oldest first."""

    entries: deque[JournalEntry] = field(default_factory=lambda: deque(maxlen=KEPT))

    def add(self, entry: JournalEntry) -> JournalEntry:
        """Note a request as it arrives; its entry is completed when it is answered."""
        self.entries.append(entry)
        return entry

    def clear(self) -> None:
        """Forget all requests."""
        self.entries.clear()
