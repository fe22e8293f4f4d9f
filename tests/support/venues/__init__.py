"""The venues as the tests know them: each has a module here, by its own name, that describes it as data."""

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType

from schemas.control import Exchange
from tests.support.venues.description import DescribedVenue
from worker.accounts.venues import VENUES


def _described(exchange: Exchange) -> DescribedVenue:
    described = import_module(f"{__name__}.{exchange}").DESCRIBED
    assert isinstance(described, DescribedVenue)
    return described


DESCRIBED: Mapping[Exchange, DescribedVenue] = MappingProxyType({exchange: _described(exchange) for exchange in VENUES})
"""All of them."""
