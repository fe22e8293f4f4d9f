"""`perps-dma freezes`: what is frozen, since when, by whom and why."""

from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.kit.ask import ask
from worker.console.kit.display import console, show_json, table
from worker.console.kit.grid import Grid


def freezes_table(freezes: list[dict[str, Any]]) -> Grid:
    """Freezes as a worker tells them, a row each."""
    rows = ([row["scope"], utc_text(row["since"]), row["actor"], row["reason"]] for row in freezes)
    return table(["scope", "since", "by", "reason"], rows, folding=["reason"])


async def show_freezes(settings: Settings, *, as_json: bool) -> None:
    """Print what is frozen. Raises WorkerRefused."""
    freezes = (await ask(settings, "get_freezes", {}))["data"]["freezes"]
    if as_json:
        show_json(freezes)
    else:
        console.print(freezes_table(freezes) if freezes else "nothing is frozen")
