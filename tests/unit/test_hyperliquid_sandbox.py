"""The stand-in Hyperliquid: whose signature counts, which nonces, what a change of leverage needs, what weighs what."""

import json
from typing import Any

import orjson
import pytest
from ccxt.async_support.hyperliquid import hyperliquid

from worker.accounts.account import Account
from worker.sandbox.hyperliquid.errors import ActionRefused
from worker.sandbox.hyperliquid.nonces import KEPT, NonceBook
from worker.sandbox.hyperliquid.perps import LISTED
from worker.sandbox.hyperliquid.seeded_history import BURST
from worker.sandbox.hyperliquid.venue import Hyperliquid
from worker.sandbox.kit.clock import DAY, SECOND
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.venue import ControlRefused

PERP, VAULT = "hyperliquid-perp-001", "hyperliquid-vault-001"
BTC, ETH, SOL, CANTO, GOLD, NVDA = 0, 1, 2, 4, 110_000, 110_001
DONE = {"status": "ok", "response": {"type": "default"}}


class Bench:
    """The venue, asked without any HTTP."""

    def __init__(self) -> None:
        self.venue = Hyperliquid()
        self.nonce = self.venue.clock.now()

    def account(self, account_id: str = PERP) -> Account:
        return next(account for account in self.venue.accounts("http://x") if account.id == account_id)

    def post(self, path: str, body: Any) -> HttpResponse:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.venue.answer(Received("POST", path, "", text, {}, "127.0.0.1"))

    def ask(self, kind: str, **more: Any) -> Any:
        return orjson.loads(self.post("/info", {"type": kind, **more}).body)

    def signed(self, action: dict[str, Any], account_id: str = PERP, **more: Any) -> dict[str, Any]:
        self.nonce += 1
        nonce, vault = more.get("nonce", self.nonce), more.get("vaultAddress")
        signer = hyperliquid({"privateKey": self.account(account_id).reveal("secret")})
        signature = signer.sign_l1_action(action, nonce, signer.format_vault_address(vault), more.get("expiresAfter"))
        return {"action": action, "nonce": nonce, "signature": signature, **more}

    def set_leverage(self, asset: int, leverage: Any, *, cross: bool = True, **more: Any) -> Any:
        action = {"type": "updateLeverage", "asset": asset, "isCross": cross, "leverage": leverage}
        return orjson.loads(self.post("/exchange", self.signed(action, **more)).body)

    def terms(self, coin: str, account_id: str = PERP) -> Any:
        owner = self.account(account_id)
        return self.ask("activeAssetData", user=owner.vault_address or owner.account_address, coin=coin)["leverage"]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def refused(sentence: str) -> dict[str, str]:
    return {"status": "err", "response": sentence}


def test_a_change_of_leverage_is_carried_out_and_echoes_nothing(bench: Bench) -> None:
    assert bench.set_leverage(ETH, 7) == DONE
    assert bench.terms("ETH") == {"type": "cross", "value": 7}


@pytest.mark.parametrize(("asset", "leverage"), [(BTC, 41), (ETH, 0), (GOLD, 21)])
def test_leverage_beyond_the_market_is_refused(bench: Bench, asset: int, leverage: int) -> None:
    assert bench.set_leverage(asset, leverage) == refused("Invalid leverage value")


@pytest.mark.parametrize("asset", [CANTO, NVDA])
def test_some_markets_are_isolated_only(bench: Bench, asset: int) -> None:
    assert bench.set_leverage(asset, 2) == refused("Cross margin is not allowed for this asset.")
    assert bench.set_leverage(asset, 2, cross=False) == DONE


def test_the_margin_mode_stays_while_a_position_is_open(bench: Bench) -> None:
    sentence = refused("Cannot switch leverage type with open position.")
    assert bench.set_leverage(BTC, 10, cross=False) == sentence
    assert bench.set_leverage(SOL, 5) == sentence
    assert bench.terms("BTC") == {"type": "cross", "value": 10}


def test_a_lower_leverage_needs_margin(bench: Bench) -> None:
    more = "position does not have sufficient margin available to decrease leverage. To decrease leverage,"
    assert bench.set_leverage(BTC, 2) == refused(f"Cross {more} deposit more collateral.")
    assert bench.set_leverage(SOL, 4, cross=False) == refused(f"Isolated {more} add margin to the position.")
    assert bench.set_leverage(SOL, 8, cross=False) == DONE


@pytest.mark.parametrize("leverage", [10.0, "10", None, True, -1])
def test_a_leverage_that_is_no_whole_number_is_unreadable(bench: Bench, leverage: Any) -> None:
    action = {"type": "updateLeverage", "asset": ETH, "isCross": True, "leverage": leverage}
    answer = bench.post("/exchange", bench.signed(action))
    assert (answer.status, answer.content_type) == (422, "text/plain; charset=utf-8")


@pytest.mark.parametrize("change", [{"asset": BTC}, {"leverage": 8}, {"isCross": False}])
def test_what_was_signed_is_what_counts(bench: Bench, change: dict[str, Any]) -> None:
    body = bench.signed({"type": "updateLeverage", "asset": ETH, "isCross": True, "leverage": 7})
    body["action"] |= change
    answer = orjson.loads(bench.post("/exchange", body).body)
    assert answer["status"] == "err"
    assert answer["response"].startswith("User or API Wallet 0x")


def test_a_nonce_a_vault_or_an_expiry_that_was_not_signed_makes_another_signer(bench: Bench) -> None:
    body = bench.signed({"type": "updateLeverage", "asset": ETH, "isCross": True, "leverage": 7})
    for change in ({"nonce": body["nonce"] + 1}, {"vaultAddress": "0x" + "11" * 20}, {"expiresAfter": 2**41}):
        assert "does not exist" in orjson.loads(bench.post("/exchange", body | change).body)["response"]


def test_a_vault_is_acted_for_by_its_leaders_wallet_only(bench: Bench) -> None:
    vault = bench.account(VAULT).vault_address
    assert bench.set_leverage(SOL, 7, account_id=VAULT, vaultAddress=vault) == DONE
    assert bench.terms("SOL", VAULT)["value"] == 7
    assert bench.set_leverage(SOL, 8, account_id=PERP, vaultAddress=vault) == refused(f"Vault not registered: {vault}")
    own = bench.account(PERP).account_address
    assert bench.set_leverage(SOL, 8, vaultAddress=own) == refused(f"Vault not registered: {own}")


def test_an_expired_action_is_refused(bench: Bench) -> None:
    now = bench.venue.clock.now()
    assert bench.set_leverage(ETH, 7, expiresAfter=now + 60_000) == DONE
    assert bench.set_leverage(ETH, 8, expiresAfter=now - 1)["status"] == "err"
    assert bench.terms("ETH")["value"] == 7


def test_a_nonce_is_good_for_one_action(bench: Bench) -> None:
    nonce = bench.venue.clock.now()
    assert bench.set_leverage(ETH, 7, nonce=nonce) == DONE
    assert bench.set_leverage(ETH, 8, nonce=nonce) == refused(f"Invalid nonce: duplicate nonce {nonce}")


def test_a_book_of_nonces_keeps_the_highest() -> None:
    book, now = NonceBook(), 10 * DAY
    for nonce in range(now, now + KEPT):
        book.use(nonce, now)
    with pytest.raises(ActionRefused, match="nonce too low"):
        book.use(now - 1, now)
    book.use(now + KEPT, now)
    with pytest.raises(ActionRefused, match="nonce too low"):
        book.use(now, now)
    assert book.highest == list(range(now + 1, now + KEPT + 1))


@pytest.mark.parametrize("distance", [-2 * DAY, DAY, -5 * DAY])
def test_a_nonce_far_from_now_is_refused(distance: int) -> None:
    with pytest.raises(ActionRefused, match="Invalid nonce"):
        NonceBook().use(10 * DAY + distance, 10 * DAY)


def test_an_address_may_send_so_many_actions(bench: Bench) -> None:
    bench.venue.change_account(PERP, {"actions": 10_000})
    assert bench.set_leverage(ETH, 7) == DONE
    sentence = bench.set_leverage(ETH, 8)["response"]
    assert sentence.startswith("Too many cumulative requests sent (10002 > 10000) for cumulative volume traded $0.0.")
    bench.venue.clock.offset += 11 * SECOND
    assert bench.set_leverage(ETH, 8) == DONE
    used = bench.ask("userRateLimit", user=bench.account().account_address)
    assert used == {"cumVlm": "0.0", "nRequestsUsed": 10_002, "nRequestsCap": 10_000, "nRequestsSurplus": 0}


@pytest.mark.parametrize("kind", ["order", "setReferrer", "approveBuilderFee", "withdraw3", "usdSend"])
def test_other_actions_are_understood_and_refused(bench: Bench, kind: str) -> None:
    answer = orjson.loads(bench.post("/exchange", bench.signed({"type": kind})).body)
    assert answer == refused(f"The sandbox carries out no {kind}; nothing was done.")


SIGNED: dict[str, Any] = {
    "action": {"type": "updateLeverage"},
    "nonce": 1,
    "signature": {"r": "0x1", "s": "0x1", "v": 27},
}


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        {"action": {"type": "mine"}},
        SIGNED | {"signature": {}},
        SIGNED | {"signature": {"r": "much", "s": "0x1", "v": 27}},
        SIGNED | {"signature": {"r": "0x" + "f" * 65, "s": "0x1", "v": 27}},
        SIGNED | {"signature": {"r": "0x0", "s": "0x0", "v": 27}},
        SIGNED | {"signature": {"r": "0x1", "s": "0x1", "v": 99}},
        SIGNED | {"signature": {"r": "0x1", "s": "0x1", "v": 3}},
        SIGNED | {"nonce": 2**70},
        SIGNED | {"nonce": "1"},
        SIGNED | {"vaultAddress": "0x1"},
    ],
)
def test_a_malformed_action_is_unreadable(bench: Bench, body: Any) -> None:
    assert bench.post("/exchange", body).status == 422


@pytest.mark.parametrize(
    "body",
    [
        "",
        "1",
        {},
        {"type": "mine"},
        {"type": "clearinghouseState"},
        {"type": "clearinghouseState", "user": "0x1"},
        {"type": "meta", "dex": "nope"},
        {"type": "userFunding", "user": "0x" + "11" * 20},
        {"type": "userFillsByTime", "user": "0x" + "11" * 20, "startTime": "now"},
    ],
)
def test_a_malformed_question_is_unreadable(bench: Bench, body: Any) -> None:
    assert bench.post("/info", body).status == 422


def test_a_coin_that_does_not_exist_breaks_the_venue(bench: Bench) -> None:
    assert bench.post("/info", {"type": "activeAssetData", "user": "0x" + "11" * 20, "coin": "NOPE"}).status == 500


def test_an_address_nobody_knows_has_nothing(bench: Bench) -> None:
    nobody = "0x" + "11" * 20
    state = bench.ask("clearinghouseState", user=nobody)
    assert (state["assetPositions"], state["withdrawable"]) == ([], "0.0")
    assert bench.ask("userRole", user=nobody) == {"role": "missing"}
    assert bench.ask("userFills", user=nobody) == []


def test_the_wallet_that_signs_owns_nothing(bench: Bench) -> None:
    owner = bench.account().account_address
    [agent] = bench.ask("extraAgents", user=owner)
    assert bench.ask("userRole", user=agent["address"]) == {"role": "agent", "data": {"user": owner}}
    assert bench.ask("clearinghouseState", user=agent["address"])["assetPositions"] == []
    assert bench.ask("userRole", user=owner) == {"role": "user"}
    assert bench.ask("userRole", user=bench.account(VAULT).vault_address) == {"role": "vault"}


@pytest.mark.parametrize(
    ("kind", "more", "weight"),
    [
        ("clearinghouseState", {}, 2),
        ("exchangeStatus", {}, 2),
        ("activeAssetData", {"coin": "BTC"}, 20),
        ("meta", {}, 20),
        ("userRole", {}, 60),
        ("userFunding", {"startTime": 0}, 20 + 500 // 20),
        ("allPerpMetas", {}, 20),
        ("userFillsByTime", {"startTime": 0}, 20 + 500 * BURST // 20),
    ],
)
def test_questions_weigh_what_is_documented(bench: Bench, kind: str, more: dict[str, Any], weight: int) -> None:
    question = {"type": kind, "user": bench.account().account_address, **more}
    bench.venue.set_limits({"api": weight})
    assert bench.post("/info", question).status == 200
    bench.venue.reset()
    bench.venue.set_limits({"api": weight - 1})
    assert bench.post("/info", question).status == 429


def test_over_the_limit_of_its_address_nothing_is_carried_out(bench: Bench) -> None:
    bench.venue.set_limits({"api": 1})
    assert bench.set_leverage(ETH, 7) == DONE
    answer = bench.post(
        "/exchange", bench.signed({"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 9})
    )
    assert answer.status == 429
    bench.venue.set_limits({"api": 100})
    assert bench.terms("ETH")["value"] == 7


def test_a_reset_brings_the_seeds_back_and_keeps_the_keys(bench: Bench) -> None:
    before = bench.venue.accounts("http://x")
    bench.set_leverage(ETH, 7)
    bench.venue.reset()
    assert bench.venue.accounts("http://x") == before
    assert bench.terms("ETH")["value"] == 20


@pytest.mark.parametrize(
    "content", [{}, {"id": PERP}, {"id": "x", "open_positions": 10_000}, {"id": "x", "odd": 1}, {"id": "not so"}]
)
def test_an_account_that_cannot_be_is_not_opened(bench: Bench, content: dict[str, Any]) -> None:
    with pytest.raises(ControlRefused):
        bench.venue.open_account(content)


def test_what_cannot_be_changed_is_refused(bench: Bench) -> None:
    for account_id, content in (
        ("nobody", {}),
        (PERP, {"positions": [{"coin": "NOPE", "size": 1}]}),
        (PERP, {"odd": 1}),
        (PERP, {"vault": {"sub_account": True}}),
    ):
        with pytest.raises(ControlRefused):
            bench.venue.change_account(account_id, content)
    with pytest.raises(ControlRefused):
        bench.venue.set_limits({"fapi": 1})


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/info", 405), ("POST", "/nothing", 404)])
def test_there_are_two_endpoints(bench: Bench, method: str, path: str, status: int) -> None:
    assert bench.venue.answer(Received(method, path, "", "", {}, "127.0.0.1")).status == status


def test_a_request_is_known_by_its_account_and_what_it_asks(bench: Bench) -> None:
    action = {"type": "updateLeverage", "asset": 1, "isCross": True, "leverage": 7}
    vault = bench.account(VAULT).vault_address
    body = orjson.dumps(bench.signed(action, VAULT, vaultAddress=vault)).decode()
    received = Received("POST", "/exchange", "", body, {}, "127.0.0.1")
    assert bench.venue.account_of(received) == VAULT
    noted = bench.venue.parameters_of(received)
    assert noted == {
        "type": "updateLeverage",
        "asset": "1",
        "isCross": "True",
        "leverage": "7",
        "nonce": str(bench.nonce),
        "vaultAddress": vault,
    }


def test_all_dexes_are_told_at_once_each_as_by_itself(bench: Bench) -> None:
    metas = bench.ask("allPerpMetas")
    assert metas == [bench.ask("meta", dex=name) for name in ("", "xyz", "flx")]
    assert [meta["collateralToken"] for meta in metas] == [0, 0, 3]
    assert [dex and dex["name"] for dex in bench.ask("perpDexs")] == [None, "xyz", "flx"]


def test_a_dex_that_is_gone_is_null_and_the_others_keep_their_places(bench: Bench) -> None:
    bench.venue.relist(LISTED.with_dexes(209).without("xyz"))
    metas, dexes = bench.ask("allPerpMetas"), bench.ask("perpDexs")
    assert len(metas) == len(dexes) == 212
    assert (metas[1], dexes[0], dexes[1]) == (None, None, None)
    assert (metas[211]["universe"][0]["name"], dexes[211]["name"]) == ("d209:ONE", "d209")
    assert bench.set_leverage(100_000 + 211 * 10_000, 3) == DONE
    assert bench.terms("d209:ONE") == {"type": "cross", "value": 3}


def test_what_restricts_a_perpetual_is_told_as_the_venue_tells_it(bench: Bench) -> None:
    bench.venue.relist(LISTED.changed("SOL", delisted=True))
    rows = {row["name"]: row for meta in bench.ask("allPerpMetas") for row in meta["universe"]}
    assert (rows["CANTO"]["onlyIsolated"], rows["CANTO"]["marginMode"]) == (True, "noCross")
    assert rows["xyz:NVDA"]["marginMode"] == "strictIsolated"
    assert rows["SOL"]["isDelisted"] is True
    assert rows["BTC"].keys() == {"szDecimals", "name", "maxLeverage", "marginTableId"}
    bench.venue.reset()
    assert "isDelisted" not in bench.ask("meta")["universe"][2]


def past(bench: Bench, **content: Any) -> Any:
    bench.venue.change_account(PERP, content)
    kind = "userFillsByTime" if "fills" in content else "userFunding"
    return bench.ask(kind, user=bench.account().account_address, startTime=0)


def test_fills_of_the_venue_itself_have_the_trade_0(bench: Bench) -> None:
    fill = {"time": 5, "coin": "BTC", "direction": "Settlement", "closed_pnl": "-1.5"}
    told = past(bench, fills=[fill, fill | {"time": 3, "tid": 7, "oid": 9}])
    assert [(row["time"], row["tid"], row["oid"], row["dir"], row["closedPnl"]) for row in told] == [
        (3, 7, 9, "Settlement", "-1.5"),
        (5, 0, 0, "Settlement", "-1.5"),
    ]


def test_a_page_ends_with_its_blocks_too(bench: Bench) -> None:
    fill = {"coin": "BTC", "direction": "Close Long"}
    assert len(past(bench, fills=[fill | {"time": time} for time in range(700)])) == 500
    assert len(past(bench, fills=[fill | {"time": time // 3} for time in range(2_100)])) == 1_500
    assert len(past(bench, fills=[fill | {"time": 1}] * 2_100)) == 2_000
    assert len(past(bench, payments=[{"coin": "BTC", "usdc": "1", "time": 1}] * 700)) == 500


def test_records_of_another_kind_stand_where_payments_do(bench: Bench) -> None:
    told = past(bench, payments=[{"time": 1, "coin": "BTC", "usdc": "0.5", "kind": "rebate"}])
    assert [row["delta"]["type"] for row in told] == ["rebate"]


def test_a_wallet_may_be_good_for_ever(bench: Bench) -> None:
    bench.venue.change_account(PERP, {"agent": {"forever": True}})
    told = bench.ask("extraAgents", user=bench.account().account_address)
    assert [agent["validUntil"] for agent in told] == [None]
    assert bench.set_leverage(ETH, 3) == DONE
