"""The nonces that a signer has used (documentation, "Nonces and API wallets"; the sentences as users report them)."""

from bisect import insort
from dataclasses import dataclass, field

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.errors import ActionRefused
from worker.sandbox.kit.clock import DAY

KEPT = 100
OLDEST, NEWEST = -2 * DAY, DAY


@dataclass(slots=True)
class NonceBook:
    """The highest nonces of one signer, in ascending order."""

    highest: list[int] = field(default_factory=list)

    def use(self, nonce: int, now: Milliseconds) -> None:
        """Use a nonce up. Raises ActionRefused unless it is new, in the window, and above the lowest of a full book."""
        if nonce in self.highest:
            raise ActionRefused(f"Invalid nonce: duplicate nonce {nonce}")
        if nonce - now <= OLDEST:
            raise _too_low(nonce, now + OLDEST)
        if nonce - now >= NEWEST:
            raise ActionRefused(f"Invalid nonce: nonce too high {nonce} > {now + NEWEST}")
        if len(self.highest) == KEPT and nonce < self.highest[0]:
            raise _too_low(nonce, self.highest[0])
        insort(self.highest, nonce)
        del self.highest[:-KEPT]


def _too_low(nonce: int, lowest: int) -> ActionRefused:
    return ActionRefused(f"Invalid nonce: nonce too low {nonce} < {lowest}")
