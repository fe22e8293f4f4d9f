"""`perps-dma command`: what became of a command."""

from typing import Any

from schemas.base import utc_text
from worker.console.ask import ask
from worker.console.display import console, outcome_text, show_json, table
from worker.settings import Settings

TIMES = frozenset({"received", "deadline", "finished"})


async def show_command(settings: Settings, command_id: str, *, as_json: bool) -> None:
    """Print the state of a command. Raises Refused for one that no worker knows."""
    known = (await ask(settings, "get_command", {"command_id": command_id}))["data"]
    if as_json:
        show_json(known)
    else:
        console.print(table(["", ""], ([name, _shown(name, value)] for name, value in known.items()), folding=[""]))


def _shown(name: str, value: Any) -> Any:
    if name in TIMES and value is not None:
        return utc_text(value)
    return outcome_text(value) if name == "outcome" and value is not None else value
