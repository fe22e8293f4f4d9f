"""`perps-dma definitions`: the broker's users and their rights, for RabbitMQ to import."""

import json
from pathlib import Path

from worker.broker.permissions import RIGHTS, definitions
from worker.runtime.errors import ConfigurationError


def definitions_text(passwords: Path | None) -> str:
    """The definitions as JSON. `passwords` is a folder with a file for each user. Raises ConfigurationError."""
    found = {} if passwords is None else {user: _password(passwords / user) for user in RIGHTS}
    return json.dumps(definitions(found), indent=2) + "\n"


def _password(file: Path) -> str:
    try:
        password = file.read_text().strip()
    except OSError as error:
        raise ConfigurationError(
            f"no password for the user {file.name} ({file}: {error.strerror}); write one into that file"
        ) from error
    if not password:
        raise ConfigurationError(f"no password for the user {file.name}: {file} is empty")
    return password
