"""`perps-dma dead-letters`: what could not be carried out, for people and for programs."""

import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC
from typing import Any

from worker.bus.dead_letters import DeadLetters, Letter, LettersUnavailable, Settled, hold_dead_letters
from worker.console.display import console, printable, show_json, table
from worker.console.freeze import login_name
from worker.locations import NotReady, amqp_url
from worker.settings import Settings

COLUMNS = ("time", "id", "operation", "account", "reason")


@asynccontextmanager
async def _held(settings: Settings) -> AsyncIterator[DeadLetters]:
    try:
        async with hold_dead_letters(amqp_url(settings), settings.shim_user) as held:
            yield held
    except LettersUnavailable as error:
        raise NotReady(str(error)) from error


def _chosen(held: DeadLetters, ids: Sequence[str] | None) -> tuple[Letter, ...]:
    """The letters of these ids, or all for None. Raises NotReady if an id is nobody's."""
    if ids is None:
        return held.letters
    if unknown := set(ids) - {letter.id for letter in held.letters}:
        raise NotReady(
            f"there is no dead letter {', '.join(sorted(unknown))}; `perps-dma dead-letters list` shows those there are"
        )
    return tuple(letter for letter in held.letters if letter.id in ids)


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
    about = {"actor": letter.actor, "correlation_id": letter.message.correlation_id}
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
        console.print(table(COLUMNS, (map(printable, row.values()) for row in rows), folding=("reason",)))
    else:
        console.print("no dead letters")


async def show_letter(settings: Settings, letter_id: str, *, as_json: bool) -> None:
    """Print all there is to know of a letter, or of each letter with the same id."""
    async with _held(settings) as held:
        letters = [_details(letter) for letter in _chosen(held, [letter_id])]
    for letter in letters:
        if as_json:
            show_json(letter)
        else:
            for name, value in letter.items():
                console.print(f"{name}: {printable(value) or '-'}", markup=False)


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
        console.print(f"{what}: {printable(letter.operation)} {letter.id}", markup=False)
    if not settled.letters and settled.problem is None:
        console.print("no dead letters")
    return replace(settled, problem=settled.problem or untold)
