"""`perps-dma commands`: what was asked for, by whom, and what came of it; the newest first."""

from collections.abc import Mapping
from typing import Any

from schemas.base import utc_text
from worker.config.settings import Settings
from worker.console.events.lines import wanted_text
from worker.console.kit.ask import asking
from worker.console.kit.display import console, outcome_text, show_json, table

COLUMNS = ("received", "account", "operation", "wanted", "outcome", "by", "actor", "command")

Row = Mapping[str, Any]


async def show_commands(settings: Settings, filters: Mapping[str, Any], limit: int, *, as_json: bool) -> None:
    """Print commands, as many as are wanted or as there are. Raises WorkerRefused."""
    rows: list[Row] = []
    cursor: str | None = None
    async with asking(settings, "commands") as questions:
        while len(rows) < limit:
            page = (await questions.ask("get_commands", _request(filters, limit - len(rows), cursor)))["data"]
            rows += page["commands"]
            if (cursor := page["next_cursor"]) is None:
                break
    if as_json:
        show_json(rows)
    else:
        known = table(COLUMNS, map(_cells, rows), folding=("wanted",))
        console.print(known if rows else "there is no such command")


def _request(filters: Mapping[str, Any], limit: int, cursor: str | None) -> dict[str, Any]:
    asked = {name: value for name, value in filters.items() if value is not None}
    return {**asked, "limit": min(limit, 1_000), **({} if cursor is None else {"cursor": cursor})}


SAID = {"exchange_account_id", "symbol", "market_type"}
"""What of a request is said by its account and its market; delivery futures tell themselves by their symbols."""


def _wanted(requested: Row) -> str:
    """The market, and what it was to have."""
    wanted = wanted_text({name: value for name, value in requested.items() if name not in SAID})
    return " ".join(filter(None, (requested.get("symbol"), wanted)))


def _cells(row: Row) -> list[Any]:
    outcome = outcome_text(row["outcome"]) if row["outcome"] else row["state"]
    known = (row["confirmed_by"] or "-").replace("_", " ")
    about = utc_text(row["received"]), row["exchange_account_id"], row["operation"]
    return [*about, _wanted(row["requested"]), outcome, known, row["actor"], row["command_id"]]
