"""The registry of exchange accounts: which there are, on which venue, and where their keys come from."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from schemas.control import Exchange


class RegistryError(Exception):
    """The registry can't be used as it is; the message names the file, the account and the remedy."""


def _resolve(reference: SecretStr) -> SecretStr:
    """Read a credential where it is kept: `env:NAME` or `file:PATH`."""
    kind, _, where = reference.get_secret_value().partition(":")
    if kind == "env" and where:
        if not (value := os.environ.get(where, "")):
            raise ValueError(f"the environment variable {where} is not set")
        return SecretStr(value)
    if kind == "file" and where:
        try:
            return SecretStr(Path(where).read_text().strip())
        except OSError as error:
            raise ValueError(f"{where} can't be read: {error.strerror}") from error
    raise ValueError("must be a reference, env:NAME or file:PATH, never the secret itself")


Credential = Annotated[SecretStr, AfterValidator(_resolve)]


PositionMode = Literal["one_way", "hedge"]
"""Whether long and short of a market are netted, or two positions of their own."""

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "binance": ("api_key", "secret"),
        "bybit": ("api_key", "secret"),
        "gate": ("api_key", "secret"),
        "okx": ("api_key", "secret", "passphrase"),
        "hyperliquid": ("secret", "account_address"),
    }
)
"""What each venue wants to know of an account. Hyperliquid's `secret` is the private key of the signer."""


class Account(BaseModel):
    """One exchange account. `base_url` is set for sandbox accounts only.

    On Hyperliquid the signer (an agent wallet, whose private key is the `secret`) acts for `account_address`, which
    owns the positions, or for `vault_address`, a vault or sub-account of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    exchange: Exchange
    portfolio_margin: bool = False
    margin_mode_scope: Annotated[
        Literal["account", "symbol"],
        Field(description="Where a venue changes margin mode for the whole account only, `symbol` refuses that"),
    ] = "account"
    position_mode: Annotated[
        PositionMode | None, Field(description="What the account is meant to be in; `accounts check` compares it")
    ] = None
    api_key: SecretStr | None = None
    secret: SecretStr
    passphrase: SecretStr | None = None
    account_address: str | None = None
    vault_address: str | None = None
    base_url: str | None = None

    def reveal(self, credential: str) -> str:
        """A credential in the clear, or nothing where the venue has none of the kind."""
        secret: SecretStr | None = getattr(self, credential)
        return secret.get_secret_value() if secret else ""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [name for name in NEEDS[self.exchange] if getattr(self, name) is None]
        if missing:
            raise ValueError(f"an account on {self.exchange} also needs {' and '.join(missing)}")
        if self.portfolio_margin and self.exchange != "binance":
            raise ValueError("portfolio_margin is an account type of Binance only")
        return self


class _RegisteredAccount(Account):
    api_key: Credential | None = None
    secret: Credential
    passphrase: Credential | None = None
    base_url: None = None


def _problems(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, row['loc']))}: {row['msg']}" for row in error.errors(include_input=False))


def read_registry(path: Path) -> tuple[Account, ...]:
    """The accounts of a TOML registry, with `[accounts.<id>]` tables and credentials by reference.

    Raises RegistryError that names everything wrong in it, and not just the first account.
    """
    try:
        tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text()).get("accounts", {})
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise RegistryError(f"the account registry {path} can't be read: {error}") from error
    accounts, wrong = [], []
    for account_id, table in tables.items():
        try:
            accounts.append(_RegisteredAccount(id=account_id, **table))
        except ValidationError as error:
            wrong.append(f"account {account_id!r}: {_problems(error)}")
    if wrong:
        raise RegistryError(f"{path}, {'; '.join(wrong)}")
    return tuple(accounts)


class Accounts(Mapping[str, Account]):
    """Accounts by id."""

    def __init__(self, accounts: tuple[Account, ...]) -> None:
        self._by_id = {account.id: account for account in accounts}
        if len(self._by_id) < len(accounts):
            raise RegistryError("two accounts have the same id; ids must be unique over registry and sandbox")

    def __getitem__(self, account_id: str) -> Account:
        return self._by_id[account_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)
