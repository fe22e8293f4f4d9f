"""`perps-dma freeze` and `perps-dma unfreeze`: stop changes, and allow them again."""

import getpass
import os
from collections.abc import Mapping
from typing import Any

from worker.config.settings import Settings
from worker.console.kit.ask import ask
from worker.console.kit.display import console


def login_name() -> str:
    """Who is logged in; the user's number where it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def scope_of(account: str | None, exchange: str | None, *, everything: bool) -> dict[str, Any]:
    """The fields that name a scope. Raises ValueError unless exactly one is named."""
    named: dict[str, Any] = {"exchange_account_id": account, "exchange": exchange, "all": everything or None}
    scope = {field: value for field, value in named.items() if value is not None}
    if len(scope) != 1:
        raise ValueError("say what: one of --account ID, --exchange NAME and --all")
    return scope


async def change_freeze(settings: Settings, operation: str, request: Mapping[str, Any], actor: str) -> None:
    """Freeze or unfreeze, and print what is so now. Raises WorkerRefused."""
    console.print((await ask(settings, operation, request, actor))["message"])
