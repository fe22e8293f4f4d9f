"""When an account is read: a value, apart from the reading."""

import hashlib
from dataclasses import dataclass

from schemas.base import Milliseconds

START_MS: Milliseconds = 10_000
"""Within which time after the start every account is looked at, however seldom it is read from then on."""


@dataclass(frozen=True, slots=True)
class Interval:
    """One turn every `interval`, counted from 1970 on, and a sign of life every `heartbeat`; 0 turns either off.

    The turns of an account begin at an offset of its own, the same for every worker and after every restart. So many
    accounts are spread over the interval and stay so, and of several workers one reads an account once a turn.
    """

    interval: Milliseconds
    heartbeat: Milliseconds
    offset: Milliseconds = 0

    def of(self, account_id: str, interval: Milliseconds | None = None) -> "Interval":
        """The rhythm of an account: the same, or with a longer interval, and with its own offset."""
        spread = int.from_bytes(hashlib.sha256(account_id.encode()).digest()[:8], "big")
        stretched = interval or self.interval
        return Interval(stretched, self.heartbeat, spread % stretched)

    def is_due(self, asked: Milliseconds, now: Milliseconds) -> bool:
        """Whether an account that was last read then is to be read now: not in this turn yet.

        A clock that was set back makes it due as well, rather than never.
        """
        return self._turn(asked) != self._turn(now)

    def is_silent(self, told: Milliseconds, now: Milliseconds) -> bool:
        """Whether a snapshot must be published in this turn so that the heartbeat is kept.

        One that was told in a turn yet to come, before the clock was set back, keeps none; that clocks of workers
        differ by less than a turn is no matter.
        """
        turns = self._turn(now) - self._turn(told)
        return self.heartbeat > 0 and not -1 <= turns < max(1, self.heartbeat // self.interval)

    def first_wait(self, now: Milliseconds) -> Milliseconds:
        """From the start of the program to the first look at the account."""
        return self.wait(now) if self.interval <= START_MS else self.offset * START_MS // self.interval

    def wait(self, now: Milliseconds) -> Milliseconds:
        """Until the next turn begins; never 0."""
        return self.interval - (now - self.offset) % self.interval

    def _turn(self, at: Milliseconds) -> int:
        return (at - self.offset) // self.interval
