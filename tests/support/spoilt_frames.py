"""Documented frames with something else in some of their places, the same ones in every run."""

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1e308, "", "x", "1e999999", "NaN", "Infinity", [], {}, [[]], {"a": 1}, "9" * 400, 10**30, [None],
)  # fmt: skip
"""What may stand anywhere in JSON."""

Place = tuple[Any, ...]


def _places(value: Any, here: Place = ()) -> Iterator[Place]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*here, key)
        yield from _places(one, (*here, key))


def _spoilt(frame: Any, chance: random.Random) -> Any:
    """A frame in which one place is left out, or has something odd in it."""
    if not (places := list(_places(frame))):
        return frame
    *way, last = chance.choice(places)
    at = frame
    for key in way:
        at = at[key]
    if isinstance(at, dict) and chance.random() < 0.3:
        del at[last]
    else:
        at[last] = copy.deepcopy(chance.choice(ODD))
    return frame


def spoilt(frames: Sequence[Any], times: int = 4_000) -> Iterator[str]:
    """So many frames, each spoilt in up to three places."""
    chance = random.Random(5)
    for _ in range(times):
        frame = copy.deepcopy(chance.choice(frames))
        for _ in range(chance.randint(0, 3)):
            frame = _spoilt(frame, chance)
        yield json.dumps(frame)
