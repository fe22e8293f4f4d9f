"""Python's collector of cyclic garbage, set up for a process that holds much for long and makes little of it.

A full collection goes through all there is, and stops the event loop meanwhile: 70 to 120 ms with the markets of a
venue in memory. So what is there to stay is taken out of its sight. Whatever nobody refers to any more is freed as
before, frozen or not; only cycles among what was frozen stay.
"""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = (10_000, 20, 10)
"""How many objects more there are than before when the youngest are gone through, and how often it is then the older's
turn. Python's own, 700 and ten, are for programs that make cycles; nearly all that a command makes ends without it.
"""


def collect_seldom() -> None:
    """From now on the collector comes seldom."""
    gc.set_threshold(*THRESHOLDS)


@contextmanager
def made_to_stay() -> Iterator[None]:
    """What is there at the end of the context is gone through no more. The garbage from before is collected first."""
    gc.collect()
    yield
    gc.freeze()
