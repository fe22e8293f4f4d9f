"""Testnets and demos: every request goes to their hosts, with what marks it as play money, and never elsewhere."""

from collections.abc import AsyncIterator, Mapping
from typing import Any, get_args
from urllib.parse import urlsplit

import ccxt
import ccxt.async_support
import pytest
from eth_account import Account as Wallet
from eth_account.messages import encode_typed_data
from hyperliquid.utils.signing import action_hash, construct_phantom_agent, l1_payload
from pydantic import SecretStr

from schemas.control import Exchange, Network
from schemas.requests import MarketType
from tests.support.scripted_venue import BTCUSDT, ScriptedVenue, answers
from worker.accounts.account import Account, Accounts, Site
from worker.accounts.networks import LACKS, networks_of
from worker.venues.binance import client as binance
from worker.venues.bybit import client as bybit
from worker.venues.client.connections import VenueConnections
from worker.venues.client.networks import SWITCHES
from worker.venues.gate import GateVenue
from worker.venues.gate import client as gate
from worker.venues.gate.endpoints import parts_on
from worker.venues.hyperliquid import client as hyperliquid
from worker.venues.lifecycle.registry import METERED, Venues
from worker.venues.okx import client as okx
from worker.venues.port.capabilities import matrix
from worker.venues.port.check_results import Check, Verdict
from worker.venues.port.errors import NotSupported

CONNECTIONS: Mapping[str, Any] = {
    "binance": binance,
    "bybit": bybit,
    "gate": gate,
    "hyperliquid": hyperliquid,
    "okx": okx,
}

SIGNER = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"

HOSTS: Mapping[tuple[str, str], set[str]] = {
    ("binance", "demo"): {"demo-fapi.binance.com", "demo-dapi.binance.com"},
    ("bybit", "testnet"): {"api-testnet.bybit.com"},
    ("bybit", "demo"): {"api-demo.bybit.com"},
    ("gate", "testnet"): {"api-testnet.gateapi.io"},
    ("okx", "demo"): {"www.okx.com"},
    ("hyperliquid", "testnet"): {"api.hyperliquid-testnet.xyz"},
}
"""As the venues document them: OKX's demo is at its own address, and marked by a header."""

ASKED: Mapping[str, list[tuple[str, list[str], str]]] = {
    "binance": [
        ("leverage", ["fapiPrivate"], "POST"),
        ("positionRisk", ["fapiPrivateV3"], "GET"),
        ("leverageBracket", ["dapiPrivateV2"], "GET"),
        ("exchangeInfo", ["fapiPublic"], "GET"),
        ("exchangeInfo", ["dapiPublic"], "GET"),
    ],
    "bybit": [
        ("v5/position/set-leverage", ["private"], "POST"),
        ("v5/position/list", ["private"], "GET"),
        ("v5/market/instruments-info", ["public"], "GET"),
    ],
    "gate": [
        ("{settle}/positions/{contract}/leverage", ["private", "futures"], "POST"),
        ("{settle}/positions/cross_mode", ["private", "futures"], "POST"),
        ("detail", ["private", "account"], "GET"),
        ("{settle}/contracts", ["public", "futures"], "GET"),
        ("time", ["public", "spot"], "GET"),
    ],
    "okx": [
        ("account/set-leverage", ["private"], "POST"),
        ("account/positions", ["private"], "GET"),
        ("public/instruments", ["public"], "GET"),
    ],
    "hyperliquid": [("info", ["public"], "POST")],
}
"""Requests of each kind that the adapters make."""

ALL = sorted(SWITCHES)


@pytest.fixture
async def connections() -> AsyncIterator[VenueConnections]:
    async with VenueConnections() as shared:
        yield shared


def account(exchange: Exchange, network: Network, **more: Any) -> Account:
    return Account(
        id=f"{exchange}-{network}",
        exchange=exchange,
        network=network,
        api_key=SecretStr("the key"),
        secret=SecretStr(SIGNER),
        passphrase=SecretStr("the passphrase"),
        account_address="0x" + "ab" * 20,
        **more,
    )


def ccxt_of(connections: VenueConnections, exchange: Exchange, network: Network, base_url: str | None = None) -> Any:
    """The ccxt exchange of an account, as its adapter has it."""
    return transport_of(connections, exchange, network, base_url)._exchange


def transport_of(
    connections: VenueConnections, exchange: Exchange, network: Network, base_url: str | None = None
) -> Any:
    public = CONNECTIONS[exchange].without_keys(connections, base_url, 1_000, network)
    return public.for_account(account(exchange, network, base_url=base_url))


def sent(exchange: Any) -> list[dict[str, Any]]:
    """What ccxt would send for requests of each kind."""
    params = {"settle": "usdt", "contract": "BTC_USDT", "symbol": "BTCUSDT", "leverage": "5"}
    return [exchange.sign(path, api, method, dict(params)) for path, api, method in ASKED[exchange.id]]


def test_every_network_that_is_offered_can_be_reached_and_says_what_it_lacks() -> None:
    assert set(SWITCHES) == set(LACKS) == set(HOSTS)


async def test_what_is_offered_is_what_ccxt_offers() -> None:
    """But for Binance's testnet, which ccxt lists and does not sign for, and OKX's demo, which it calls a testnet."""
    names = {"test": "testnet", "demo": "demo", "demotrading": "demo"}
    by_ccxt = {
        (exchange, network)
        for exchange in get_args(Exchange.__value__)
        for kind, network in names.items()
        if kind in getattr(ccxt.async_support, exchange)().urls
    }
    assert by_ccxt - {("binance", "testnet"), ("okx", "testnet")} == set(LACKS) - {("okx", "demo")}
    exchange = ccxt.async_support.binance({"apiKey": "key", "secret": "secret"})
    exchange.set_sandbox_mode(True)
    with pytest.raises(ccxt.NotSupported, match="not supported for futures anymore"):
        exchange.sign("leverage", ["fapiPrivate"], "POST", {})


@pytest.mark.parametrize(("exchange", "network"), ALL)
async def test_every_request_goes_to_the_networks_hosts(
    connections: VenueConnections, exchange: Exchange, network: Network
) -> None:
    urls = [urlsplit(request["url"]) for request in sent(ccxt_of(connections, exchange, network))]
    assert {url.hostname for url in urls} == HOSTS[exchange, network]
    assert {url.scheme for url in urls} == {"https"}


@pytest.mark.parametrize("exchange", get_args(Exchange.__value__))
async def test_the_real_network_is_not_touched_by_its_neighbours(
    connections: VenueConnections, exchange: Exchange
) -> None:
    for network in networks_of(exchange)[1:]:
        ccxt_of(connections, exchange, network)
    hosts = {urlsplit(request["url"]).hostname for request in sent(ccxt_of(connections, exchange, "mainnet"))}
    play_money = {host for (venue, network), found in HOSTS.items() if venue == exchange for host in found}
    assert hosts
    assert exchange == "okx" or not hosts & play_money


async def test_what_has_no_play_money_at_binance_is_not_sent_at_all(connections: VenueConnections) -> None:
    exchange = ccxt_of(connections, "binance", "demo")
    for path, api in (("um/leverage", "papi"), ("account/apiRestrictions", "sapi")):
        with pytest.raises(ccxt.NotSupported, match=f"URL for {api} endpoints"):
            exchange.sign(path, [api], "GET", {})
    transport = binance.without_keys(connections, None, 1_000, "demo").for_account(account("binance", "demo"))
    with pytest.raises(NotSupported, match="binance has no sapiGetAccountApiRestrictions here"):
        await transport.call("sapiGetAccountApiRestrictions")


SIMULATED = "x-simulated-trading"


@pytest.mark.parametrize(("network", "marked"), [("demo", "1"), ("mainnet", None)])
async def test_okx_is_told_in_each_request_that_it_is_play_money(
    connections: VenueConnections, network: Network, marked: str | None
) -> None:
    async with ScriptedVenue() as venue:
        venue.on("/api/v5/public/time", answers({"code": "0", "data": [{"ts": "1700000000000"}]}))
        venue.on("/api/v5/account/config", answers({"code": "0", "data": [{}]}))
        public = okx.without_keys(connections, venue.url, 2_000, network)
        await public.server_time("")
        await public.for_account(account("okx", network, base_url=venue.url)).call("privateGetAccountConfig")
        assert [asked.headers.get(SIMULATED) for asked in venue.asked] == [marked, marked]


ACTION = {"type": "updateLeverage", "asset": 0, "isCross": True, "leverage": 7}


@pytest.mark.parametrize(("network", "is_mainnet"), [("testnet", False), ("mainnet", True)])
async def test_hyperliquids_signatures_hold_for_one_network_alone(
    connections: VenueConnections, network: Network, is_mainnet: bool
) -> None:
    """The official client's hash of the action, signed as the phantom agent of the network, gives back our signer."""
    exchange = ccxt_of(connections, "hyperliquid", network)
    request = exchange.sign("exchange", ["private"], "POST", {"action": ACTION, "vaultAddress": None})
    body = exchange.parse_json(request["body"])

    def signer(on_mainnet: bool) -> str:
        agent = construct_phantom_agent(action_hash(ACTION, None, body["nonce"], None), on_mainnet)
        signed = body["signature"]
        vrs = (signed["v"], int(signed["r"], 16), int(signed["s"], 16))
        recovered: str = Wallet.recover_message(encode_typed_data(full_message=l1_payload(agent)), vrs=vrs)
        return recovered

    ours = Wallet.from_key(SIGNER).address
    assert signer(is_mainnet) == ours
    assert signer(not is_mainnet) != ours


async def test_gates_testnet_is_asked_for_its_perpetuals_in_usdt_alone(connections: VenueConnections) -> None:
    async with ScriptedVenue() as venue:
        venue.on("/api/v4/futures/usdt/contracts_all", answers([]))
        assert await GateVenue(connections, venue.url, 2_000, "testnet").load()
        assert [asked.path for asked in venue.asked] == ["/api/v4/futures/usdt/contracts_all"]
    assert [part.coverage for part in parts_on("testnet")] == ["usdt"]
    assert [part.coverage for part in parts_on("mainnet")] == ["usdt", "btc", "usd1", "delivery usdt"]


@pytest.mark.parametrize(("exchange", "network"), ALL)
async def test_each_network_has_limits_of_its_own(
    connections: VenueConnections, exchange: Exchange, network: Network
) -> None:
    limits, theirs = connections.limits, transport_of(connections, exchange, network)._exchange
    assert theirs.metered is METERED[exchange]
    assert limits.of(theirs) is limits.of(transport_of(connections, exchange, network)._exchange)
    assert limits.of(theirs) is not limits.of(transport_of(connections, exchange, "mainnet")._exchange)


async def test_each_network_is_a_venue_of_its_own_with_its_own_markets(connections: VenueConnections) -> None:
    async with ScriptedVenue() as venue:
        on = {
            network: account("bybit", network, base_url=venue.url).model_copy(update={"id": network})
            for network in networks_of("bybit")
        }
        venues = Venues(connections, Accounts(on.values()), 2_000)
        states = [(state.exchange, state.network) for state in venues.states()]
        assert sorted(states) == [("bybit", "demo"), ("bybit", "mainnet"), ("bybit", "testnet")]
        for one, base in zip(on.values(), ("BTC", "ETH", "SOL"), strict=True):
            venue.on("/v5/market/instruments-info", answers(_listed(base)))
            await venues.load_once(one)
        found = {
            network: venues.adapter(one).market(f"{base}/USDT:USDT", MarketType.SWAP).id
            for (network, one), base in zip(on.items(), ("BTC", "ETH", "SOL"), strict=True)
        }
    assert found == {"mainnet": "BTCUSDT", "testnet": "ETHUSDT", "demo": "SOLUSDT"}


def _listed(base: str) -> dict[str, Any]:
    row = {
        "symbol": f"{base}USDT",
        "contractType": "LinearPerpetual",
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USDT",
        "settleCoin": "USDT",
        "launchTime": "1585526400000",
        "deliveryTime": "0",
        "leverageFilter": {"minLeverage": "1", "maxLeverage": "100.00", "leverageStep": "0.01"},
        "priceFilter": {"minPrice": "0.10", "maxPrice": "1999999.80", "tickSize": "0.10"},
        "lotSizeFilter": {"maxOrderQty": "1190.000", "minOrderQty": "0.001", "qtyStep": "0.001"},
    }
    return {"retCode": 0, "retMsg": "OK", "result": {"list": [row], "nextPageCursor": ""}, "time": 1700000000000}


def test_the_matrix_says_where_each_type_of_account_is_offered() -> None:
    offered = {(row.exchange, str(row.account_type)): row.networks for row in matrix().venues}
    assert offered["binance", "standard"] == ("mainnet", "demo")
    assert offered["binance", "portfolio margin"] == ("mainnet",)
    assert offered["okx", "standard"] == ("mainnet", "demo")


def test_a_site_is_named_as_people_do() -> None:
    assert str(Site("okx", "demo", "http://127.0.0.1:9")) == "okx demo at http://127.0.0.1:9"


async def test_what_a_demo_does_not_tell_of_a_key_is_no_problem(connections: VenueConnections) -> None:
    """Binance's demo has nothing that tells the rights of a key, so `accounts check` leaves them out."""
    async with ScriptedVenue() as venue:
        standard = {"canTrade": True, "multiAssetsMargin": False, "dualSidePosition": False}
        venue.on("/fapi/v1/exchangeInfo", answers({"symbols": [BTCUSDT]}))
        venue.on("/dapi/v1/exchangeInfo", answers({"symbols": []}))
        venue.on("/fapi/v1/accountConfig", answers(standard))
        venue.on("/dapi/v1/account", answers({"canTrade": True}))
        venue.on("/fapi/v1/time", answers({"serverTime": 1}))
        one = account("binance", "demo", base_url=venue.url)
        venues = Venues(connections, Accounts([one]), 2_000)
        await venues.load_once(one)
        findings = {row.check: row.verdict for row in await venues.adapter(one).preflight()}
    assert findings[Check.PERMISSIONS] is Verdict.NOT_CHECKED
    assert findings[Check.KEY] is findings[Check.ACCOUNT] is findings[Check.POSITION_MODE] is Verdict.OK
