"""Turning traces on and off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from threading import Thread

from worker.locations import NotReady
from worker.observation.tracing import OFF, record_with
from worker.settings import Settings

CLOSE_S = 2.0
"""How long whoever takes the traces may take for the last ones."""


@asynccontextmanager
async def recorded(settings: Settings, process: str) -> AsyncIterator[None]:
    """Record traces while the context lasts, if PERPS_DMA_TRACES says so, and send the last ones at its end.

    Raises NotReady where OpenTelemetry is not installed.
    """
    if settings.traces == "off":
        yield
        return
    try:
        from worker.observation.otel import otlp_tracer
    except ModuleNotFoundError as error:
        raise NotReady(
            "PERPS_DMA_TRACES=otlp needs OpenTelemetry, which is not installed: pip install 'perps-dma[otel]'"
        ) from error
    tracer = otlp_tracer(process)
    record_with(tracer)
    try:
        yield
    finally:
        record_with(OFF)
        # A thread that nobody has to wait for: the process must end, whether or not the last spans are taken.
        closing = Thread(target=tracer.close, daemon=True)
        closing.start()
        await asyncio.to_thread(closing.join, CLOSE_S)
