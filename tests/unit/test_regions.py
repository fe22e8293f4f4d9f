"""The names of regions, and where they are."""

from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr, ValidationError

from schemas.control import Exchange
from worker.accounts.account import Account, Site
from worker.accounts.regions import REGIONS
from worker.venues.client.hosts import stream_at
from worker.venues.lifecycle.registry import HOUSES
from worker.venues.port.errors import NotSupported


@pytest.mark.parametrize("exchange", HOUSES)
def test_each_region_that_can_be_registered_has_hosts_with_a_source(exchange: Exchange) -> None:
    houses = HOUSES[exchange]
    assert tuple(houses) == REGIONS[exchange]
    for house in houses.values():
        assert urlsplit(house.rest).scheme == "https"
        assert urlsplit(house.stream).scheme == "wss"
        assert house.source
        assert not urlsplit(house.rest).path


@pytest.mark.parametrize(
    ("site", "where"),
    [
        (Site("okx"), "wss://ws.okx.com:8443"),
        (Site("okx", region="us"), "wss://wsus.okx.com:8443"),
        (Site("okx", "demo", region="eea"), "wss://wseeapap.okx.com:8443"),
        (Site("okx", base_url="http://127.0.0.1:8001"), "ws://127.0.0.1:8001"),
        (Site("okx", base_url="https://127.0.0.1:8001"), "wss://127.0.0.1:8001"),
        (Site("hyperliquid", "testnet"), "wss://api.hyperliquid-testnet.xyz"),
    ],
    ids=str,
)
def test_streams_are_where_the_region_and_the_network_of_a_site_have_them(site: Site, where: str) -> None:
    assert stream_at(HOUSES[site.exchange], site) == where


def test_a_network_of_which_no_stream_is_known_is_told_to_have_none() -> None:
    with pytest.raises(NotSupported, match="bybit testnet"):
        stream_at(HOUSES["bybit"], Site("bybit", "testnet"))


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
