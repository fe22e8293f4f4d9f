"""`perps-dma book` and `perps-dma top`: what all accounts hold, as it was last read, and how old that is."""

import asyncio
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from worker.config.settings import Settings
from worker.console.desk.positions import COLUMNS, cells, distance_of
from worker.console.kit.ask import Questions, asking
from worker.console.kit.display import console, figure, show_json, table, tell_missing

LEVEL_STYLES = {"ok": "green", "warn": "yellow", "critical": "bold red"}
TOTALS = ("venue", "symbol", "accounts", "long", "short", "in", "PnL", "in")
REFRESH_S = 2.0

Row = Mapping[str, Any]


async def show_book(settings: Settings, filters: Mapping[str, str], *, as_json: bool) -> bool:
    """Print the book. True where every account that is meant was read. Raises WorkerRefused."""
    async with asking(settings, "book") as questions:
        book = await _read(questions, filters)
    if as_json:
        show_json(book)
    else:
        console.print(_page(book))
    missing = [f"{account}: its positions were never read yet" for account in book["missing"]]
    missing += [f"{row['exchange_account_id']}: {part}" for row in book["snapshots"] for part in _unread(row)]
    tell_missing(*missing)
    return not missing


async def watch_book(settings: Settings, filters: Mapping[str, str]) -> None:
    """Show the book, and again every two seconds, until interrupted. Raises WorkerRefused."""
    async with asking(settings, "top") as questions:
        with Live(_page(await _read(questions, filters)), console=console, screen=True, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(REFRESH_S)
                live.update(_page(await _read(questions, filters)), refresh=True)


async def _read(questions: Questions, filters: Mapping[str, str]) -> dict[str, Any]:
    book: dict[str, Any] = (await questions.ask("get_snapshots", dict(filters)))["data"]
    return book


def _page(book: Mapping[str, Any]) -> RenderableType:
    """Positions with the age of each, and totals in the currencies that they are in."""
    rows = list(chain.from_iterable(_rows(snapshot) for snapshot in book["snapshots"]))
    held = table((*COLUMNS, "to liq.", "ratio", "age"), rows, folding=("margin",), naming=1)
    summary = Text(f"{len(rows)} open on {book['count']} account{'' if book['count'] == 1 else 's'}")
    if not rows:
        return summary
    return Group(held, "", table(TOTALS, map(_total, book["totals"])), summary)


def _rows(snapshot: Row) -> Sequence[Sequence[Any]]:
    style = "dim" if snapshot["stale"] else ""
    age = Text(_age(snapshot), style=style)
    return [[*cells(row), distance_of(row), _ratio(snapshot["margin"]), age] for row in snapshot["positions"]]


def _ratio(margin: Row | None) -> Text:
    """The worst ratio of the account that a position is in, in the colour of its level."""
    if margin is None or margin["worst_ratio"] is None:
        return Text("-")
    return Text(figure(margin["worst_ratio"]), style=LEVEL_STYLES[margin["level"]])


def _age(snapshot: Row) -> str:
    """How old it is; of what can't be read now, how old the last that was."""
    seconds = f"{snapshot['age_ms'] / 1000:.0f} s"
    return f"{seconds}, stale" if snapshot["stale"] else seconds


def _unread(snapshot: Row) -> list[str]:
    return [f"{part['part']}: {part['reason']}" for part in snapshot["unread"]]


def _total(row: Row) -> list[Any]:
    held = row["accounts"], row["long_notional"], row["short_notional"], row["notional_currency"]
    return [row["exchange"], row["symbol"], *held, row["unrealized_pnl"], row["pnl_currency"]]
