"""Where a running system keeps what its parts need of one another: accounts, the token secret."""

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError

from worker.accounts.account import Account, Accounts, RegistryError
from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError

SHORTEST_SECRET = 32
"""Bytes: as many as HS256 has (RFC 7518, section 3.2)."""


TOURED = "-tour-001"
"""How the ids of the accounts end that `perps-dma tour` changes as it likes: they are the sandbox's alone."""


def load_accounts(settings: Settings) -> Accounts:
    """The registry's accounts and the sandbox's, whichever there are. Raises RegistryError or ConfigurationError."""
    return Accounts(read_accounts(settings))


def read_accounts(settings: Settings) -> tuple[Account, ...]:
    """The same as they are written now, for whoever has loaded them before.

    Where both have an id, it is the registry's: what somebody has registered is meant, and the sandbox's accounts are
    there for want of any. Raises RegistryError or ConfigurationError.
    """
    registered, seeded = _registered(settings), _seeded(settings)
    taken = _taken(registered, seeded, settings)
    found = (*registered, *(account for account in seeded if account.id not in taken))
    if not found:
        raise ConfigurationError(
            "no exchange account is known: set PERPS_DMA_ACCOUNTS to a registry file, "
            "or start the sandbox venues with `make up` or `perps-dma sandbox`"
        )
    return found


def displaced_accounts(settings: Settings) -> tuple[str, ...]:
    """The ids of the sandbox's accounts that the registry has taken. Raises what `read_accounts` raises."""
    return _taken(_registered(settings), _seeded(settings), settings)


def _registered(settings: Settings) -> tuple[Account, ...]:
    if settings.accounts is None:
        return ()
    from worker.accounts.registry import read_registry

    return read_registry(settings.accounts, settings.sealing_keys)


def _seeded(settings: Settings) -> tuple[Account, ...]:
    if not settings.sandbox_file.exists():
        return ()
    accounts = _sandbox_accounts(settings)
    if twice := [name for name, count in Counter(account.id for account in accounts).items() if count > 1]:
        raise RegistryError(f"{settings.sandbox_file} has two accounts {' and '.join(twice)}; start the sandbox again")
    return accounts


def _taken(registered: Sequence[Account], seeded: Sequence[Account], settings: Settings) -> tuple[str, ...]:
    """The ids of both. Raises RegistryError for those that nobody may take."""
    own = {account.id for account in registered}
    taken = tuple(account.id for account in seeded if account.id in own)
    if toured := [name for name in taken if name.endswith(TOURED)]:
        raise RegistryError(
            f"two accounts have the same id, {' and '.join(toured)}: one in {settings.accounts}, one in "
            f"{settings.sandbox_file}, which `perps-dma tour` changes as it likes; give the one in "
            f"{settings.accounts} another id"
        )
    return taken


class _SandboxAccount(Account):
    """Its keys are in the clear, so it must be at the sandbox: that speaks plain HTTP, and no venue does."""

    base_url: Annotated[str, Field(pattern="^http://")]


def _sandbox_accounts(settings: Settings) -> tuple[Account, ...]:
    try:
        listed = json.loads(settings.sandbox_file.read_text())["accounts"]
        return tuple(_SandboxAccount.model_validate(row) for row in listed)
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise RegistryError(
            f"{settings.sandbox_file} is not what the sandbox writes ({type(error).__name__}); start the sandbox again"
        ) from None  # what it was may hold keys


def jwt_secret(settings: Settings) -> SecretStr:
    """The secret of the HTTP tokens: PERPS_DMA_JWT_SECRET, else the one `up` made. Raises ConfigurationError."""
    require_one_kind_of_keys(settings)
    if settings.jwt_public_key or settings.jwt_jwks_url:
        raise ConfigurationError(
            "no token can be made here: they are checked with public keys; ask your identity provider for one"
        )
    if settings.jwt_secret is not None:
        return _long_enough(settings.jwt_secret, "PERPS_DMA_JWT_SECRET")
    with suppress(FileNotFoundError):
        return _long_enough(SecretStr(settings.jwt_secret_file.read_text().strip()), str(settings.jwt_secret_file))
    raise ConfigurationError(
        "there is nothing to check tokens with: set PERPS_DMA_JWT_SECRET (32 bytes or more), PERPS_DMA_JWT_PUBLIC_KEY "
        "or PERPS_DMA_JWT_JWKS_URL, or let `make up` make a secret for its own use"
    )


def require_one_kind_of_keys(settings: Settings) -> None:
    """Tokens are checked in one way. Raises ConfigurationError where the settings name several."""
    kinds = ("jwt_secret", "jwt_public_key", "jwt_jwks_url")
    named = [f"PERPS_DMA_{kind.upper()}" for kind in kinds if getattr(settings, kind) is not None]
    if len(named) > 1:
        raise ConfigurationError(
            f"{' and '.join(named)} exclude one another: tokens are checked in one way; unset all but one"
        )


def _long_enough(secret: SecretStr, where: str) -> SecretStr:
    if (length := len(secret.get_secret_value().encode())) < SHORTEST_SECRET:
        raise ConfigurationError(
            f"{where}: a secret of {length} bytes can be guessed; take {SHORTEST_SECRET} or more, "
            "such as those of `openssl rand -hex 32`"
        )
    return secret
