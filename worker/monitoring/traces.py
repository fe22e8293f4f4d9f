"""Turning traces on and off."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from threading import Thread

from worker.config.settings import Settings
from worker.runtime.errors import ConfigurationError
from worker.telemetry.tracing import OFF, record_with

CLOSE_S = 2.0
"""How long whoever takes the traces may take for the last ones."""


class Traces:
    """What records the traces of this process, if anything does."""

    def __init__(self, close: Callable[[], None] | None) -> None:
        self._close = close

    async def close(self) -> None:
        """Record no more, and send the last ones. A second time it does nothing."""
        record_with(OFF)
        closing, self._close = self._close, None
        if closing is not None:
            # A thread that nobody has to wait for: the process must end, whether or not the last spans are taken.
            thread = Thread(target=closing, daemon=True)
            thread.start()
            await asyncio.to_thread(thread.join, CLOSE_S)


@asynccontextmanager
async def recorded(settings: Settings, process: str) -> AsyncIterator[Traces]:
    """Record traces while the context lasts, if PERPS_DMA_TRACES says so.

    Whoever is not let come to its end closes them before. Raises ConfigurationError where OpenTelemetry is not
    installed.
    """
    traces = _begun(settings, process)
    try:
        yield traces
    finally:
        await traces.close()


def _begun(settings: Settings, process: str) -> Traces:
    if settings.traces == "off":
        return Traces(None)
    try:
        from worker.telemetry.otel import otlp_tracer
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "PERPS_DMA_TRACES=otlp needs OpenTelemetry, which is not installed: pip install 'perps-dma[otel]'"
        ) from error
    tracer = otlp_tracer(process)
    record_with(tracer)
    return Traces(tracer.close)
