"""The root of what stand-in venues refuse."""

from worker.runtime.errors import PerpsDmaError


class SandboxRefusal(PerpsDmaError):
    """A stand-in venue refuses a request, as the venue would."""
