"""Who signs, who owns the positions, and for which vault: read from the registry and checked before anything is signed.

A malformed key or address is refused here, in words that hold no part of the key; ccxt would raise errors that do.
"""

import re
from dataclasses import dataclass, field

from coincurve import PrivateKey

from worker.accounts.account import Account
from worker.venues.hyperliquid.signing import keccak256
from worker.venues.port.errors import AccessDenied

_KEY = re.compile(r"(?:0x)?([0-9a-fA-F]{64})")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Credentials:
    """An account's part in a request; addresses in lower case, as they are signed.

    `signer` is the address of the key: an API wallet that `account` has approved, or `account` itself. `vault` is the
    vault or sub-account that it acts for, if any.
    """

    private_key: str = field(repr=False)
    signer: str
    account: str
    vault: str | None

    @property
    def owner(self) -> str:
        """Whose positions and settings these are. Asking for those of the signer would give an empty answer."""
        return self.vault or self.account


def credentials_of(account: Account) -> Credentials:
    """The credentials of a registered account. Raises AccessDenied, saying which of them is malformed and how."""
    private_key = _private_key(account)
    return Credentials(
        private_key=private_key,
        signer=address_of(private_key),
        account=_address(account, "account_address", account.account_address or ""),
        vault=_address(account, "vault_address", account.vault_address) if account.vault_address is not None else None,
    )


def address_of(private_key: str) -> str:
    """The address of a private key: the last 20 bytes of the Keccak hash of its public key."""
    public = PrivateKey(bytes.fromhex(private_key)).public_key.format(compressed=False)
    return "0x" + keccak256(public[1:])[-20:].hex()


def _private_key(account: Account) -> str:
    matched = _KEY.fullmatch(account.reveal("secret"))
    if matched is None:
        raise AccessDenied(f"the secret of {account.id} is no private key; it must be 64 hexadecimal digits")
    try:
        PrivateKey(bytes.fromhex(matched[1]))
    except ValueError:
        usable = False
    else:
        usable = True
    if not usable:  # out of the handler: nothing of the original may go along
        raise AccessDenied(f"the secret of {account.id} is no private key; it lies outside of the curve's range")
    return matched[1].lower()


def _address(account: Account, name: str, value: str) -> str:
    if not _ADDRESS.fullmatch(value):
        raise AccessDenied(f"the {name} of {account.id} is no address; it must be 0x and 40 hexadecimal digits")
    return value.lower()
