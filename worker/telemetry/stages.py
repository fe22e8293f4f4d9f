"""Where the time of a command goes: noted while it is carried out, and added up when it has been told.

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
from collections import deque
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum

from schemas.base import Milliseconds

MOST_INTERVALS = 10_000
"""Of one command. What runs on behind it, in tasks that it has begun, is noted here too, and must not pile up."""


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

Interval = tuple[Stage, float, float]
"""A stage, and from when to when it lasted, by `time.perf_counter`.

That of a read-back only says which requests to the venue were made for it; those count, and not what is between them.
"""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """The time of one command or query: when it was published, and what is noted of it since.

    Whoever waits appends to `intervals`: that costs less than a context manager, and shows as one line where it is.
    """

    published: float
    intervals: "deque[Interval]"

    @property
    def whole(self) -> float:
        """Seconds from its publishing until now."""
        return time.perf_counter() - self.published

    def spent(self) -> dict[Stage, float]:
        """The seconds of each stage."""
        read_backs = [(began, ended) for stage, began, ended in self.intervals if stage is Stage.READ_BACK]
        spent, until = dict.fromkeys(Stage, 0.0), dict.fromkeys(Stage, 0.0)
        for noted, began, ended in sorted(self.intervals, key=lambda interval: interval[1]):
            if noted is Stage.READ_BACK:
                continue
            stage: Stage = noted
            if noted is Stage.VENUE and any(first <= began <= last for first, last in read_backs):
                stage = Stage.READ_BACK
            if ended > until[stage]:
                spent[stage] += ended - max(began, until[stage])
                until[stage] = ended
        return spent


STAGES: ContextVar[StageTimes] = ContextVar("stages", default=StageTimes(0.0, deque(maxlen=0)))  # noqa: B039 - it keeps nothing
"""The times of the command that the running task works on; without one nothing is kept."""


LONGEST_QUEUED_MS: Milliseconds = 86_400_000
"""Whatever says that it was published earlier was dated wrongly, or is long past its deadline."""


def begin(published: Milliseconds | None, received: Milliseconds) -> StageTimes:
    """The times of a delivery, noted by this task from now on.

    It has waited in its queue since it was published; not at all where that is not known, or can't be.
    """
    waited = 0 if published is None else received - published
    now, queued_s = time.perf_counter(), waited / 1000 if 0 < waited < LONGEST_QUEUED_MS else 0.0
    times = StageTimes(now - queued_s, deque([(Stage.QUEUE, now - queued_s, now)], MOST_INTERVALS))
    STAGES.set(times)
    return times
