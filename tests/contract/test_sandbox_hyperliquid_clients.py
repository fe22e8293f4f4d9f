"""Hyperliquid's official client, unchanged but for the base URL, works against the sandbox; so does ccxt.

Signatures are checked both ways: the sandbox takes those of the official client, and the official client's own recovery
finds our signer in those that the adapter sends.
"""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import eth_account
import pytest
from ccxt.async_support.hyperliquid import hyperliquid
from hyperliquid.exchange import Exchange
from hyperliquid.info import Info
from hyperliquid.utils.error import ClientError
from hyperliquid.utils.signing import recover_agent_or_user_from_l1_action, sign_l1_action

from tests.support.sandbox_harness import UNLIMITED, account_of, sandbox_fixtures
from worker.sandbox.app.server import Sandbox
from worker.sandbox.hyperliquid.info import QUESTIONS
from worker.sandbox.hyperliquid.perps import DEXES
from worker.venues.client.connections import VenueConnections
from worker.venues.hyperliquid.client import without_keys
from worker.venues.hyperliquid.credentials import credentials_of

T = TypeVar("T")

PERP, VAULT = "hyperliquid-perp-001", "hyperliquid-vault-001"
DONE = {"status": "ok", "response": {"type": "default"}}


sandbox, seeded = sandbox_fixtures("hyperliquid", {"api": UNLIMITED})


def _info(sandbox: Sandbox) -> Info:
    return Info(sandbox.base_urls["hyperliquid"], skip_ws=True, perp_dexs=[dex.name for dex in DEXES])


def _exchange(sandbox: Sandbox, account_id: str) -> Exchange:
    account = account_of(sandbox, account_id)
    return Exchange(
        eth_account.Account.from_key(account.reveal("secret")),
        sandbox.base_urls["hyperliquid"],
        account_address=account.account_address,
        vault_address=account.vault_address,
        perp_dexs=[dex.name for dex in DEXES],
    )


async def using(make: Callable[[], T], work: Callable[[T], Any]) -> Any:
    """Let the client, which waits for its answers, work beside the sandbox."""
    return await asyncio.to_thread(lambda: work(make()))


async def info(sandbox: Sandbox, work: Callable[[Info], Any]) -> Any:
    def run(client: Info) -> Any:
        with client.session:
            return work(client)

    return await using(lambda: _info(sandbox), run)


async def exchange(sandbox: Sandbox, work: Callable[[Exchange], Any], account_id: str = PERP) -> Any:
    def run(client: Exchange) -> Any:
        with client.session, client.info.session:
            return work(client)

    return await using(lambda: _exchange(sandbox, account_id), run)


CALLS: list[tuple[str, Callable[[Info, str], Any]]] = [
    ("meta", lambda client, _: client.meta("xyz")),
    ("metaAndAssetCtxs", lambda client, _: client.meta_and_asset_ctxs()),
    ("perpDexs", lambda client, _: client.perp_dexs()),
    ("spotMeta", lambda client, _: client.spot_meta()),
    ("spotMetaAndAssetCtxs", lambda client, _: client.spot_meta_and_asset_ctxs()),
    ("allMids", lambda client, _: client.all_mids()),
    ("clearinghouseState", lambda client, user: client.user_state(user)),
    ("userFunding", lambda client, user: client.user_funding_history(user, 0)),
    ("userFills", lambda client, user: client.user_fills(user)),
    ("userFillsByTime", lambda client, user: client.user_fills_by_time(user, 0)),
    ("userRateLimit", lambda client, user: client.user_rate_limit(user)),
    ("userRole", lambda client, user: client.user_role(user)),
    ("extraAgents", lambda client, user: client.extra_agents(user)),
    # the client has no methods for these three, but its way of asking has
    (
        "activeAssetData",
        lambda client, user: client.post("/info", {"type": "activeAssetData", "user": user, "coin": "BTC"}),
    ),
    ("exchangeStatus", lambda client, _: client.post("/info", {"type": "exchangeStatus"})),
    ("allPerpMetas", lambda client, _: client.post("/info", {"type": "allPerpMetas"})),
]


@pytest.mark.parametrize(("kind", "ask"), CALLS, ids=[kind for kind, _ in CALLS])
async def test_the_official_client_gets_an_answer_with_something_in_it(
    sandbox: Sandbox, kind: str, ask: Callable[[Info, str], Any]
) -> None:
    owner = account_of(sandbox, PERP).account_address or ""
    assert await info(sandbox, lambda client: ask(client, owner))
    newest = sandbox.desks["hyperliquid"].journal.entries[-1]
    assert (newest.params["type"], newest.status) == (kind, 200)


def test_every_question_is_asked() -> None:
    assert {kind for kind, _ in CALLS} | {"vaultDetails"} == set(QUESTIONS)


async def test_the_official_client_is_told_who_leads_a_vault(sandbox: Sandbox) -> None:
    account = account_of(sandbox, VAULT)
    asked = {"type": "vaultDetails", "vaultAddress": account.vault_address}
    details = await info(sandbox, lambda client: client.post("/info", asked))
    assert (details["leader"], details["vaultAddress"]) == (account.account_address, account.vault_address)
    asked["vaultAddress"] = account.account_address
    assert await info(sandbox, lambda client: client.post("/info", asked)) is None


async def test_the_official_client_numbers_all_assets_as_the_sandbox_does(sandbox: Sandbox) -> None:
    numbers = await info(sandbox, lambda client: client.coin_to_asset)
    assert (numbers["BTC"], numbers["xyz:GOLD"], numbers["flx:OIL"], numbers["@1"]) == (0, 110_000, 120_000, 10_001)


async def test_the_official_client_sees_the_positions_of_each_dex(sandbox: Sandbox) -> None:
    owner = account_of(sandbox, PERP).account_address or ""
    main = await info(sandbox, lambda client: client.user_state(owner))
    xyz = await info(sandbox, lambda client: client.user_state(owner, "xyz"))
    assert [row["position"]["coin"] for row in main["assetPositions"]] == ["BTC", "SOL"]
    assert [row["position"]["coin"] for row in xyz["assetPositions"]] == ["xyz:GOLD"]
    assert set(main["assetPositions"][0]["position"]) == {
        "coin", "szi", "leverage", "entryPx", "positionValue", "unrealizedPnl", "returnOnEquity", "liquidationPx",
        "marginUsed", "maxLeverage", "cumFunding",
    }  # fmt: skip


@pytest.mark.parametrize(("coin", "cross"), [("ETH", True), ("BTC", True), ("xyz:GOLD", True), ("xyz:NVDA", False)])
async def test_the_official_client_sets_a_leverage(sandbox: Sandbox, coin: str, cross: bool) -> None:
    assert await exchange(sandbox, lambda client: client.update_leverage(9, coin, cross)) == DONE
    asked = {"type": "activeAssetData", "user": account_of(sandbox, PERP).account_address, "coin": coin}
    terms = await info(sandbox, lambda client: client.post("/info", asked))
    assert (terms["leverage"]["value"], terms["leverage"]["type"]) == (9, "cross" if cross else "isolated")


@pytest.mark.parametrize("amount", [12.5, -2.25])
async def test_the_official_client_moves_the_margin_of_an_isolated_position(sandbox: Sandbox, amount: float) -> None:
    asked = {"type": "clearinghouseState", "user": account_of(sandbox, PERP).account_address}

    async def raw_usd() -> float:
        state = await info(sandbox, lambda client: client.post("/info", asked))
        (row,) = [held["position"] for held in state["assetPositions"] if held["position"]["coin"] == "SOL"]
        return float(row["leverage"]["rawUsd"])

    before = await raw_usd()
    assert await exchange(sandbox, lambda client: client.update_isolated_margin(amount, "SOL")) == DONE
    assert await raw_usd() - before == pytest.approx(amount)


async def test_the_official_client_acts_for_a_vault(sandbox: Sandbox) -> None:
    assert await exchange(sandbox, lambda client: client.update_leverage(9, "SOL"), VAULT) == DONE
    asked = {"type": "activeAssetData", "user": account_of(sandbox, VAULT).vault_address, "coin": "SOL"}
    assert (await info(sandbox, lambda client: client.post("/info", asked)))["leverage"]["value"] == 9


async def test_the_official_client_may_let_its_actions_expire(sandbox: Sandbox) -> None:
    now = sandbox.desks["hyperliquid"].venue.clock.now()

    def until(expiry: int) -> Callable[[Exchange], Any]:
        def work(client: Exchange) -> Any:
            client.set_expires_after(expiry)
            return client.update_leverage(9, "ETH")

        return work

    assert await exchange(sandbox, until(now + 60_000)) == DONE
    assert (await exchange(sandbox, until(now - 60_000)))["status"] == "err"


async def test_the_official_client_sees_refusals_as_the_venue_writes_them(sandbox: Sandbox) -> None:
    def refused(sentence: str) -> dict[str, str]:
        return {"status": "err", "response": sentence}

    most = await exchange(sandbox, lambda client: client.update_leverage(41, "BTC"))
    assert most == refused("Invalid leverage value")
    switch = await exchange(sandbox, lambda client: client.update_leverage(10, "BTC", is_cross=False))
    assert switch == refused("Cannot switch leverage type with open position.")
    code = await exchange(sandbox, lambda client: client.set_referrer("SOMEBODY"))
    assert code["status"] == "err"


@pytest.mark.parametrize(
    "agent",
    [{"approved": False}, {"valid_until": 1}, {"master": "0x" + "11" * 20}],
    ids=lambda agent: next(iter(agent)),
)
async def test_an_api_wallet_that_is_not_or_no_longer_the_accounts_signs_nothing(
    sandbox: Sandbox, agent: dict[str, Any]
) -> None:
    account = account_of(sandbox, VAULT)
    sandbox.desks["hyperliquid"].venue.change_account(VAULT, {"agent": agent})
    answer = await exchange(sandbox, lambda client: client.update_leverage(7, "SOL"), VAULT)
    assert answer["status"] == "err"
    listed = await info(sandbox, lambda client: client.extra_agents(account.account_address))
    assert bool(listed) is ("valid_until" in agent)


async def test_the_official_client_is_told_what_is_unreadable_and_what_is_too_much(sandbox: Sandbox) -> None:
    with pytest.raises(ClientError) as unreadable:
        await info(sandbox, lambda client: client.user_state("0x12"))
    assert unreadable.value.status_code == 422
    client = await asyncio.to_thread(_info, sandbox)
    sandbox.desks["hyperliquid"].venue.set_limits({"api": 1})
    with pytest.raises(ClientError) as throttled, client.session:
        await asyncio.to_thread(client.perp_dexs)
    assert throttled.value.status_code == 429


async def test_a_stranger_has_no_wallet_here(sandbox: Sandbox) -> None:
    def strange(client: Exchange) -> Any:
        client.wallet = eth_account.Account.from_key("0x" + "5a" * 32)
        return client.update_leverage(9, "ETH")

    answer = await exchange(sandbox, strange)
    assert answer["status"] == "err"
    assert "does not exist" in answer["response"]


@pytest.mark.parametrize("account_id", [PERP, VAULT])
async def test_the_official_client_recovers_our_signer_on_the_main_network(sandbox: Sandbox, account_id: str) -> None:
    account = account_of(sandbox, account_id)
    action = {"type": "updateLeverage", "asset": 110_000, "isCross": True, "leverage": 7}
    async with VenueConnections() as connections:
        transport = without_keys(connections, sandbox.base_urls["hyperliquid"], 1_000).for_account(account)
        signing: Any = transport._exchange
        request = signing.sign(
            "exchange", ["private"], "POST", {"action": action, "vaultAddress": account.vault_address}
        )
        sent = signing.parse_json(request["body"])
    recovered = recover_agent_or_user_from_l1_action(
        sent["action"], sent["signature"], sent["vaultAddress"], sent["nonce"], None, True
    )
    assert recovered.lower() == credentials_of(account).signer
    assert sent["vaultAddress"] == account.vault_address


@pytest.mark.parametrize("vault", [None, "0x" + "cd" * 20])
def test_our_signature_is_the_official_clients_own(vault: str | None) -> None:
    wallet = eth_account.Account.from_key("0x" + "5a" * 32)
    action = {"type": "updateLeverage", "asset": 1, "isCross": False, "leverage": 25}
    theirs = sign_l1_action(wallet, action, vault, 1_795_000_000_000, None, True)
    ours = hyperliquid({"privateKey": "5a" * 32}).sign_l1_action(
        action, 1_795_000_000_000, vault.removeprefix("0x") if vault else None
    )
    assert {name: int(str(ours[name]), 0) for name in "rsv"} == {name: int(str(theirs[name]), 0) for name in "rsv"}


async def test_ccxt_loads_the_markets_under_their_unified_symbols(sandbox: Sandbox) -> None:
    async with VenueConnections() as connections:
        client: Any = hyperliquid({"session": connections.session, "ssl_context": connections.tls})
        client.urls["api"] = dict.fromkeys(("public", "private"), sandbox.base_urls["hyperliquid"])
        client.enableRateLimit = False
        markets = await client.load_markets()
        client.session = None  # it is shared; ccxt's own close() would sleep
    expected = {"BTC/USDC:USDC", "ETH/USDC:USDC", "XYZ-GOLD/USDC:USDC", "FLX-OIL/USDH:USDH", "PURR/USDC", "HYPE/USDC"}
    assert expected <= set(markets)
    assert (markets["XYZ-GOLD/USDC:USDC"]["baseId"], markets["BTC/USDC:USDC"]["limits"]["leverage"]["max"]) == (
        "110000",
        40,
    )


async def test_ccxt_sets_leverage_and_reads_positions_and_fills(sandbox: Sandbox) -> None:
    account = account_of(sandbox, PERP)
    async with VenueConnections() as connections:
        settings = {"session": connections.session, "ssl_context": connections.tls, "enableRateLimit": False}
        keys = {"walletAddress": account.account_address, "privateKey": account.reveal("secret")}
        client: Any = hyperliquid({**settings, **keys, "options": {"approvedBuilderFee": True, "refSet": True}})
        client.urls["api"] = dict.fromkeys(("public", "private"), sandbox.base_urls["hyperliquid"])
        assert await client.set_leverage(12, "BTC/USDC:USDC") == DONE
        long, short = await client.fetch_positions()
        fills = await client.fetch_my_trades("BTC/USDC:USDC", 1)
        client.session = None  # it is shared; ccxt's own close() would sleep
    assert (long["symbol"], long["leverage"], long["marginMode"], long["side"]) == (
        "BTC/USDC:USDC",
        12,
        "cross",
        "long",
    )
    assert (short["symbol"], short["marginMode"], short["side"]) == ("SOL/USDC:USDC", "isolated", "short")
    assert fills
