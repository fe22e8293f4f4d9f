"""Logs: readable on a terminal, JSON lines everywhere else; never a secret."""

import logging
import sys

import structlog

from worker.settings import Settings

QUIET = ("ccxt", "aiormq", "aio_pika", "asyncio", "uvicorn", "httpx", "httpcore")
"""Libraries whose chatter stays out. ccxt's debug lines hold signed headers and must never reach a sink."""

# The variables of a frame can hold keys and signed requests; a traceback names places only.
_NO_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure_logging(settings: Settings, process: str) -> None:
    """Send our logs and those of libraries to standard error, in one form."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]
        if as_text
        else [structlog.processors.ExceptionRenderer(_NO_LOCALS), structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(process=process)
