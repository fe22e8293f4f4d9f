"""Where a running system keeps what its parts need of one another: accounts, the token secret, the broker."""

import json
from contextlib import suppress
from typing import Any

from pydantic import SecretStr, ValidationError

from worker.accounts import Account, Accounts, RegistryError, read_registry
from worker.settings import Settings


class NotReady(Exception):
    """Something that has to be there is not; the message says what to do."""


def load_accounts(settings: Settings) -> Accounts:
    """The registry's accounts and the sandbox's, whichever there are. Raises RegistryError or NotReady."""
    found: list[Account] = []
    if settings.accounts:
        found.extend(read_registry(settings.accounts))
    if settings.sandbox_file.exists():
        found.extend(_sandbox_accounts(settings))
    if not found:
        raise NotReady(
            "no exchange account is known: set PERPS_DMA_ACCOUNTS to a registry file, "
            "or start the sandbox venues with `make up` or `perps-dma sandbox`"
        )
    return Accounts(tuple(found))


def _sandbox_accounts(settings: Settings) -> list[Account]:
    try:
        listed = json.loads(settings.sandbox_file.read_text())["accounts"]
        return [Account.model_validate(row) for row in listed]
    except (OSError, ValueError, KeyError, ValidationError) as error:
        raise RegistryError(
            f"{settings.sandbox_file} is not what the sandbox writes ({type(error).__name__}); start the sandbox again"
        ) from error


def jwt_secret(settings: Settings) -> SecretStr:
    """The secret of the HTTP tokens: PERPS_DMA_JWT_SECRET, else the one `up` made. Raises NotReady."""
    if settings.jwt_secret:
        return settings.jwt_secret
    with suppress(FileNotFoundError):
        return SecretStr(settings.jwt_secret_file.read_text().strip())
    raise NotReady(
        "there is no secret to check tokens with: set PERPS_DMA_JWT_SECRET (32 bytes or more), "
        "or let `make up` make one for its own use"
    )


def amqp_url(settings: Settings) -> str:
    """The broker: PERPS_DMA_AMQP_URL, else the one of a running `up`. Raises NotReady."""
    if settings.amqp_url:
        return str(settings.amqp_url)
    if (told := _told_by_up(settings)) is not None:
        return str(told["amqp"])
    raise NotReady(f"no broker: nothing runs in {settings.state}; start it with `make up`, or set PERPS_DMA_AMQP_URL")


def http_url(settings: Settings) -> str:
    """The HTTP API of a running `up`. Raises NotReady."""
    if (told := _told_by_up(settings)) is not None:
        return str(told["http"])
    raise NotReady(f"nothing runs in {settings.state}; start it with `make up`")


def _told_by_up(settings: Settings) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads(settings.up_file.read_text())
    except FileNotFoundError:
        return None
    return told
