"""Nonces: every signed action carries one that its signer has never used.

Hyperliquid takes them from two days before to one day after its own time, and remembers the 100 highest of each signer
(documentation, "Nonces and API wallets"). A signer that several processes share needs a key of its own in each of them.
"""

from functools import cache

from schemas.base import Milliseconds

LEAD: Milliseconds = 86_400_000
"""How far ahead of its own time the venue takes a nonce."""


class NonceSource:
    """The one giver of a signer's nonces in this process: the time in ms, or the next number where that is taken."""

    def __init__(self) -> None:
        self._last = 0

    def take(self, now: Milliseconds) -> int:
        """A nonce higher than all that can have been accepted, by the venue's time as far as it is known.

        >>> source = NonceSource()
        >>> source.take(5), source.take(5), source.take(9), source.take(3)
        (5, 6, 9, 10)
        """
        # what lies beyond the window was refused: a clock that was wrong for a while must not spoil the signer for ever
        self._last = now if self._last >= now + LEAD else max(now, self._last + 1)
        return self._last


@cache
def nonces_of(signer: str) -> NonceSource:
    """The source of a signer, by its address; all who sign with the same key get the same one."""
    return NonceSource()
