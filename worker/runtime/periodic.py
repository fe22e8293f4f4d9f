"""Work that is done again and again for as long as the process runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn


def untold(error: Exception) -> None:
    """Nobody needs to hear of it."""


async def periodically(
    work: Callable[[], Awaitable[float | None]],
    pause_s: float,
    *,
    tolerated: tuple[type[Exception], ...] = (),
    told: Callable[[Exception], None] = untold,
) -> NoReturn:
    """Do it, pause, and do it again, until cancelled. It may return the seconds of the pause itself.

    A failure of a `tolerated` kind is `told`, and the next time comes as usual; any other ends the work.
    """
    while True:
        pause = None
        try:
            pause = await work()
        except tolerated as error:
            told(error)
        await asyncio.sleep(pause_s if pause is None else pause)
