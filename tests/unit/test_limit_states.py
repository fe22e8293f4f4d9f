"""What is told of the venues' limits: each once, where least is left, and of no account."""

from worker.control.service import limit_states
from worker.venues.limits import Headroom


def room(scope: str, user: str | None, limit: int | None, left: int | None, closed_for: int = 0) -> Headroom:
    return Headroom("binance", None, scope, user, limit, left, closed_for)


def test_of_a_limit_by_user_the_row_with_least_left_is_told_and_no_user() -> None:
    [told] = limit_states(
        [room("orders", "ann", 100, 80), room("orders", "bob", 50, 10), room("orders", "eve", 100, 30)]
    )
    assert (told.limit, told.left, told.by_user) == (50, 10, True)
    assert not {"ann", "bob", "eve"} & set(told.model_dump().values())


def test_a_limit_that_the_venue_has_closed_stands_before_one_that_is_used_up() -> None:
    [told] = limit_states([room("weight", "ann", 100, 0), room("weight", "bob", 100, 90, closed_for=4_000)])
    assert (told.left, told.closed_for_ms) == (90, 4_000)


def test_what_nobody_counts_is_told_as_unknown_and_not_as_full() -> None:
    [told] = limit_states([room("weight", None, None, None)])
    assert (told.limit, told.left, told.by_user) == (None, None, False)
