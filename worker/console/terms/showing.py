"""How plans and what became of them look: a line for each symbol that is to change, and counts."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from rich.text import Text

from schemas.outcomes import Outcome
from worker.console.kit.display import cell, console, legible, outcome_text
from worker.console.kit.grid import Grid

SIGNS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "change": ("~", "yellow"),
        "impossible": ("!", "red"),
        "unknown": ("?", "magenta"),
        "unchanged": ("=", "dim"),
    }
)
"""What stands before a symbol, and its colour."""

WORDS: Mapping[str, str] = MappingProxyType(
    {"change": "to change", "unknown": "unknown", "impossible": "impossible", "unchanged": "unchanged"}
)
SETTINGS = ("margin_mode", "leverage")


def show_plan(plan: Mapping[str, Any], source: object, *, everything: bool) -> None:
    """What a plan says, without what is so already."""
    console.print(Text(f"{plan['exchange_account_id']} on {plan['exchange']}", style="bold"))
    rows = (*plan["position_modes"], *plan["symbols"])
    shown = [row for row in rows if everything or row["state"] != "unchanged"]
    if shown:
        console.print()
        console.print(Grid(("", "symbol", "now → then", "why"), map(_planned, shown), folding=("why",)))
    console.print()
    if not needs_changes(plan):
        console.print(Text.assemble(("No changes.", "bold green"), f" The account is as {source} says."))
    console.print(Text.assemble(("Plan: ", "bold"), _counts(plan), "."))
    if plan["cost"]["requests"]:
        console.print(Text(_cost(plan["cost"])))


def needs_changes(plan: Mapping[str, Any]) -> bool:
    """Whether something is not as the document says, be it possible or not."""
    return any(plan[state] for state in ("change", "unknown", "impossible"))


def _planned(row: Mapping[str, Any]) -> Sequence[Text]:
    sign, style = SIGNS[row["state"]]
    return (
        Text(sign, style=style),
        Text(row.get("symbol") or row["part"]),
        Text(_moves(row), style=style),
        cell(legible(row["reason"]) or ""),
    )


def _moves(row: Mapping[str, Any]) -> str:
    """From what to what, of each setting that is wanted."""
    if "part" in row:
        return f"position mode {row['now'] or '?'} → {row['then']}"
    now, then = row["now"] or {}, row["then"]
    wanted = [name for name in SETTINGS if then.get(name) is not None]
    changed = [name for name in wanted if name in row["changes"]] or wanted
    return ", ".join(f"{name.replace('_', ' ')} {_figure(now.get(name))} → {_figure(then[name])}" for name in changed)


def _figure(value: Any) -> str:
    if value is None:
        return "?"
    return f"{Decimal(str(value)).normalize():f}x" if isinstance(value, int | float | Decimal) else str(value)


def _counts(plan: Mapping[str, Any]) -> str:
    return ", ".join(f"{plan[state]} {word}" for state, word in WORDS.items() if plan[state] or state == "change")


def _cost(cost: Mapping[str, Any]) -> str:
    uses = ", ".join(
        f"{use['weight']} of {use['limit']} ({use['capacity']} in {use['window_ms'] / 1000:g} s)"
        for use in cost["limits"]
    )
    requests = "1 request" if cost["requests"] == 1 else f"{cost['requests']} requests"
    return f"It takes {requests}: {uses}; at the venue's limits {cost['seconds']:g} s at the least."


def show_applied(outcome: Outcome, message: str, symbols: Iterable[Mapping[str, Any]], command_id: str) -> None:
    """How all of it ended, with the symbols that are not as they were wanted."""
    failed = [row for row in symbols if not Outcome(row["outcome"]).succeeded]
    if failed:
        rows = ((Text(row["symbol"]), outcome_text(row["outcome"]), cell(legible(row["message"]))) for row in failed)
        console.print(Grid(("symbol", "outcome", "why"), rows, folding=("why",)))
        console.print()
    style = "bold green" if outcome.succeeded else "bold red"
    console.print(Text.assemble((message, style), f"  command {command_id}"))


def progress_text(progress: Mapping[str, Any]) -> str:
    """How far it has come, in a line.

    >>> progress_text({"done": 3, "total": 9, "counts": {"applied": 2, "precondition_failed": 1}, "symbol": "A/B:B"})
    'Applying: 3 of 9 symbols (2 applied, 1 precondition failed), A/B:B'
    """
    counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in progress["counts"].items())
    behind = f", {progress['symbol']}" if progress.get("symbol") else ""
    return f"Applying: {progress['done']} of {progress['total']} symbols{f' ({counts})' if counts else ''}{behind}"
