"""What a signature needs besides its key: Keccak-256 by a compiled library, for us and for ccxt, and nonces.

ccxt hashes nine times per signature. Where OpenSSL is older than 3.2 it does so in Python, which takes some 4 ms and
holds up the event loop for as long; compiled it takes a tenth.

Every signed action carries a nonce that its signer has never used. Hyperliquid takes them from two days before to one
day after its own time, and remembers the 100 highest of each signer (documentation, "Nonces and API wallets"). A signer
that several processes share needs a key of its own in each of them.
"""

from functools import cache

from ccxt.static_dependencies import keccak
from ccxt.static_dependencies.ethabi import abi, typed_data
from ccxt.static_dependencies.keccak import keccak as sponge
from Crypto.Hash import keccak as compiled

from schemas.base import Milliseconds

LEAD: Milliseconds = 86_400_000
"""How far ahead of its own time the venue takes a nonce."""


def keccak256(data: bytes | bytearray) -> bytearray:
    """The original Keccak-256, with its padding from before SHA-3; a bytearray, as ccxt's own gives.

    >>> keccak256(b"").hex()[:16]
    'c5d2460186f7233c'
    """
    return bytearray(compiled.new(digest_bits=256, data=bytes(data)).digest())


def compile_ccxt() -> None:
    """Put the compiled hash in place of ccxt's wherever ccxt has bound its own. Doing so twice changes nothing."""
    keccak.SHA3 = sponge.SHA3 = keccak256
    typed_data.keccak = abi.keccak = keccak256


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
