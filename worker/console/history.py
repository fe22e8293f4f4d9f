"""`perps-dma history`: all funding payments or realized profits of an account, over any span, from cursor to cursor."""

import csv
import json
import sys
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from schemas.base import Milliseconds
from schemas.requests import MarketType
from worker.config.settings import Settings
from worker.console.kit.ask import Questions, WorkerRefused, asking, message_of
from worker.console.kit.display import console, show_json, table, tell_missing
from worker.runtime.errors import ConfigurationError

ANSWER_MS: Milliseconds = 30_000
PAGE = 5_000
"""Records of one answer: more cost the broker a larger message, and nobody less time."""

COLUMNS = ("id", "symbol", "amount", "code", "timestamp", "datetime")

FOR_PEOPLE = ("datetime", "symbol", "amount", "code", "id")
"""The same without the instant as a number, which `datetime` is in words."""


class HistoryKind(StrEnum):
    """What a history is of."""

    FUNDING = "funding"
    PNL = "pnl"


LISTS: Mapping[HistoryKind, tuple[str, str]] = {
    HistoryKind.FUNDING: ("get_funding_history", "payments"),
    HistoryKind.PNL: ("get_realized_pnl", "entries"),
}
"""The operation of each, and the list in its answer."""


@dataclass(frozen=True, slots=True)
class HistoryWish:
    """Which records are wanted: of an account, from an instant (None: from the oldest on) to another, UTC ms."""

    kind: HistoryKind
    account: str
    symbol: str | None
    market_type: MarketType
    since: Milliseconds | None
    until: Milliseconds

    def request(self, cursor: str | None) -> dict[str, Any]:
        """The request of the bus, or the one that follows."""
        body = {
            "exchange_account_id": self.account,
            "symbol": self.symbol,
            "market_type": self.market_type,
            "since": self.since or 0,
            "limit": PAGE,
            "cursor": cursor,
        }
        return {name: value for name, value in body.items() if value is not None}


def instant_of(text: str) -> Milliseconds:
    """An instant as people write it: a date, a time, or UTC milliseconds. Raises ConfigurationError.

    >>> instant_of("2026-01-01"), instant_of("2026-01-01T00:00:01Z"), instant_of("1767225600000")
    (1767225600000, 1767225601000, 1767225600000)
    """
    if text.isdecimal():
        return int(text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{text!r} is no time: write 2026-01-31, 2026-01-31T12:00:00Z or UTC milliseconds"
        ) from None
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000)


async def show_history(settings: Settings, wish: HistoryWish, *, as_csv: bool, as_json: bool) -> bool:
    """Print all records of a wish, the oldest first. True where nothing is missing of it."""
    missing: list[str] = []
    async with asking(settings, "history") as questions:
        with _progress(wish) as reached:
            pages = _pages(questions, wish, reached, missing)
            if as_csv:
                await _write_csv(pages)
            else:
                rows = [row async for page in pages for row in page]
                _show(wish, rows, as_json=as_json)
    tell_missing(*missing)
    return not missing


async def _pages(
    questions: Questions, wish: HistoryWish, reached: "Reached", missing: list[str]
) -> AsyncIterator[list[dict[str, Any]]]:
    """The records of answer after answer, until there are no more or `until` is passed."""
    operation, name = LISTS[wish.kind]
    cursor: str | None = None
    while True:
        reply = await questions.reply(operation, json.dumps(wish.request(cursor)).encode(), answer_ms=ANSWER_MS)
        if reply.status >= 400:
            raise WorkerRefused(message_of(json.loads(reply.body)))
        rows = json.loads(reply.body, parse_float=str)["data"][name]
        yield [row for row in rows if row["timestamp"] <= wish.until]
        if unread := reply.headers.get("Coverage-Unread"):
            missing.append(unread)
        begin = int(reply.headers.get("Coverage-From", 0))
        if cursor is None and wish.since is not None and begin > wish.since:
            missing.append(f"the venue keeps no records from before {_text(begin)}")
        at = int(reply.headers.get("Coverage-To", rows[-1]["timestamp"] if rows else 0))
        reached(begin, at)
        following = reply.headers.get("Next-Cursor")
        if following is None or at >= wish.until:
            return
        if following == cursor:
            raise WorkerRefused(f"the cursor stays at {_text(at)}: no further record can be read")
        cursor = following


async def _write_csv(pages: AsyncIterator[list[dict[str, Any]]]) -> None:
    """Rows as they come: a history may be longer than what fits in memory."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(COLUMNS)
    async for page in pages:
        writer.writerows(_cells(row) for row in page)


def _show(wish: HistoryWish, rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(rows)
        return
    console.print(table(FOR_PEOPLE, ([row[name] for name in FOR_PEOPLE] for row in rows)))
    begin = "the oldest" if wish.since is None else _text(wish.since)
    console.print(f"{len(rows)} records of {wish.account}, {begin} to {_text(wish.until)}")


def _cells(row: Mapping[str, Any]) -> Iterable[Any]:
    return (row[name] for name in COLUMNS)


def _text(instant: Milliseconds) -> str:
    return datetime.fromtimestamp(instant / 1_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Reached:
    """Hears how far a walk has come."""

    def __init__(self, bar: Progress, wish: HistoryWish) -> None:
        self._bar, self._wish = bar, wish
        self._begin = wish.since
        self._task = bar.add_task("", total=None)

    def __call__(self, begin: Milliseconds, instant: Milliseconds) -> None:
        """All records up to an instant are here; the first answer says when the oldest may be from."""
        self._begin = max(self._begin or 0, begin) if self._bar.tasks[0].total is None else self._begin
        begin = self._begin or 0
        total, done = max(1, self._wish.until - begin), max(0, instant - begin)
        self._bar.update(self._task, total=total, completed=done, description=_text(instant))


@contextmanager
def _progress(wish: HistoryWish) -> Iterator[Reached]:
    """A bar for people on a terminal, over the time walked through; on standard error, and gone at the end."""
    screen = Console(stderr=True)
    columns = (TextColumn("reading the history"), BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        yield Reached(bar, wish)
