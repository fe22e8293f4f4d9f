"""`make bench-truth` measures what it says: with nothing wrong every client is right, and ours is never wrong."""

import pytest

from tests.benchmarks.truth.__main__ import heard_at
from tests.benchmarks.truth.claims import Honesty
from tests.benchmarks.truth.ours import Ours
from tests.benchmarks.truth.played import KINDS, NOTHING_WRONG, VENUE_CHANGES, Played, all_played
from tests.benchmarks.truth.table import markdown

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.mark.parametrize("venue", VENUE_CHANGES)
async def test_where_nothing_goes_wrong_every_client_says_so_and_it_is_so(venue: str) -> None:
    heard = await heard_at(venue, [played for played in all_played(venue) if played.kind == NOTHING_WRONG])
    assert {(row.client, row.played.change, row.honesty) for row in heard if row.honesty is not Honesty.RIGHT} == set()
    assert {row.client for row in heard} == {"Perps DMA", "ccxt", "official SDK"}


@pytest.mark.parametrize("venue", VENUE_CHANGES)
async def test_ours_is_never_wrong_of_a_code_in_no_table_or_a_lost_answer(venue: str) -> None:
    chosen = [played for played in all_played(venue) if played.kind in (KINDS[3], KINDS[6]) and not played.for_good]
    heard = await heard_at(venue, chosen)
    assert not [row for row in heard if row.client == Ours.name and row.honesty.is_wrong]
    assert [row for row in heard if row.client != Ours.name and row.honesty.is_wrong], "the others can be"


def test_every_fault_meets_every_change_of_every_venue_before_and_after_it_is_made() -> None:
    for venue, changes in VENUE_CHANGES.items():
        met = {(played.change, played.kind, played.applied, played.for_good) for played in all_played(venue)}
        assert len(met) == len(changes) * (len(KINDS) * 4 + 1)
        assert Played(venue, changes[0], KINDS[0], applied=True, for_good=True).fault()


def test_the_table_names_who_said_what() -> None:
    assert markdown([]).startswith("| venue | client | changes | right | said nothing |")
