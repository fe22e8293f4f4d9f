"""Being told to stop."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

STOPPING = (signal.SIGINT, signal.SIGTERM)


def stop_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM. The first one counts; from then on they are ignored, to the end of the process."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def told(*_: object) -> None:
        # Not the loop's own handlers: it takes them away when it closes, and the next signal would kill us then.
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        loop.call_soon_threadsafe(stop.set)

    for number in STOPPING:
        signal.signal(number, told)
    return stop


def on_hangup(told: Callable[[], None]) -> None:
    """Call this at every SIGHUP, which would end the process otherwise."""
    loop = asyncio.get_running_loop()

    def hung_up(*_: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: this process is ending anyway
            loop.call_soon_threadsafe(told)

    signal.signal(signal.SIGHUP, hung_up)


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not for ever; tells whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
