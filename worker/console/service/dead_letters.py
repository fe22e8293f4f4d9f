"""`perps-dma dead-letters`: what could not be carried out, for people and for programs."""

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from types import MappingProxyType
from typing import Any

from rich.cells import cell_len

from worker.bus.dead_letters import DeadLetters, Letter, LettersUnavailable, Settled, hold_dead_letters
from worker.config.locations import amqp_url
from worker.config.settings import Settings
from worker.console.display import console, legible, printable, shortened, show_json, table
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
    except LettersUnavailable as error:
        raise ConfigurationError(str(error)) from error


def _chosen(held: DeadLetters, ids: Sequence[str] | None) -> tuple[Letter, ...]:
    """The letters of these ids, or all for None. Raises ConfigurationError if an id is nobody's."""
    if ids is None:
        return held.letters
    named = {letter.own_id: letter for letter in held.letters} | {letter.id: letter for letter in held.letters}
    if unknown := sorted(set(ids) - named.keys()):
        raise ConfigurationError("; ".join(_unknown(held, wanted) for wanted in unknown))
    chosen = {named[wanted].id for wanted in ids}
    return tuple(letter for letter in held.letters if letter.id in chosen)


def _unknown(held: DeadLetters, wanted: str) -> str:
    if same := [letter.id for letter in held.letters if letter.message.message_id == wanted]:
        return f"{len(same)} dead letters have the command id {wanted}: name them as {', '.join(same)}"
    return f"there is no dead letter {printable(wanted)}; `perps-dma dead-letters list` shows those there are"


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
    for row in rows:
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


async def requeue_letters(settings: Settings, ids: Sequence[str] | None) -> Settled:
    """Send letters again, or all for None, and say which. Returns them."""
    async with _held(settings) as held:
        settled = await held.requeue(_chosen(held, ids))
        untold = await held.tell("requeued", login_name(), settled.letters)
    return _told(settled, "sent again", untold)


async def drop_letters(settings: Settings, ids: Sequence[str] | None) -> Settled:
    """Throw letters away, or all for None, and say which. Returns them."""
    async with _held(settings) as held:
        settled = await held.drop(_chosen(held, ids))
        untold = await held.tell("dropped", login_name(), settled.letters)
    return _told(settled, "thrown away", untold)


def _told(settled: Settled, what: str, untold: str | None) -> Settled:
    for letter in settled.letters:
        operation = _shown("operation", letter.operation)
        console.print(f"{what}: {operation} {letter.id}", markup=False, soft_wrap=True)
    if not settled.letters and settled.problem is None:
        console.print("no dead letters")
    return replace(settled, problem=settled.problem or untold)
