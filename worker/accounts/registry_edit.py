"""Changing sealed credentials in a registry file: comments, order and everything else stay as people wrote them."""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError

from worker.accounts.account import RegistryError
from worker.accounts.registry import CREDENTIALS
from worker.accounts.sealing import SEALED, Keyring, SealingError, version_of
from worker.runtime.files.state_files import rewrite

Tables = MutableMapping[str, Any]


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many credentials were sealed anew, and how many were under the newest key already."""

    anew: int
    already: int


def write_credential(path: Path, account_id: str, credential: str, sealed: str) -> None:
    """Put a sealed credential into the table of its account. Raises RegistryError where there is no such table."""
    with _edited(path) as tables:
        if not isinstance(tables.get(account_id), MutableMapping):
            raise RegistryError(f"{path} has no account {account_id}: write its table [accounts.{account_id}] first")
        tables[account_id][credential] = sealed


def rotate(path: Path, keys: Keyring) -> Rotated:
    """Seal anew, under the newest key, what is sealed under an older one; all of it, or nothing.

    Raises RegistryError for a credential that can't be opened, and the file stays as it is.
    """
    anew = already = 0
    with _edited(path) as tables:
        for account_id, table, credential in _sealed(tables):
            try:
                if version_of(table[credential]) == keys.newest:
                    already += 1
                    continue
                secret = keys.open(table[credential], account_id, credential)
            except SealingError as error:
                raise RegistryError(
                    f"{path}, account {account_id!r}: {credential}: {error}; nothing is changed"
                ) from None
            table[credential] = keys.seal(secret, account_id, credential)
            anew += 1
    return Rotated(anew, already)


def _sealed(tables: Tables) -> Iterator[tuple[str, Tables, str]]:
    """Account, table and name of each sealed credential."""
    for account_id, table in tables.items():
        for credential in CREDENTIALS:
            written = table.get(credential) if isinstance(table, MutableMapping) else None
            if isinstance(written, str) and written.startswith(f"{SEALED}:"):
                yield str(account_id), table, credential


@contextmanager
def _edited(path: Path) -> Iterator[Tables]:
    """The tables of the accounts, to change; what has changed is written at the end, in one step."""
    try:
        before = path.read_text()
        document = tomlkit.parse(before)
    except (OSError, UnicodeDecodeError, ParseError) as error:
        raise RegistryError(f"the account registry {path} can't be read: {error}") from error
    tables = document.get("accounts")
    if not isinstance(tables, MutableMapping):
        raise RegistryError(f"{path} has no account; each is a table [accounts.<id>]")
    yield tables
    if (after := tomlkit.dumps(document)) == before:
        return
    try:
        rewrite(path, after)
    except OSError as error:
        raise RegistryError(f"the account registry {path} can't be written: {error.strerror}") from error
