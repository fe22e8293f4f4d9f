"""Logs: readable on a terminal, JSON lines everywhere else; never a secret."""

import logging
import sys

import orjson
import structlog

from schemas.envelope import printable
from worker.config.settings import Settings
from worker.runtime.library_logs import QUIET

# The variables of a frame can hold keys and signed requests; a traceback names places only.
_NO_LOCALS = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def _on_one_line(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A line that stays one and steers no terminal, whatever a client has sent: ids are logged as they came."""
    for name, value in line.items():
        if isinstance(value, str):
            line[name] = printable(value)
    return line


_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    _on_one_line,
]
_SHORT = 8
"""Characters that tell one id from another for a person; JSON has the whole."""
_TIME_OF_DAY = slice(11, 23)
"""Of an ISO timestamp, to the millisecond."""


def shortened(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A line for a person: the time of day, and in one word which account, command and trace it is about.

    >>> shortened(None, "", {"event": "command_taken_back", "account": "okx-1", "command_id": "7f0c1f6e-6a55"})
    {'of': 'okx-1/7f0c1f6e', 'event': 'command_taken_back'}
    """
    account, *ids = (str(line.pop(name, None) or "") for name in ("account", "command_id", "trace_id"))
    named = "/".join(filter(None, (account, *(text[:_SHORT] for text in ids))))
    told = {name: value for name, value in line.items() if name != "process" and not (account and name == "venue")}
    if "timestamp" in told:
        told["timestamp"] = told["timestamp"][_TIME_OF_DAY]
    return {"of": named} | told if named else told


_TEXT: list[structlog.typing.Processor] = [
    shortened,
    structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback, sort_keys=False, pad_event_to=0),
]
_JSON: list[structlog.typing.Processor] = [
    structlog.processors.ExceptionRenderer(_NO_LOCALS),
    structlog.processors.JSONRenderer(serializer=orjson.dumps, default=repr),
]


def configure_logging(settings: Settings, process: str) -> None:
    """Send our logs and those of libraries to standard error, in one form."""
    as_text = settings.log_format == "text" or (settings.log_format == "auto" and sys.stderr.isatty())
    # A line is logged for every command: past the standard library's logging, it is much cheaper.
    structlog.configure(
        processors=[*_SHARED, *(_TEXT if as_text else _JSON)],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=(
            structlog.PrintLoggerFactory(sys.stderr) if as_text else structlog.BytesLoggerFactory(sys.stderr.buffer)
        ),
        cache_logger_on_first_use=True,
    )
    _configure_libraries(settings, as_text=as_text)
    structlog.contextvars.bind_contextvars(process=process)


def _configure_libraries(settings: Settings, *, as_text: bool) -> None:
    renderer = _TEXT if as_text else [*_JSON[:-1], structlog.processors.JSONRenderer()]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=settings.log_level.upper(), force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
