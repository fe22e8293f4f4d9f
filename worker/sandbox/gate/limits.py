"""How often a user, or else an address, may ask an endpoint.

Source: APIv4 documentation, "Frequency limit rule", checked 2026-11-29: what is signed is counted by user id (each
sub-account is a user), what is public by address. That windows go by the clock, and the reset time by seconds, are
guesses: the documents say neither.
"""

from dataclasses import dataclass, field

from schemas.base import Milliseconds
from worker.sandbox.kit.clock import SECOND

WINDOW: Milliseconds = 10 * SECOND
DOCUMENTED_LIMIT = 200
"""Requests in a window, for each endpoint of perpetuals and deliveries."""

ACCOUNT_LIMIT = 150
"""The same for the endpoints of the user's account."""


CONNECTIONS_LIMIT = 300
"""How many streams an address may have open ("Futures WebSocket v4", "Limits")."""


@dataclass(slots=True)
class GateConnectionMeter:
    """How many streams an address may have open."""

    limit: int = CONNECTIONS_LIMIT


@dataclass(slots=True)
class GateRequestMeter:
    """Counts the requests of each caller to each endpoint in each window of the clock, up to `limit`."""

    limit: int = DOCUMENTED_LIMIT
    _used: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)

    def count(self, caller: str, endpoint: str, now: Milliseconds) -> int:
        """Count a request and return how many are left in this window; below 0 when there were none left."""
        window, used = self._used.get((caller, endpoint), (0, 0))
        used = used + 1 if window == now // WINDOW else 1
        self._used[caller, endpoint] = (now // WINDOW, used)
        return self.limit - used

    def headers(self, left: int, now: Milliseconds) -> dict[str, str]:
        """The headers of every answer. The reset time, in seconds, is the present until the limit is exceeded."""
        reset = now if left >= 0 else (now // WINDOW + 1) * WINDOW
        return {
            "X-Gate-RateLimit-Requests-Remain": str(max(left, 0)),
            "X-Gate-RateLimit-Limit": str(self.limit),
            "X-Gate-RateLimit-Reset-Timestamp": str(reset // SECOND),
        }
