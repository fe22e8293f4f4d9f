"""What Hyperliquid's documents and the SDKs built on them enumerate, against our tables: each value is decided on."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from worker.venues.hyperliquid.history import DELTAS, DIRECTIONS
from worker.venues.hyperliquid.instruments import ISOLATED_ONLY
from worker.venues.hyperliquid.positions import MARGIN_MODES
from worker.venues.hyperliquid.preflight import AGENT, MISSING, SUB_ACCOUNT, USER, VAULT
from worker.venues.reading.records import Notion, RecordTypes

TOLD = json.loads((Path(__file__).parent / "enumerations" / "hyperliquid.json").read_text())


def values(name: str) -> set[str]:
    """The values of an enumeration, from each of its sources."""
    return {value.replace("_", " ") for value in _words(TOLD[name])}


def _words(found: Any) -> Iterator[str]:
    if "values" in found:
        yield from " ".join(found["values"]).split()
    else:
        for source in found.values():
            yield from _words(source)


RECORDS = {"ledger deltas": DELTAS, "fill directions": DIRECTIONS}


@pytest.mark.parametrize(("name", "types"), RECORDS.items(), ids=list(RECORDS))
def test_every_type_of_record_that_an_sdk_knows_is_decided_on(name: str, types: RecordTypes) -> None:
    assert types.undecided(values(name)) == set()
    assert types.table.keys() == values(name)


def test_a_type_that_nobody_decided_on_is_found_out() -> None:
    assert DIRECTIONS.undecided(["Open Long", "Sideways"]) == {"Sideways"}


def test_only_funding_is_funding_and_only_perpetuals_realize() -> None:
    assert DELTAS.of(Notion.FUNDING) == ("funding",)
    assert not {"Buy", "Sell", "Spot Dust Conversion", "Merge Outcome"} & {*DIRECTIONS.of(Notion.REALIZED_PNL)}
    assert {"Settlement", "Auto-Deleveraging", "Liquidated Cross Long"} < {*DIRECTIONS.of(Notion.REALIZED_PNL)}


def test_every_role_of_an_address_is_known() -> None:
    assert values("roles") == {AGENT, MISSING, SUB_ACCOUNT, USER, VAULT}


def test_every_restriction_of_the_margin_mode_is_known() -> None:
    assert values("margin mode restrictions") == ISOLATED_ONLY


def test_every_type_of_leverage_is_known() -> None:
    assert values("leverage types") == MARGIN_MODES.keys()


def test_every_enumeration_has_its_source_and_its_date() -> None:
    def sources(found: Any) -> Iterator[Any]:
        yield from [found] if "values" in found else found.values()

    for enumeration in TOLD.values():
        for source in sources(enumeration):
            assert source["source"]
            assert source["date"].startswith("2026-")
