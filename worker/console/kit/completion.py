"""What a shell may complete: read from files that lie here, for nobody waits for a worker at a key press."""

import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

MARGIN_MODES = ("cross", "isolated")
POSITION_MODES = ("one_way", "hedge")


def account_ids(incomplete: str) -> list[str]:
    """The accounts of the registry and of the sandbox whose ids begin so; no credential is looked at.

    The settings are read as a shell has them, from the environment alone.
    """
    return sorted(found for found in {*_registered(), *_seeded()} if found.startswith(incomplete))


def _registered() -> Iterator[str]:
    with suppress(OSError, ValueError, TypeError):
        yield from tomllib.loads(Path(os.environ.get("PERPS_DMA_ACCOUNTS", "")).read_text()).get("accounts", {})


def _seeded() -> Iterator[str]:
    with suppress(OSError, ValueError, KeyError, TypeError):
        file = Path(os.environ.get("PERPS_DMA_STATE", ".perps-dma")) / "sandbox.json"
        yield from (row["id"] for row in json.loads(file.read_text())["accounts"])


def margin_modes(incomplete: str) -> list[str]:
    """The margin modes that begin so."""
    return [mode for mode in MARGIN_MODES if mode.startswith(incomplete)]


def position_modes(incomplete: str) -> list[str]:
    """The position modes that begin so."""
    return [mode for mode in POSITION_MODES if mode.startswith(incomplete)]


def operations(incomplete: str) -> list[str]:
    """The operations of the table that begin so."""
    from schemas.operations import OPERATIONS

    return [name for name in OPERATIONS if name.startswith(incomplete)]
