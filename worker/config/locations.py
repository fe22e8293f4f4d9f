"""Where a running system keeps what its parts need of one another: accounts, the token secret, the broker."""

import json
from contextlib import suppress
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError

from worker.accounts.account import Account, Accounts, RegistryError
from worker.accounts.registry import read_registry
from worker.config.settings import Settings
from worker.config.tls import secured
from worker.runtime.errors import ConfigurationError

SHORTEST_SECRET = 32
"""Bytes: as many as HS256 has (RFC 7518, section 3.2)."""


def load_accounts(settings: Settings) -> Accounts:
    """The registry's accounts and the sandbox's, whichever there are. Raises RegistryError or ConfigurationError."""
    return Accounts(read_accounts(settings))


def read_accounts(settings: Settings) -> tuple[Account, ...]:
    """The same as they are written now, for whoever has loaded them before.

    Raises RegistryError or ConfigurationError.
    """
    found: list[Account] = []
    if settings.accounts:
        found.extend(read_registry(settings.accounts, settings.sealing_keys))
    if settings.sandbox_file.exists():
        found.extend(_sandbox_accounts(settings))
    if not found:
        raise ConfigurationError(
            "no exchange account is known: set PERPS_DMA_ACCOUNTS to a registry file, "
            "or start the sandbox venues with `make up` or `perps-dma sandbox`"
        )
    return tuple(found)


class _SandboxAccount(Account):
    """Its keys are in the clear, so it must be at the sandbox: that speaks plain HTTP, and no venue does."""

    base_url: Annotated[str, Field(pattern="^http://")]


def _sandbox_accounts(settings: Settings) -> list[Account]:
    try:
        listed = json.loads(settings.sandbox_file.read_text())["accounts"]
        return [_SandboxAccount.model_validate(row) for row in listed]
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


def amqp_url(settings: Settings) -> str:
    """The broker: PERPS_DMA_AMQP_URL, else the one of a running `up`.

    Raises ConfigurationError or CertificateProblem.
    """
    if settings.amqp_url:
        return secured(str(settings.amqp_url), settings)
    if (told := _told_by_up(settings)) is not None:
        return str(told["amqp"])
    raise ConfigurationError(
        f"no broker: nothing runs in {settings.state}; start it with `make up`, or set PERPS_DMA_AMQP_URL"
    )


def http_url(settings: Settings) -> str:
    """The HTTP API of a running `up`. Raises ConfigurationError."""
    if (told := _told_by_up(settings)) is not None:
        return str(told["http"])
    raise ConfigurationError(f"nothing runs in {settings.state}; start it with `make up`")


def _told_by_up(settings: Settings) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(settings.up_file.read_text())
    except FileNotFoundError:
        return None
    return told
