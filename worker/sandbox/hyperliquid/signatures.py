"""Who signed an action: the signer's address is recovered from the signature (documentation, "Signing").

An action is packed with msgpack in the order of its fields, and hashed together with nonce, vault and expiry; the hash
is signed as EIP-712 data of a "phantom agent" whose source is `a` on the main network and `b` on the test network.
"""

from functools import cache

import msgpack
from coincurve import PublicKey
from Crypto.Hash import keccak

from worker.sandbox.hyperliquid.body import Body
from worker.sandbox.hyperliquid.errors import Unreadable

MAIN_NETWORK, TEST_NETWORK = "a", "b"
CHAIN = 1337
DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
AGENT_TYPE = "Agent(string source,bytes32 connectionId)"
FIRST_V = 27


def signer_of(body: Body, source: str) -> str:
    """The address that signed a request for a network. Raises Unreadable for what is no signature."""
    digest = hashed(b"\x19\x01" + _domain() + hashed(_typed(AGENT_TYPE, source) + _action_hash(body)))
    try:
        public = PublicKey.from_signature_and_message(_signature(body), digest, hasher=None)
    except ValueError as error:
        raise Unreadable from error
    return address_of(public)


def address_of(public: PublicKey) -> str:
    """The address of a public key."""
    return "0x" + hashed(public.format(compressed=False)[1:])[-20:].hex()


def hashed(data: bytes) -> bytes:
    """Keccak-256."""
    digest: bytes = keccak.new(digest_bits=256, data=data).digest()
    return digest


@cache
def _domain() -> bytes:
    return hashed(_typed(DOMAIN_TYPE, "Exchange", "1") + CHAIN.to_bytes(32, "big") + bytes(32))


def _typed(name: str, *texts: str) -> bytes:
    return b"".join(hashed(text.encode()) for text in (name, *texts))


def _action_hash(body: Body) -> bytes:
    vault, expiry = body.optional_address("vaultAddress"), body.optional_integer("expiresAfter")
    packed: bytes = msgpack.packb(body.part("action").fields)
    packed += _number(body.integer("nonce"))
    packed += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    return hashed(packed if expiry is None else packed + b"\x00" + _number(expiry))


def _number(value: int) -> bytes:
    return value.to_bytes(8, "big")


def _signature(body: Body) -> bytes:
    part = body.part("signature")
    try:
        r, s = (int(part.text(name), 16).to_bytes(32, "big") for name in "rs")
        return r + s + bytes([part.integer("v") - FIRST_V])
    except (ValueError, OverflowError) as error:
        raise Unreadable from error
