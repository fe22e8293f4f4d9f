"""Keccak-256 by a compiled library, for us and for ccxt.

ccxt hashes nine times per signature. Where OpenSSL is older than 3.2 it does so in Python, which takes some 4 ms and
holds up the event loop for as long; compiled it takes a tenth.
"""

from ccxt.static_dependencies import keccak
from ccxt.static_dependencies.ethabi import abi, typed_data
from ccxt.static_dependencies.keccak import keccak as sponge
from Crypto.Hash import keccak as compiled


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
