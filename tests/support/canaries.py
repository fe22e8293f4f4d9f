"""Secrets that would be recognised wherever they came to light, whole or in part, as they are or written otherwise."""

import base64
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.sandbox.binance.venue import Binance

TELLING = 12
"""So many characters of a secret are too many."""

SIGNED_HEADERS = ("X-MBX-APIKEY", "X-BAPI-SIGN", "X-BAPI-API-KEY", "OK-ACCESS-SIGN", "OK-ACCESS-PASSPHRASE")
"""Headers of signed requests. Where one is named, a request was written down."""


def forms(secret: str) -> Iterator[str]:
    """A secret, its parts, and what else it is written as. Cases do not matter where it is looked for.

    >>> list(forms("0123456789abcdef"))[:4]
    ['0123456789abcdef', '0123456789ab', '456789abcdef', '23456789abcd']
    """
    bare, raw = secret.removeprefix("0x"), secret.encode()
    middle = (len(bare) - TELLING) // 2
    yield from (bare, bare[:TELLING], bare[-TELLING:], bare[middle : middle + TELLING])
    for written in {raw, raw.lower(), raw.upper()}:
        yield from within_base64(written)
        yield written.hex()
    yield from (quote(secret, safe=""), "".join(f"%{byte:02x}" for byte in raw))


def within_base64(raw: bytes) -> Iterator[str]:
    """What is found of it in anything that was encoded with it, wherever it began there."""
    for before in (b"", b"?", b"??"):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            code = encode(before + raw).decode().rstrip("=")
            yield code[len(before) + 1 if before else 0 : -1]


@dataclass(frozen=True, slots=True)
class Canaries:
    """All forms of all secrets, by what they are."""

    names: Mapping[str, str]

    @classmethod
    def of(cls, secrets: Mapping[str, str], whole: Mapping[str, str]) -> "Canaries":
        """Those of secrets, and of what may be known in part: the beginning of a token is no secret."""
        named = {form.lower(): name for name, secret in secrets.items() for form in forms(secret)}
        return cls({**named, **{secret.lower(): name for name, secret in whole.items()}})

    def found(self, text: str) -> set[str]:
        """The secrets that a text gives away."""
        text = text.lower()
        return {name for form, name in self.names.items() if form in text}


def of_streams(sandbox: Sandbox) -> dict[str, str]:
    """The keys that open private streams, as far as they were issued."""
    binance = sandbox.desks["binance"].venue
    assert isinstance(binance, Binance)
    return {f"listen key {number}": key for number, key in enumerate(binance.listen_keys)}


def of_accounts(accounts: Iterable[Account]) -> dict[str, str]:
    """The credentials of accounts."""
    kinds = ("api_key", "secret", "passphrase")
    found = {f"{account.id} {kind}": account.reveal(kind) for account in accounts for kind in kinds}
    return {name: secret for name, secret in found.items() if secret}
