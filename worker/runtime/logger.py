"""A logger that costs nothing until it is used, for modules that a short-lived program needs too."""

from typing import Any


class QuietLogger:
    """Stands for structlog's logger. That brings tracebacks in colour with it, which a call has no use for."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, level: str) -> Any:
        """The method of the real logger, as it is configured by now."""
        import structlog

        return getattr(structlog.getLogger(self._name), level)


def get_logger(name: str) -> QuietLogger:
    """The logger of a module, by its name."""
    return QuietLogger(name)
