"""`perps-dma audit`: who did what to the service, and who was denied what."""

from collections.abc import Mapping
from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.kit.ask import ask
from worker.console.kit.display import console, printable, show_json, table

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
    told = (utc_text(entry["at"]), entry["actor"], entry["action"], entry["subject"], _in_words(entry["details"]))
    return [printable(text) for text in told]


def _in_words(details: Mapping[str, Any]) -> str:
    """What is known, without what is not; the fields of a request stand beside the others.

    >>> _in_words({"reason": "mended", "account": None, "request": {"symbol": "BTC/USDT:USDT", "leverage": 10}})
    'reason mended, symbol BTC/USDT:USDT, leverage 10'
    """
    pairs = (value.items() if isinstance(value, Mapping) else [(name, value)] for name, value in details.items())
    return ", ".join(f"{name} {value}" for part in pairs for name, value in part if value not in (None, ""))
