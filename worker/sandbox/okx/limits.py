"""Requests by user and endpoint in each two seconds (overview, "Rate limits", 2026-07). No header tells of them."""

from dataclasses import dataclass, field

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import SECOND

WINDOW: Milliseconds = 2 * SECOND


@dataclass(slots=True)
class OkxRequestMeter:
    """Counts the requests that each user, or address where the endpoint is public, makes in each two seconds."""

    limit: int
    _counts: dict[str, tuple[int, int]] = field(default_factory=dict)

    def admits(self, who: str, now: Milliseconds) -> bool:
        """Count a request; whether it is still within the limit."""
        window = now // WINDOW
        begun, count = self._counts.get(who, (window, 0))
        count = count + 1 if begun == window else 1
        self._counts[who] = (window, count)
        return count <= self.limit
