"""The table of venues has every venue of the wire contract, and each of them has all that is found by its name."""

from importlib import import_module

import pytest
from pydantic import TypeAdapter

from schemas.control import Exchange
from schemas.replies import AccountType
from worker.accounts.venues import VENUES
from worker.sandbox.app.server import Sandbox
from worker.venues.lifecycle.registry import HOUSES, METERED
from worker.venues.lifecycle.registry import VENUES as FACTORIES


def test_the_table_has_the_venues_of_the_wire_contract() -> None:
    schema = TypeAdapter(Exchange).json_schema()
    named = schema.get("enum") or schema["$defs"]["Exchange"]["enum"]
    assert list(VENUES) == named


@pytest.mark.parametrize("exchange", VENUES)
def test_a_venue_is_found_by_its_name(exchange: Exchange) -> None:
    package = import_module(f"worker.venues.{exchange}")
    found = (FACTORIES[exchange], METERED[exchange], HOUSES[exchange])
    assert found == (package.VENUE, package.LIMITS, package.HOSTS)
    assert package.VENUE.exchange == exchange
    assert Sandbox().desks[exchange].venue.name == exchange


@pytest.mark.parametrize("exchange", VENUES)
def test_every_venue_says_what_a_standard_account_can_do(exchange: Exchange) -> None:
    assert VENUES[exchange].capabilities[AccountType.STANDARD]
    assert "secret" in VENUES[exchange].credentials
