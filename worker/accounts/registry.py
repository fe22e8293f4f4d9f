"""The account registry: a TOML file of accounts, whose credentials stand elsewhere or are sealed.

[guardrails]                        what commands may do at most, of every account that does not say otherwise
[accounts.<id>]                     an account
[accounts.<id>.guardrails]          its own, rule by rule in place of those
"""

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, SecretStr, ValidationError, ValidationInfo

from schemas.guardrails import UNGUARDED, Guardrails
from schemas.problems import problems_of
from worker.accounts.account import Account, RegistryError
from worker.accounts.guardrails import WantedChange, WrittenGuardrails, breach_of, overlaid
from worker.accounts.sealing import SEALED, Keyring, read_keys

CREDENTIALS = ("api_key", "secret", "passphrase")
"""The fields of an account that are secret."""

SWEEP = "pm_auto_collect"
"""What `auto_collect` has done."""

Keys = Callable[[], Keyring]
"""The sealing keys, read once something is sealed. Raises SealingError."""


def _from_environment(name: str) -> str:
    if not (value := os.environ.get(name, "")):
        raise ValueError(f"the environment variable {name} is not set")
    return value


def _from_file(name: str) -> str:
    """A secret as Docker and Kubernetes mount it."""
    try:
        value = Path(name).read_text().strip()
    except OSError as error:
        raise ValueError(f"{name} can't be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise ValueError(f"{name} holds no text") from None
    if not value:
        raise ValueError(f"{name} is empty")
    return value


_KEPT: Mapping[str, Callable[[str], str]] = MappingProxyType({"env": _from_environment, "file": _from_file})


def _resolve(written: SecretStr, info: ValidationInfo) -> SecretStr:
    """A credential in the clear, from where it is kept."""
    text = written.get_secret_value()
    kind, _, where = text.partition(":")
    if kind in _KEPT and where:
        return SecretStr(_KEPT[kind](where))
    if kind == SEALED and info.context is not None:
        keys: Keys = info.context
        return SecretStr(keys().open(text, info.data.get("id", ""), info.field_name or ""))
    raise ValueError(
        "must be a reference, env:NAME or file:PATH, or sealed by `perps-dma accounts seal`, never the secret itself"
    )


Credential = Annotated[SecretStr, AfterValidator(_resolve)]


class _Defaults(BaseModel):
    guardrails: WrittenGuardrails = UNGUARDED


class _RegisteredAccount(Account):
    api_key: Credential | None = None
    secret: Credential
    passphrase: Credential | None = None
    base_url: None = None
    guardrails: WrittenGuardrails = UNGUARDED


def read_registry(path: Path, sealing_keys: str | None = None) -> tuple[Account, ...]:
    """The accounts of a TOML registry: `[accounts.<id>]` tables, with credentials by reference or sealed.

    Raises RegistryError that names everything wrong in it, and not just the first account.
    """
    keys: Keys = cache(lambda: read_keys(sealing_keys))
    content, accounts, wrong = _content(path), [], []
    defaults = _defaults(path, content.get("guardrails", {}))
    for account_id, table in content["accounts"].items():
        try:
            accounts.append(_guarded(_account(account_id, table, keys), defaults))
        except ValidationError as error:
            wrong.append(f"account {account_id!r}: {_problems(error)}")
        except ValueError as error:
            wrong.append(f"account {account_id!r}: {error}")
    if wrong:
        raise RegistryError(f"{path}, {'; '.join(wrong)}")
    return tuple(accounts)


def sources_of(path: Path, sealing_keys: str | None = None) -> frozenset[Path]:
    """The files that a registry is made of: itself, the sealing keys, and those that hold its secrets."""
    files = {path}
    if sealing_keys and not sealing_keys.startswith("env:"):
        files.add(Path(sealing_keys))
    try:
        content = _content(path)
    except RegistryError:
        return frozenset(files)
    return frozenset(files.union(_secret_files(content["accounts"])))


def _secret_files(tables: Mapping[str, Any]) -> Iterator[Path]:
    for table in tables.values():
        written = (table.get(name) for name in CREDENTIALS) if isinstance(table, dict) else ()
        yield from (Path(text[5:]) for text in written if isinstance(text, str) and text.startswith("file:"))


def _content(path: Path) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RegistryError(f"the account registry {path} can't be read: {error}") from error
    if unknown := content.keys() - {"accounts", "guardrails"}:
        raise RegistryError(
            f"{path}: {', '.join(sorted(unknown))} means nothing here; accounts are [accounts.<id>], and what their "
            "commands may do at most is [guardrails]"
        )
    tables = content.get("accounts")
    if not isinstance(tables, dict) or not tables:
        raise RegistryError(f"{path} has no account; each is a table [accounts.<id>]")
    return content


def _defaults(path: Path, table: Any) -> Guardrails:
    try:
        return _Defaults(guardrails=table).guardrails
    except ValidationError as error:
        raise RegistryError(f"{path}: {_problems(error)}") from error


def _guarded(account: Account, defaults: Guardrails) -> Account:
    guardrails = overlaid(defaults, account.guardrails)
    if account.auto_collect is not None and (breach := breach_of(guardrails, WantedChange(SWEEP))):
        raise ValueError(f"auto_collect: its guardrails forbid it, {breach.message}")
    return account.model_copy(update={"guardrails": guardrails})


def _account(account_id: str, table: Any, keys: Keys) -> Account:
    if not isinstance(table, dict):
        raise ValueError("must be a table, [accounts.<id>]")
    if "id" in table:
        raise ValueError("its id is the name of its table, not a field of it")
    return _RegisteredAccount.model_validate({"id": account_id, **table}, context=keys)


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{row['field']}: {row['problem']}" for row in problems_of(error))
