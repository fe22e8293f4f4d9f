"""An answer of a venue as it came, for whoever judges it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer of a venue. `body` is its JSON, or None where the text is none."""

    path: str
    status: int
    headers: Mapping[str, str]
    text: str
    body: Any

    def header(self, name: str) -> str | None:
        """A header by its name in lower case."""
        return next((value for key, value in self.headers.items() if key.lower() == name), None)

    def number(self, name: str) -> int | None:
        """A header that is a whole number, such as a count or a time; None where it is missing or anything else."""
        value = self.header(name)
        return int(value) if value and value.isdecimal() else None
