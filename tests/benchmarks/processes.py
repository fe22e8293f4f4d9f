"""The processes that a benchmark measures from outside."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from os import environ

READY_S = 60


@asynccontextmanager
async def program(*arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    """A Python module run as a process of its own, from its line `ready` to the end of the context."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={**environ, **(environment or {})},
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(READY_S):
            if await process.stdout.readline() != b"ready\n":
                raise RuntimeError(f"{' '.join(arguments)} ended before it was ready")
        yield
    finally:
        process.terminate()
        await process.wait()
