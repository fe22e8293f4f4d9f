"""Where the time of a command goes: added up while it is carried out, and observed when it has been told.

queue     from its publishing to its receipt
lane      until it is its turn on its account
limiter   until the venue's limits have room
venue     asking the venue
readback  reading a setting back from the venue
ledger    writing down what is done
publish   answering, and until the broker has the event

What is left of the whole is our own work. What runs side by side within one stage counts once.
"""

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from enum import StrEnum

from worker.runtime.context import bound


class Stage(StrEnum):
    """A part of a command's way."""

    QUEUE = "queue"
    LANE = "lane"
    LIMITER = "limiter"
    VENUE = "venue"
    READ_BACK = "readback"
    LEDGER = "ledger"
    PUBLISH = "publish"


OF_A_QUERY = (Stage.QUEUE, Stage.LIMITER, Stage.VENUE, Stage.PUBLISH)
"""A query waits for no lane, and nothing is written down."""


class Stages:
    """The time of one command or query, in seconds. `asking` is what requests to the venue are counted as now."""

    __slots__ = ("_began", "_open", "asking", "spent")

    def __init__(self, queued_s: float) -> None:
        self.asking = Stage.VENUE
        self.spent = dict.fromkeys(Stage, 0.0)
        self.spent[Stage.QUEUE] = queued_s
        self._began = time.perf_counter()
        self._open: dict[Stage, tuple[int, float]] = {}

    @property
    def whole(self) -> float:
        """All of it until now, from its publishing on."""
        return self.spent[Stage.QUEUE] + time.perf_counter() - self._began

    def enter(self, stage: Stage) -> None:
        """The stage begins, or somebody joins it."""
        users, began = self._open.get(stage, (0, 0.0))
        self._open[stage] = (users + 1, began if users else time.perf_counter())

    def leave(self, stage: Stage) -> None:
        """Somebody leaves the stage; it ends with the last one."""
        users, began = self._open.pop(stage)
        if users > 1:
            self._open[stage] = (users - 1, began)
        else:
            self.spent[stage] += time.perf_counter() - began


STAGES: ContextVar[Stages | None] = ContextVar("stages", default=None)
"""The command that the running task works on."""


@contextmanager
def counting(queued_s: float) -> Iterator[Stages]:
    """Add up the time of a delivery, which has waited so long in its queue."""
    stages = Stages(queued_s)
    with bound(STAGES, stages):
        yield stages


class _Spent:
    """A context as a class: entered many times a command, it costs half of what a generator does."""

    __slots__ = ("_stage", "_stages")

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stages = STAGES.get()

    def __enter__(self) -> None:
        if self._stages is not None:
            self._stages.enter(self._stage)

    def __exit__(self, *_: object) -> None:
        if self._stages is not None:
            self._stages.leave(self._stage)


def spent(stage: Stage) -> AbstractContextManager[None]:
    """Time that counts as this stage of the command, if it belongs to one."""
    return _Spent(stage)


def asking() -> AbstractContextManager[None]:
    """A request to the venue: the change or query itself, or its read-back."""
    stages = STAGES.get()
    return _Spent(Stage.VENUE if stages is None else stages.asking)


@contextmanager
def reading_back() -> Iterator[None]:
    """What the venue is asked in here counts as read-back."""
    stages = STAGES.get()
    if stages is None:
        yield
        return
    stages.asking = Stage.READ_BACK
    try:
        yield
    finally:
        stages.asking = Stage.VENUE
