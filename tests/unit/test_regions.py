"""The names of regions, and where they are."""

from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from worker.accounts.account import Account
from worker.accounts.regions import MAIN, REGIONS
from worker.venues.lifecycle.registry import HOUSES


@pytest.mark.parametrize("exchange", HOUSES)
def test_each_region_that_can_be_registered_has_hosts_with_a_source(exchange: str) -> None:
    houses = HOUSES[exchange]
    assert tuple(houses) == REGIONS.get(exchange, (MAIN,))  # type: ignore[call-overload]  # any text
    for house in houses.values():
        assert urlsplit(house.rest).scheme == "https"
        assert urlsplit(house.stream).scheme == "wss"
        assert house.source
        assert not urlsplit(house.rest).path


def account(**more: str) -> Account:
    credentials = {name: SecretStr("s") for name in ("api_key", "secret", "passphrase")}
    return Account.model_validate({"id": "a", "exchange": "okx"} | credentials | more)


def test_a_region_is_part_of_where_an_account_is() -> None:
    assert str(account(region="eea").site) == "okx eea"
    assert account(region="eea").site != account().site


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"region": "mars"}, "okx has no region 'mars', only global, eea, us"),
        ({"exchange": "gate", "region": "tr"}, "gate has no region 'tr', only global, eu, us"),
        ({"exchange": "bybit", "network": "testnet", "region": "eu"}, "testnet network is one for all regions"),
    ],
)
def test_a_region_that_is_not_there_is_refused_with_those_that_are(more: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        account(**more)
