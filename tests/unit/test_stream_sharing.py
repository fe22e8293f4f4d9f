"""Accounts are divided among the living workers: all are followed, evenly, and few change hands."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from schemas.control import StreamHealth
from worker.ledger.observed.stream_leases import Lease
from worker.streams.sharing import moves

WORKERS = ("a", "b", "c", "d")


def lease(number: int, owner: str | None) -> Lease:
    return Lease(f"account-{number:03}", owner, StreamHealth.BLIND, 0, None)


def moved(leases: list[Lease], living: set[str]) -> list[Lease]:
    """The leases after each worker has looked once, one after the other."""
    owners = {row.account: row.owner for row in leases}
    for us in sorted(living):
        now = [Lease(name, owner, StreamHealth.BLIND, 0, None) for name, owner in owners.items()]
        due = moves(now, living, us)
        assert all(owners[account] == before for account, before in due.take.items())
        owners.update(dict.fromkeys(due.take, us))
        for worker, accounts in due.give.items():
            assert all(owners[account] == us for account in accounts)
            owners.update(dict.fromkeys(accounts, worker))
    return [Lease(name, owner, StreamHealth.BLIND, 0, None) for name, owner in owners.items()]


leases = st.lists(st.sampled_from((*WORKERS, None)), max_size=60).map(
    lambda owners: [lease(number, owner) for number, owner in enumerate(owners)]
)
workers = st.sets(st.sampled_from(WORKERS), min_size=1)


@given(leases, workers)
def test_soon_all_are_followed_by_living_workers_evenly(rows: list[Lease], living: set[str]) -> None:
    for _ in range(3):
        rows = moved(rows, living)
    counts = Counter(dict.fromkeys(living, 0))
    counts.update(str(row.owner) for row in rows)
    assert set(counts) == living
    assert max(counts.values()) - min(counts.values()) <= 1


@given(leases, workers)
def test_once_it_is_even_nothing_changes_hands(rows: list[Lease], living: set[str]) -> None:
    for _ in range(3):
        rows = moved(rows, living)
    assert moved(rows, living) == rows


def test_a_worker_that_dies_leaves_those_of_others_where_they_are() -> None:
    before = [lease(number, WORKERS[number % 3]) for number in range(9)]
    after = moved(before, {"a", "b"})
    kept = [(old.owner, new.owner) for old, new in zip(before, after, strict=True) if old.owner != "c"]
    assert all(old == new for old, new in kept)
