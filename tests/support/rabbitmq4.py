"""RabbitMQ 4.3 beside this machine's own, where a tool is there that runs a command with it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

TOOL = Path(os.environ.get("PERPS_DMA_RABBITMQ4") or Path(__file__).parents[3] / "shared" / "tools" / "with-rabbitmq4")
"""Called as `with-rabbitmq4 --suite forky --node COMMAND`: a node is there for COMMAND, named in PERPS_DMA_AMQP_URL."""

START_S = 600
"""The first time it fetches what it needs."""

_TELLS_URL = "import os, sys; print(os.environ['PERPS_DMA_AMQP_URL'], flush=True); sys.stdin.read()"


@asynccontextmanager
async def rabbitmq4() -> AsyncIterator[str | None]:
    """The URL of a node, until the end of the context; None where there is no such tool."""
    if not os.access(TOOL, os.X_OK):
        yield None
        return
    process = await asyncio.create_subprocess_exec(
        *(str(TOOL), "--suite", "forky", "--node", sys.executable, "-c", _TELLS_URL),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(START_S):
            url = (await process.stdout.readline()).decode().strip()
        if not url:
            raise RuntimeError(f"{TOOL} ended before its node was there")
        yield url
    finally:
        await process.communicate(b"")  # the end of its input is what it waits for
