"""Turning traces on and off."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from worker.locations import NotReady
from worker.observation.tracing import OFF, record_with
from worker.settings import Settings


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
        await asyncio.to_thread(tracer.close)
