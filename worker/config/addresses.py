"""Where the broker and the HTTP API of a running system are."""

import json
from typing import Any

from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError


def amqp_url(settings: Settings) -> str:
    """The broker: PERPS_DMA_AMQP_URL, else the one of a running `up`.

    Raises ConfigurationError or CertificateProblem.
    """
    if settings.amqp_url:
        from worker.config.tls import secured

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
