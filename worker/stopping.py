"""Being told to stop."""

import asyncio
import signal
from contextlib import suppress


def stop_signal() -> asyncio.Event:
    """Set by SIGINT and SIGTERM."""
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    return stop


async def set_within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event, but not for ever; tells whether it is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
