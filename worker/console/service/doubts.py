"""`perps-dma doubts`: what is in doubt, since when, what was wanted, and when the venue is asked again."""

from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.events.lines import wanted_text
from worker.console.kit.ask import Questions, asking
from worker.console.kit.display import console, show_json, table
from worker.console.kit.grid import Grid

COLUMNS = ["account", "about", "wanted", "since", "command", "tries", "next look", "problem"]


def doubts_table(doubts: list[dict[str, Any]]) -> Grid:
    """Doubts as a worker tells them, a row each."""
    return table(COLUMNS, map(_row, doubts), folding=["problem"])


def _row(doubt: dict[str, Any]) -> list[str | None]:
    about = doubt["symbol"] or doubt["asset"] or "all assets"
    when = utc_text(doubt["since"]), doubt["command_id"], doubt["tries"], utc_text(doubt["next_look"])
    return [doubt["exchange_account_id"], about, wanted_text(doubt["wanted"]), *when, doubt["problem"]]


async def read_doubts(questions: Questions) -> list[dict[str, Any]]:
    """What is in doubt. Raises WorkerRefused."""
    doubts: list[dict[str, Any]] = (await questions.ask("get_doubts", {}))["data"]["doubts"]
    return doubts


async def show_doubts(settings: Settings, *, as_json: bool) -> None:
    """Print what is in doubt. Raises WorkerRefused."""
    async with asking(settings, "doubts") as questions:
        doubts = await read_doubts(questions)
    if as_json:
        show_json(doubts)
    else:
        console.print(doubts_table(doubts) if doubts else "nothing is in doubt")
