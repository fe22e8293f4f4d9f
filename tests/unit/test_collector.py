"""The collector of cyclic garbage keeps away from what is there to stay."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from worker.runtime.collector import THRESHOLDS, collect_seldom, made_to_stay


class Node:
    """Can be part of a cycle."""

    def __init__(self) -> None:
        self.other: object = None


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """What other tests are to find."""
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_was_made_to_stay_is_gone_through_no_more() -> None:
    with made_to_stay():
        kept = [{"market": number} for number in range(1_000)]
    gone_through = {id(each) for each in gc.get_objects()}
    assert not gone_through & {id(each) for each in kept}


def test_what_was_made_to_stay_is_freed_when_it_is_replaced() -> None:
    with made_to_stay():
        kept = Node()
    told = weakref.ref(kept)
    del kept
    assert told() is None


def test_garbage_from_before_is_not_kept() -> None:
    first, second = Node(), Node()
    first.other, second.other = second, first
    told = weakref.ref(first)
    del first, second
    with made_to_stay():
        pass
    assert told() is None


def test_a_failure_inside_keeps_nothing_from_being_collected() -> None:
    gc.collect()  # of Python 3.12, it is this that keeps what is never freed
    before = gc.get_freeze_count()
    with pytest.raises(ValueError, match="no list"), made_to_stay():
        raise ValueError("no list of markets")
    assert gc.get_freeze_count() == before


def test_the_collector_comes_seldom() -> None:
    collect_seldom()
    assert gc.get_threshold() == THRESHOLDS
