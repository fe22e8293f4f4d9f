"""`perps-dma command`: what became of a command."""

from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.events.lines import in_doubt
from worker.console.kit.ask import ask
from worker.console.kit.display import console, outcome_text, printable, show_json, table

TIMES = frozenset({"received", "deadline", "finished"})


async def show_command(settings: Settings, command_id: str, *, as_json: bool) -> None:
    """Print the state of a command. Raises WorkerRefused for one that no worker knows."""
    known = (await ask(settings, "get_command", {"command_id": command_id}))["data"]
    if as_json:
        show_json(known)
    else:
        console.print(table(["", ""], ([name, _shown(name, value)] for name, value in known.items()), folding=[""]))


def _shown(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name == "doubt":
        problem = f"; asked {value['tries']} times since: {value['problem']}" if value["problem"] else ""
        return f"{value['exchange_account_id']} {in_doubt(value)}{printable(problem)}"
    if name == "resolution":
        return f"{utc_text(value['resolved'])} {printable(value['message'])}"
    if name in TIMES:
        return utc_text(value)
    return outcome_text(value) if name == "outcome" else value
