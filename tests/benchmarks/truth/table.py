"""The table of who said what."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from tests.benchmarks.truth.claims import Honesty
from tests.benchmarks.truth.played import Played
from worker.console.kit.display import table
from worker.console.kit.grid import Grid

COLUMNS = ("venue", "client", "changes", *map(str, Honesty))


class Heard(NamedTuple):
    """What one client said of one change."""

    client: str
    played: Played
    honesty: Honesty


def counts(heard: Iterable[Heard]) -> Mapping[tuple[str, str], Counter[Honesty]]:
    """How often each was right and wrong, by client and venue; `all` venues at the end."""
    rows: dict[tuple[str, str], Counter[Honesty]] = {}
    for row in heard:
        for venue in (row.played.venue, "all"):
            rows.setdefault((venue, row.client), Counter())[row.honesty] += 1
    return dict(sorted(rows.items(), key=lambda item: item[0][0] == "all"))


def cells(heard: Iterable[Heard]) -> list[list[str]]:
    """The rows of the table."""
    return [
        [venue, client, str(found.total()), *(str(found[kind]) for kind in Honesty)]
        for (venue, client), found in counts(heard).items()
    ]


def shown(heard: Iterable[Heard]) -> Grid:
    """For a terminal."""
    return table(COLUMNS, cells(heard))


def markdown(heard: Iterable[Heard]) -> str:
    """For the documentation."""
    lines = [COLUMNS, ["---"] * len(COLUMNS), *cells(heard)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
