"""`perps-dma dead-letters`: what could not be carried out, for people and for programs."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC
from types import MappingProxyType
from typing import Any

from rich.cells import cell_len

from worker.bus.dead_letters import (
    DeadLetters,
    Letter,
    LettersUnavailable,
    Settled,
    UnknownLetter,
    hold_dead_letters,
)
from worker.config.addresses import amqp_url
from worker.config.settings import Settings
from worker.console.kit.display import console, legible, shortened, show_json, table
from worker.console.service.freeze import login_name
from worker.runtime.errors import ConfigurationError

COLUMNS = ("time", "id", "operation", "account", "reason")

PROPERTIES = ("message_id", "correlation_id")
"""What else of a message tells whose it is."""

LONGEST: Mapping[str, int] = MappingProxyType({"operation": 40, "account": 40, "reason": 300})
"""Columns of a line that a value gets in the list; `show` has all of it. An id is never cut, for it is copied."""

LEAST_FOR_REASON = 40
"""Where a row leaves the reason less than that, letters are listed one below the other."""


@asynccontextmanager
async def _held(settings: Settings) -> AsyncIterator[DeadLetters]:
    try:
        async with hold_dead_letters(amqp_url(settings), settings.shim_user) as held:
            yield held
    except (LettersUnavailable, UnknownLetter) as error:
        raise ConfigurationError(str(error)) from error


def _chosen(held: DeadLetters, ids: Sequence[str] | None) -> tuple[Letter, ...]:
    """The letters of these ids, or all for None. Raises UnknownLetter."""
    return held.letters if ids is None else held.named(ids)


def _summary(letter: Letter) -> dict[str, str | None]:
    return {
        "time": letter.time.astimezone(UTC).isoformat().replace("+00:00", "Z") if letter.time else None,
        "id": letter.id,
        "operation": letter.operation,
        "account": letter.account,
        "reason": letter.reason,
    }


def _details(letter: Letter) -> dict[str, Any]:
    body = letter.message.body
    try:
        content = {"body": body.decode()}
    except UnicodeDecodeError:
        content = {"body_base64": base64.b64encode(body).decode()}
    about = {"actor": letter.actor, **{name: getattr(letter.message, name) for name in PROPERTIES}}
    return _summary(letter) | about | content


async def count_letters(settings: Settings) -> int:
    """How many there are."""
    async with _held(settings) as held:
        return len(held.letters)


async def show_letters(settings: Settings, *, as_json: bool) -> None:
    """Print one line for each letter, the oldest first."""
    async with _held(settings) as held:
        rows = [_summary(letter) for letter in held.letters]
    if as_json:
        show_json(rows)
    elif rows:
        _print_list([{name: _shown(name, value) for name, value in row.items()} for row in rows])
    else:
        console.print("no dead letters")


def _shown(name: str, value: str | None) -> str:
    """A value as the list has it."""
    return shortened(legible(value) or "-", LONGEST.get(name))


def _print_list(rows: Sequence[Mapping[str, str]]) -> None:
    """A table where it has room for all columns, else each letter by itself: whatever is in one hides nothing."""
    width = sum(2 + max(cell_len(row[name]) for row in rows) for name in COLUMNS[:-1])
    if width + LEAST_FOR_REASON <= console.width:
        console.print(table(COLUMNS, (row.values() for row in rows), folding=("reason",)))
        return
    for index, row in enumerate(rows):
        if index:
            console.print()
        for name, value in row.items():
            console.print(f"{name + ':':<11}{value}", markup=False, soft_wrap=True)


async def show_letter(settings: Settings, letter_id: str, *, as_json: bool) -> None:
    """Print all there is to know of a letter."""
    async with _held(settings) as held:
        [letter] = map(_details, _chosen(held, [letter_id]))
    if as_json:
        show_json(letter)
        return
    for name, value in letter.items():
        console.print(f"{name}: {legible(value) or '-'}", markup=False, soft_wrap=True)


async def requeue_letters(settings: Settings, ids: Sequence[str] | None, why: str | None = None) -> Settled:
    """Send letters again, or all for None, and say which. Returns them."""
    async with _held(settings) as held:
        settled = await held.requeue(_chosen(held, ids), held.telling("requeued", login_name(), why))
    return _told(settled, "sent again")


async def drop_letters(settings: Settings, ids: Sequence[str] | None, why: str | None = None) -> Settled:
    """Throw letters away, or all for None, and say which. Returns them."""
    async with _held(settings) as held:
        settled = await held.drop(_chosen(held, ids), held.telling("dropped", login_name(), why))
    return _told(settled, "thrown away")


def _told(settled: Settled, what: str) -> Settled:
    for letter in settled.letters:
        operation = _shown("operation", letter.operation)
        console.print(f"{what}: {operation} {letter.id}", markup=False, soft_wrap=True)
    if not settled.letters and settled.problem is None:
        console.print("no dead letters")
    return settled
