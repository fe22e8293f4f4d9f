"""The nonces that a signer has used (documentation, "Nonces and API wallets")."""

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
        if not OLDEST < nonce - now < NEWEST:
            raise ActionRefused(f"Invalid nonce: {nonce} is too far from {now}")
        if len(self.highest) == KEPT and nonce < self.highest[0]:
            raise ActionRefused(f"Invalid nonce: {nonce} is below the {KEPT} highest")
        insort(self.highest, nonce)
        del self.highest[:-KEPT]
