"""`perps-dma audit`: who did what to the service, and who was denied what."""

from collections.abc import Mapping
from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.ask import ask
from worker.console.display import console, printable, show_json, table

COLUMNS = ("time", "who", "what", "about", "details")


async def show_audit(settings: Settings, limit: int, *, as_json: bool) -> None:
    """Print the newest entries, the newest first. Raises WorkerRefused."""
    entries = (await ask(settings, "get_audit", {"limit": limit}))["data"]["entries"]
    if as_json:
        show_json(entries)
    elif entries:
        console.print(table(COLUMNS, map(_row, entries), folding=("details",)))
    else:
        console.print("the audit is empty")


def _row(entry: Mapping[str, Any]) -> list[str | None]:
    details = ", ".join(f"{name} {value}" for name, value in entry["details"].items() if value not in (None, ""))
    told = (utc_text(entry["at"]), entry["actor"], entry["action"], entry["subject"], details)
    return [printable(text) for text in told]
