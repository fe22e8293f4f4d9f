"""What ccxt does with Hyperliquid that this code is built around. A failure here after an upgrade: read the code again.

Each promise is about the version that is pinned; most are faults, and none of them is wanted.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import ccxt
import pytest
from ccxt.async_support.hyperliquid import hyperliquid

from worker.accounts.account import Account
from worker.sandbox.app.server import Sandbox
from worker.sandbox.hyperliquid.perps import LISTED, Perpetuals
from worker.sandbox.hyperliquid.venue import Hyperliquid
from worker.sandbox.server.faults import Fault
from worker.venues.client.connections import VenueConnections
from worker.venues.hyperliquid.client import without_keys

PERP = "hyperliquid-perp-001"
BTC, ETH, GOLD = "BTC/USDC:USDC", "ETH/USDC:USDC", "XYZ-GOLD/USDC:USDC"
TYPES = {"fetchMarkets": {"types": ["swap", "hip3"]}}
Noted = list[tuple[str, str | None]]


class Bench:
    """ccxt's hyperliquid, pointed at the sandbox."""

    def __init__(self, sandbox: Sandbox, connections: VenueConnections) -> None:
        self.connections = connections
        self.desk = sandbox.desks["hyperliquid"]
        self.account: Account = next(account for account in sandbox.accounts if account.id == PERP)
        self.base_url = sandbox.base_urls["hyperliquid"]
        self.made: list[Any] = []

    def exchange(self, *, keys: bool = True, **options: Any) -> Any:
        credentials = {"privateKey": self.account.reveal("secret"), "walletAddress": self.account.account_address}
        shared = {"session": self.connections.session, "ssl_context": self.connections.tls, "enableRateLimit": False}
        exchange = hyperliquid({**shared, "options": {**TYPES, **options}} | (credentials if keys else {}))
        exchange.urls["api"] = {"public": self.base_url, "private": self.base_url}
        self.made.append(exchange)
        return exchange

    async def loaded(self) -> Any:
        """An instance with keys and markets that were loaded by another without any."""
        source, exchange = self.exchange(keys=False), self.exchange()
        await source.load_markets()
        exchange.set_markets_from_exchange(source)
        self.desk.journal.clear()
        return exchange

    def relist(self, listing: Perpetuals) -> None:
        assert isinstance(self.desk.venue, Hyperliquid)
        self.desk.venue.relist(listing)

    def answers(self, path: str, body: Any, times: int = 1) -> None:
        kind = {"fault": "html"} if body is None else {"fault": "status", "body": body}
        self.desk.faults.add(Fault(path=path, times=times, **kind))

    def noted(self, path: str) -> list[dict[str, str]]:
        return [dict(entry.params) for entry in self.desk.journal.entries if entry.path == path]


@pytest.fixture(scope="module")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
async def bench(sandbox: Sandbox) -> AsyncIterator[Bench]:
    sandbox.desks["hyperliquid"].reset()
    sandbox.desks["hyperliquid"].venue.set_limits({"api": 10**9})
    async with VenueConnections() as connections:
        bench = Bench(sandbox, connections)
        yield bench
        for exchange in bench.made:
            exchange.session = None  # it is shared; ccxt's own close() would sleep


@pytest.mark.parametrize("options", [{}, {"builderFee": False}])
async def test_loading_markets_with_a_key_signs_approvals_for_others(bench: Bench, options: dict[str, Any]) -> None:
    await bench.exchange(**options).load_markets()
    assert {sent["type"] for sent in bench.noted("/exchange")} == {"approveBuilderFee", "setReferrer"}
    assert "userAbstraction" in {asked["type"] for asked in bench.noted("/info")}


async def test_our_options_keep_even_a_key_from_signing_them(bench: Bench) -> None:
    public = without_keys(bench.connections, bench.base_url, 1_000)
    await public.for_account(bench.account).markets(1_000)
    assert bench.noted("/exchange") == []
    assert {asked["type"] for asked in bench.noted("/info")} == {"spotMeta", "allPerpMetas", "perpDexs"}


async def test_markets_without_the_tokens_settle_in_usdc_whatever_their_dex_says(bench: Bench) -> None:
    markets = await bench.exchange(keys=False).fetch_markets()
    assert "FLX-OIL/USDC:USDC" in {market["symbol"] for market in markets}
    assert "FLX-OIL/USDH:USDH" in await bench.exchange(keys=False).load_markets()


async def test_each_dex_is_asked_for_by_itself(bench: Bench) -> None:
    bench.relist(LISTED.with_dexes(5))
    await bench.exchange(keys=False).fetch_markets()
    assert [asked["type"] for asked in bench.noted("/info")].count("metaAndAssetCtxs") == 1 + 2 + 5


async def test_null_among_the_dexes_is_a_bare_python_error(bench: Bench) -> None:
    bench.relist(LISTED.without("xyz"))
    with pytest.raises(KeyError):
        await bench.exchange(keys=False).fetch_markets()


def test_ten_dexes_are_loaded_and_no_more() -> None:
    assert hyperliquid().options["fetchMarkets"]["hip3"]["limit"] == 10


async def test_markets_cannot_be_shared_by_an_instance_that_has_loaded_none(bench: Bench) -> None:
    source = bench.exchange(keys=False)
    source.markets = {}
    with pytest.raises(KeyError, match="hip3TokensByName"):
        bench.exchange().set_markets_from_exchange(source)


@pytest.mark.parametrize("body", [None, "", {}, []])
async def test_a_200_that_is_no_success_passes_for_one(bench: Bench, body: Any) -> None:
    exchange = await bench.loaded()
    bench.answers("/exchange", body)
    await exchange.set_leverage(10, ETH)


@pytest.mark.parametrize("body", [None, "", {}, []])
async def test_a_200_without_a_state_passes_for_no_positions(bench: Bench, body: Any) -> None:
    exchange = await bench.loaded()
    bench.answers("/info", body)
    assert await exchange.fetch_positions() == []


async def test_positions_of_the_main_dex_pass_for_all(bench: Bench) -> None:
    exchange = await bench.loaded()
    found = {position["symbol"] for position in await exchange.fetch_positions()}
    assert GOLD not in found
    assert BTC in found
    assert {position["symbol"] for position in await exchange.fetch_positions([GOLD])} == {GOLD}


async def test_a_flat_market_has_no_position_and_so_no_terms(bench: Bench) -> None:
    position = await (await bench.loaded()).fetch_position(ETH)
    assert position.get("leverage") is None
    assert position.get("marginMode") is None


async def test_a_position_has_no_time(bench: Bench) -> None:
    assert (await (await bench.loaded()).fetch_position(BTC))["timestamp"] is None


async def test_setting_leverage_switches_to_cross_unless_told_otherwise(bench: Bench) -> None:
    exchange = await bench.loaded()
    bench.desk.venue.change_account(PERP, {"terms": {"ETH": {"leverage": 5, "cross": False}}})
    await exchange.set_leverage(10, ETH)
    assert bench.noted("/exchange")[-1]["isCross"] == "True"


async def test_a_fraction_of_a_leverage_is_sent(bench: Bench) -> None:
    with pytest.raises(ccxt.ExchangeError):
        await (await bench.loaded()).set_leverage(10.5, ETH)
    assert bench.noted("/exchange")[-1]["leverage"] == "10.5"


async def test_a_whole_leverage_as_a_float_is_not_readable_for_the_venue(bench: Bench) -> None:
    with pytest.raises(ccxt.ExchangeError):
        await (await bench.loaded()).set_leverage(10.0, ETH)
    assert bench.noted("/exchange")[-1]["leverage"] == "10.0"
    assert bench.desk.journal.entries[-1].status == 422


async def test_the_vault_is_sent_without_its_prefix(bench: Bench) -> None:
    exchange, vault = await bench.loaded(), "0x" + "cd" * 20
    with pytest.raises(ccxt.ExchangeError, match="Vault not registered"):
        await exchange.set_leverage(10, ETH, {"vaultAddress": vault})
    assert bench.noted("/exchange")[-1]["vaultAddress"] == vault.removeprefix("0x")


async def test_switching_the_margin_mode_needs_a_leverage(bench: Bench) -> None:
    exchange = await bench.loaded()
    assert exchange.has["setMarginMode"] is True
    with pytest.raises(ccxt.ArgumentsRequired):
        await exchange.set_margin_mode("isolated", ETH)
    await exchange.set_margin_mode("isolated", ETH, {"leverage": 3})
    assert bench.noted("/exchange")[-1] | {"nonce": ""} == {
        "type": "updateLeverage", "asset": "1", "isCross": "False", "leverage": "3", "nonce": "",
    }  # fmt: skip


async def test_a_key_that_is_missing_or_malformed_is_a_bare_python_error(bench: Bench) -> None:
    exchange = await bench.loaded()
    for key, error in ((None, TypeError), ("no key at all", ValueError)):
        exchange.privateKey = key
        with pytest.raises(error):
            await exchange.set_leverage(10, ETH)
    assert bench.noted("/exchange") == []


async def test_two_instances_of_one_signer_use_the_same_nonce(bench: Bench) -> None:
    exchanges = [bench.exchange(), bench.exchange()]
    for exchange in exchanges:
        exchange.milliseconds = lambda: 1_795_000_000_000
    assert [exchange.incrementing_nonce() for exchange in exchanges] == [1_795_000_000_000] * 2


async def test_funding_of_a_symbol_is_that_of_every_coin_under_its_name(bench: Bench) -> None:
    rows = await (await bench.loaded()).fetch_funding_history(BTC, 1)
    assert {row["symbol"] for row in rows} == {BTC}
    assert {row["info"]["delta"]["coin"] for row in rows} == {"BTC", "SOL", "xyz:GOLD"}


async def test_payments_all_have_the_same_id(bench: Bench) -> None:
    rows = await (await bench.loaded()).fetch_funding_history(None, 1)
    assert len(rows) > 1
    assert {row["id"] for row in rows} == {"0x" + "0" * 64}


async def test_funding_without_a_start_is_asked_for_without_one(bench: Bench) -> None:
    exchange = await bench.loaded()
    with pytest.raises(ccxt.ExchangeError):
        await exchange.fetch_funding_history(BTC)
    assert "startTime" not in bench.noted("/info")[-1]
    assert bench.desk.journal.entries[-1].status == 422


@pytest.mark.parametrize(
    ("sentence", "error"),
    [
        ("User or API Wallet 0x8c3ae6e7de0e0684fbfd0bf58c89c272773e5887 does not exist.", ccxt.InvalidOrder),
        ("Must deposit before performing actions. User: 0x9a35", ccxt.ExchangeError),
        ("Invalid leverage value", ccxt.ExchangeError),
        ("Cannot switch leverage type with open position.", ccxt.ExchangeError),
        ("Cross margin is not allowed for this asset.", ccxt.ExchangeError),
        ("Invalid nonce: duplicate nonce 1754918518000", ccxt.ExchangeError),
        ("Too many cumulative requests sent (2 > 1) for cumulative volume traded $0.", ccxt.RateLimitExceeded),
    ],
)
def test_refusals_are_told_apart_badly(sentence: str, error: type[Exception]) -> None:
    body = {"status": "err", "response": sentence}
    with pytest.raises(ccxt.BaseError) as caught:
        hyperliquid().handle_errors(200, "OK", "", "POST", {}, json.dumps(body), body, {}, "")
    assert type(caught.value) is error
