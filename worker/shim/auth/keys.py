"""The keys that tokens are checked with.

Which algorithms a key may check is decided by the kind of key and never by a token: a public key checks no HMAC, a
secret nothing else, and nothing is taken unsigned.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

import structlog
from cryptography import x509
from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import SecretStr

from worker.runtime.errors import ConfigurationError, ExecutionError
from worker.runtime.files.file_watch import FileWatch

HMAC: Mapping[str, int] = MappingProxyType({"HS256": 32, "HS384": 48, "HS512": 64})
"""Bytes that a secret needs for each (RFC 7518, section 3.2)."""

CURVES: Mapping[str, str] = MappingProxyType({"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"})
RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
EDWARDS = frozenset({"EdDSA"})
SMALLEST_RSA_BITS = 2048
LARGEST_RSA_BITS = 16_384
"""OpenSSL checks nothing with a longer one."""

ALGORITHMS = frozenset({*HMAC, *CURVES.values(), *RSA, *EDWARDS})
"""All that are known here. The documents of RFC 7518 and RFC 8037 name a few more that nobody issues tokens with."""

LARGEST_FILE = 1024 * 1024
"""Bytes of a file of public keys; a bundle of a hundred certificates has a fifth of it."""

_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,40})-----(?:(?!-----).)+-----END \1-----", re.DOTALL)

log = structlog.get_logger("worker.shim")


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, what it may check, and the name by which a token asks for it."""

    value: Any
    algorithms: frozenset[str]
    name: str | None = None


class KeysUnavailable(ExecutionError):
    """The keys have never been there, so that no token can be checked now."""


class Keys(Protocol):
    """Where keys come from."""

    @property
    def hint(self) -> str:
        """Where a client gets a token."""

    def version(self) -> int:
        """Another number whenever a key was added or taken away."""

    async def named(self, name: str | None) -> Sequence[VerificationKey]:
        """The keys that a token with this `kid` may be signed with. Raises KeysUnavailable."""


def algorithms_of(key: object, narrowed: frozenset[str] = ALGORITHMS) -> frozenset[str]:
    """What a key may check; nothing for a private key, and for one that is too short or of an unknown kind."""
    match key:
        case bytes():
            fitting = frozenset(name for name, needed in HMAC.items() if len(key) >= needed)
        case rsa.RSAPublicKey() if SMALLEST_RSA_BITS <= key.key_size <= LARGEST_RSA_BITS:
            fitting = RSA
        case ec.EllipticCurvePublicKey():
            fitting = frozenset({CURVES.get(key.curve.name, "")})
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            fitting = EDWARDS
        case _:
            fitting = frozenset()
    return fitting & narrowed


def require_known_algorithms(names: frozenset[str]) -> frozenset[str]:
    """The names themselves. Raises ConfigurationError for one that is none of ours."""
    if unknown := names - ALGORITHMS:
        known = ", ".join(sorted(ALGORITHMS))
        raise ConfigurationError(f"PERPS_DMA_JWT_ALGORITHMS: {', '.join(sorted(unknown))} is not among {known}")
    return names


class SharedSecret:
    """One secret that whoever issues tokens knows too.

    Raises ConfigurationError when it checks none of the algorithms.
    """

    hint = "`perps-dma token --role trader` makes a token"

    def __init__(self, secret: SecretStr, narrowed: frozenset[str] = ALGORITHMS) -> None:
        value = secret.get_secret_value().encode()
        self._key = VerificationKey(value, algorithms_of(value, narrowed))
        if not self._key.algorithms:
            raise ConfigurationError(
                f"a shared secret of {len(value)} bytes checks none of {', '.join(sorted(narrowed))}: "
                "correct PERPS_DMA_JWT_ALGORITHMS, or take a longer secret (HS512 needs 64 bytes)"
            )

    def version(self) -> int:
        """It stays the same until a restart."""
        return 0

    async def named(self, name: str | None) -> Sequence[VerificationKey]:
        """The secret, whatever a token calls it."""
        return (self._key,)


class PublicKeyFile:
    """Public keys or certificates in PEM, read again when the file changes. Raises ConfigurationError for a file
    without any.

    Where a new file can't be used, the keys of the old one stay in force and the log says so.
    """

    hint = "whoever holds the private key issues tokens"

    def __init__(self, path: Path, narrowed: frozenset[str] = ALGORITHMS) -> None:
        self._path = path
        self._narrowed = narrowed
        self._version = 0
        self._watch = FileWatch(path)
        self._keys = read_public_keys(path, narrowed)

    def version(self) -> int:
        """Looks at the file, which costs no more than a system call."""
        if self._watch.changed():
            self._read_again()
        return self._version

    async def named(self, name: str | None) -> Sequence[VerificationKey]:
        """All keys of the file: it gives them no names."""
        return self._keys

    def _read_again(self) -> None:
        try:
            self._keys = read_public_keys(self._path, self._narrowed)
        except ConfigurationError as error:
            log.error("public_keys_reload_failed", path=str(self._path), error=str(error))
            return
        self._version += 1
        log.info("public_keys_reloaded", path=str(self._path), count=len(self._keys))


def read_public_keys(path: Path, narrowed: frozenset[str] = ALGORITHMS) -> tuple[VerificationKey, ...]:
    """The keys of a PEM file. Raises ConfigurationError, which says what is wrong with it."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigurationError(f"PERPS_DMA_JWT_PUBLIC_KEY: {path} can't be read: {error.strerror}") from error
    if len(content) > LARGEST_FILE:
        raise ConfigurationError(f"PERPS_DMA_JWT_PUBLIC_KEY: {path} is larger than {LARGEST_FILE} bytes")
    blocks = list(_PEM.finditer(content))
    if not blocks:
        raise ConfigurationError(f"PERPS_DMA_JWT_PUBLIC_KEY: {path} holds no key in PEM (-----BEGIN PUBLIC KEY-----)")
    keys = [_public_key(path, label.decode(), block) for block, label in ((one[0], one[1]) for one in blocks)]
    found = tuple(VerificationKey(key, algorithms) for key in keys if (algorithms := algorithms_of(key, narrowed)))
    if len(found) < len(keys):
        raise ConfigurationError(
            f"PERPS_DMA_JWT_PUBLIC_KEY: {path} holds a key that checks none of {', '.join(sorted(narrowed))}; there "
            f"are RSA keys from {SMALLEST_RSA_BITS} bits on, the curves P-256, P-384 and P-521, Ed25519 and Ed448"
        )
    return found


def _public_key(path: Path, label: str, block: bytes) -> object:
    if "PRIVATE" in label:
        raise ConfigurationError(
            f"PERPS_DMA_JWT_PUBLIC_KEY: {path} holds a private key; only the public one belongs here"
        )
    try:
        if label == "CERTIFICATE":
            return x509.load_pem_x509_certificate(block).public_key()
        return load_pem_public_key(block)
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError) as error:
        raise ConfigurationError(f"PERPS_DMA_JWT_PUBLIC_KEY: {path} holds a damaged {label}: {error}") from error
