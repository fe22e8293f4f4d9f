"""Requests per address, and per account and endpoint ("Rate Limit Rules")."""

from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.base import Milliseconds

WINDOW: Milliseconds = 1_000
"""An endpoint's limit counts the requests of one account in a rolling second."""

ADDRESS_WINDOW: Milliseconds = 5_000
ADDRESS_LIMIT = 600
BAN: Milliseconds = 10 * 60_000
"""How long an address that sent too much is turned away."""


class Standing(NamedTuple):
    """What is left of a limit, and when it is fresh again."""

    limit: int
    left: int
    reset: Milliseconds

    @property
    def headers(self) -> dict[str, str]:
        """The headers that every answer to a signed request carries."""
        return {
            "X-Bapi-Limit": str(self.limit),
            "X-Bapi-Limit-Status": str(max(0, self.left)),
            "X-Bapi-Limit-Reset-Timestamp": str(self.reset),
        }


@dataclass(slots=True)
class EndpointMeter:
    """Counts the requests of each account to each endpoint."""

    _sent: defaultdict[tuple[str, str], deque[Milliseconds]] = field(default_factory=lambda: defaultdict(deque))

    def charge(self, account: str, path: str, limit: int, now: Milliseconds) -> Standing:
        """Count a request; nothing is left (-1) once the limit is used up, and then it is not counted."""
        sent = self._sent[account, path]
        while sent and sent[0] <= now - WINDOW:
            sent.popleft()
        if len(sent) >= limit:
            return Standing(limit, -1, sent[0] + WINDOW)
        sent.append(now)
        return Standing(limit, limit - len(sent), now)


DIALS_WINDOW: Milliseconds = 5 * 60_000
DIALS_LIMIT = 500
"""How many streams an address may open in that time ("WebSocket Connect"): "do not build over 500 in 5 minutes"."""


@dataclass(slots=True)
class DialMeter:
    """Counts the streams that each address opens."""

    limit: int = DIALS_LIMIT
    _opened: defaultdict[str, deque[Milliseconds]] = field(default_factory=lambda: defaultdict(deque))

    def admits(self, address: str, now: Milliseconds) -> bool:
        """Count a handshake; False once there are too many."""
        opened = self._opened[address]
        while opened and opened[0] <= now - DIALS_WINDOW:
            opened.popleft()
        opened.append(now)
        return len(opened) <= self.limit


@dataclass(slots=True)
class AddressMeter:
    """Counts all requests of each address, and bans who sends too many."""

    limit: int = ADDRESS_LIMIT
    _sent: defaultdict[str, deque[Milliseconds]] = field(default_factory=lambda: defaultdict(deque))
    _banned: dict[str, Milliseconds] = field(default_factory=dict)

    def admits(self, address: str, now: Milliseconds) -> bool:
        """Count a request; False while the address is banned."""
        if now < self._banned.get(address, 0):
            return False
        sent = self._sent[address]
        while sent and sent[0] <= now - ADDRESS_WINDOW:
            sent.popleft()
        sent.append(now)
        if len(sent) > self.limit:
            self._banned[address] = now + BAN
            return False
        return True
