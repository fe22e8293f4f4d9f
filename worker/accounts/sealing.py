"""Credentials sealed in the registry: AES-256-GCM, under keys that have versions.

    sealed:v2:<base64url of nonce, ciphertext and tag>

A sealed credential is bound to its account and its name: moved to another place, it can't be opened. The newest key
seals, and all open, so that a new key can be brought out before anything is sealed under it.
"""

import base64
import binascii
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from worker.runtime.errors import ConfigurationError
from worker.runtime.files.state_files import rewrite, write_private

SEALED = "sealed"
KEY_BYTES = 32
NONCE_BYTES = 12
"""96 bits at random for each sealing, the size that GCM is specified for."""

OPEN_TO_OTHERS = 0o037
"""A group may read keys, as Kubernetes mounts secrets for a user that is not root; others may not, nor write."""

NO_KEYS = "set PERPS_DMA_SEALING_KEYS to the file of the keys; `perps-dma accounts new-key` makes one"

_KEY = re.compile(r"v([1-9][0-9]{0,8}):([A-Za-z0-9+/_=-]+)")
_SEALED = re.compile(r"sealed:v([1-9][0-9]{0,8}):([A-Za-z0-9_=-]+)")


class SealingError(ConfigurationError, ValueError):
    """Something can't be sealed or opened; the message says why and what to do, and never holds a secret or a key."""


class Keyring:
    """The keys by version."""

    def __init__(self, keys: Mapping[int, bytes]) -> None:
        if not keys:
            raise SealingError(f"there are no sealing keys: {NO_KEYS}")
        self._keys = MappingProxyType({version: AESGCM(key) for version, key in keys.items()})
        self.newest = max(keys)
        """The version that seals."""

    def seal(self, secret: str, account_id: str, credential: str) -> str:
        """A credential of an account as it may stand in the registry."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._keys[self.newest].encrypt(nonce, secret.encode(), _bound_to(account_id, credential))
        return f"{SEALED}:v{self.newest}:{base64.urlsafe_b64encode(nonce + sealed).decode().rstrip('=')}"

    def open(self, text: str, account_id: str, credential: str) -> str:
        """A sealed credential in the clear. Raises SealingError."""
        version = version_of(text)
        if (key := self._keys.get(version)) is None:
            known = ", ".join(f"v{known}" for known in sorted(self._keys))
            raise SealingError(f"it is sealed under key v{version}, and PERPS_DMA_SEALING_KEYS holds only {known}")
        raw = _decoded(text.rpartition(":")[2])
        try:
            return key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(account_id, credential)).decode()
        except (InvalidTag, ValueError):
            problem = f"it does not open under key v{version}"
        raise SealingError(
            f"{problem}: it was altered, sealed under another key of that version, or for another account or "
            f"credential; seal it anew with `perps-dma accounts seal {account_id} {credential}`"
        )


def version_of(text: str) -> int:
    """The version of the key that a credential is sealed under. Raises SealingError for one that is malformed."""
    if not (match := _SEALED.fullmatch(text)):
        raise SealingError("it is no sealed credential, which looks like sealed:v1:…; it may be cut off")
    return int(match[1])


def read_keys(where: str | None) -> Keyring:
    """The keys of a file, or of a variable by env:NAME. Raises SealingError."""
    if not where:
        raise SealingError(f"there are no sealing keys: {NO_KEYS}")
    kind, _, name = where.partition(":")
    if kind != "env":
        return Keyring(keys_in(_private_text(Path(where)), where))
    if not (text := os.environ.get(name)):
        raise SealingError(f"the environment variable {name}, which is to hold the sealing keys, is not set")
    return Keyring(keys_in(text, f"the environment variable {name}"))


def keys_in(text: str, source: str) -> dict[int, bytes]:
    """Keys written as v1:BASE64, one a line or with blanks between; # begins a comment. Raises SealingError."""
    keys: dict[int, bytes] = {}
    for word in (word for line in text.splitlines() for word in line.partition("#")[0].split()):
        match = _KEY.fullmatch(word)
        key = _decoded(match[2]) if match else b""
        if not match or len(key) != KEY_BYTES:
            raise SealingError(f"{source}: a key is written v1:BASE64, with {KEY_BYTES} bytes, and one of them is not")
        if (version := int(match[1])) in keys:
            raise SealingError(f"{source}: there are two keys v{version}; each version may stand there once")
        keys[version] = key
    return keys


def add_key(path: Path) -> int:
    """Add a new key to a file of keys, or begin the file; its version. The keys before it stay. Raises SealingError."""
    text = _private_text(path) if path.exists() else ""
    version = max(keys_in(text, str(path)), default=0) + 1
    line = f"v{version}:{base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()}\n"
    begun = text if not text or text.endswith("\n") else text + "\n"
    (rewrite if text else write_private)(path, begun + line)
    return version


def _bound_to(account_id: str, credential: str) -> bytes:
    return f"perps-dma credential\0{account_id}\0{credential}".encode()


def _decoded(text: str) -> bytes:
    """Base64 of either alphabet, with or without padding; nothing for what is none."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except binascii.Error:
        return b""


def _private_text(path: Path) -> str:
    try:
        mode, text = path.stat().st_mode, path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise SealingError(f"the sealing keys {path} can't be read ({type(error).__name__}): {NO_KEYS}") from None
    if mode & OPEN_TO_OTHERS:
        raise SealingError(f"the sealing keys {path} are open to others (mode {mode & 0o777:04o}): chmod 600 {path}")
    return text
