"""The processes that a benchmark measures from outside."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from os import environ

READY_S = 60
LONGEST_SAID = 2_000


@asynccontextmanager
async def program(*arguments: str, environment: Mapping[str, str] | None = None) -> AsyncIterator[None]:
    """A Python module run as a process of its own, from its line `ready` to the end of the context."""
    with tempfile.TemporaryFile() as said:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            *arguments,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env={**environ, **(environment or {})},
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(READY_S):
                if await process.stdout.readline() != b"ready\n":
                    said.seek(0)
                    last = said.read().decode()[-LONGEST_SAID:]
                    raise RuntimeError(f"{arguments[0]} ended before it was ready: {last}")
            yield
        finally:
            with suppress(ProcessLookupError):
                process.terminate()
            await process.wait()
