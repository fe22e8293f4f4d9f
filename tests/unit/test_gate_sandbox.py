"""The stand-in for Gate believes only what is signed, and refuses what Gate refuses, with its labels."""

import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from worker.accounts.account import Account
from worker.sandbox.gate.account import GateAccountState, GateMarginMode, Side, Slot
from worker.sandbox.gate.auth import signature_of
from worker.sandbox.gate.contracts import GateContract
from worker.sandbox.gate.formulas import (
    NEVER,
    available,
    balance_of,
    entry_margin,
    liquidation_price,
    unrealised,
    value,
)
from worker.sandbox.gate.venue import Gate
from worker.sandbox.kit.clock import MINUTE
from worker.sandbox.server.http import HttpResponse, Received
from worker.sandbox.server.venue import ControlRefused

PERP, HEDGE = "gate-perp-001", "gate-hedge-001"
BTC, ETH = "/futures/usdt/positions/BTC_USDT", "/futures/usdt/positions/ETH_USDT"
BOOK = "/futures/usdt/account_book"
SIZES = {"X-Gate-Size-Decimal": "1"}


@pytest.fixture
def gate() -> Gate:
    return Gate()


def account_of(gate: Gate, account: str) -> Account:
    return next(known for known in gate.accounts("http://127.0.0.1") if known.id == account)


def unsigned(gate: Gate, method: str, path: str) -> HttpResponse:
    return gate.answer(Received(method, "/api/v4" + path, "", "", {}, "127.0.0.1"))


def send(
    gate: Gate,
    method: str,
    path: str,
    *,
    account: str = PERP,
    body: Any = None,
    headers: dict[str, str] | None = None,
    age: int = 0,
    **parameters: object,
) -> HttpResponse:
    """Send a signed request."""
    owner = account_of(gate, account)
    text = "" if body is None else body if isinstance(body, str) else json.dumps(body)
    sent = {"KEY": owner.reveal("api_key"), "Timestamp": str((gate.clock.now() - age) / 1000)}
    received = Received(method, "/api/v4" + path, urlencode(parameters), text, sent, "127.0.0.1")
    sent |= {"SIGN": signature_of(received, owner.reveal("secret"))} | (headers or {})
    return gate.answer(received)


def ask(gate: Gate, method: str, path: str, **more: Any) -> Any:
    """Send a signed request and read its answer."""
    return json.loads(send(gate, method, path, **more).body)


def refusal(answer: HttpResponse) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["label"]


class TestWhoIsBelieved:
    def test_a_signed_request_is(self, gate: Gate) -> None:
        assert ask(gate, "GET", BTC)["contract"] == "BTC_USDT"

    @pytest.mark.parametrize("missing", ["KEY", "Timestamp", "SIGN"])
    def test_a_request_without_one_of_the_headers_is_not(self, gate: Gate, missing: str) -> None:
        assert refusal(send(gate, "GET", BTC, headers={missing: ""})) == (400, "MISSING_REQUIRED_HEADER")

    def test_an_unknown_key_is_not(self, gate: Gate) -> None:
        assert refusal(send(gate, "GET", BTC, headers={"KEY": "unknown"})) == (401, "INVALID_KEY")

    @pytest.mark.parametrize("header", ["SIGN", "Timestamp"])
    def test_a_signature_over_something_else_is_not(self, gate: Gate, header: str) -> None:
        forged = {"SIGN": "f" * 128, "Timestamp": str(gate.clock.now() // 1000 - 1)}[header]
        assert refusal(send(gate, "GET", BTC, headers={header: forged})) == (401, "INVALID_SIGNATURE")

    def test_the_body_is_signed_by_its_hash(self, gate: Gate) -> None:
        body = {"mode": "ISOLATED", "contract": "ETH_USDT"}
        sent = send(gate, "POST", "/futures/usdt/positions/cross_mode", body=body)
        assert sent.status == 200
        other = Received("POST", "/x", "", '{"mode":"CROSS"}', {"Timestamp": "1"}, "")
        assert signature_of(other, "s") != signature_of(Received("POST", "/x", "", "", {"Timestamp": "1"}, ""), "s")

    @pytest.mark.parametrize("age", [MINUTE + 1_000, -MINUTE - 1_000])
    def test_a_timestamp_more_than_a_minute_away_is_not(self, gate: Gate, age: int) -> None:
        assert refusal(send(gate, "GET", BTC, age=age)) == (403, "REQUEST_EXPIRED")

    def test_a_timestamp_that_is_no_number_is_not(self, gate: Gate) -> None:
        assert refusal(send(gate, "GET", BTC, headers={"Timestamp": "now"})) == (400, "INVALID_PARAM_VALUE")

    def test_what_is_public_needs_no_key(self, gate: Gate) -> None:
        assert abs(json.loads(unsigned(gate, "GET", "/spot/time").body)["server_time"] - gate.clock.now()) < 1_000


class TestWhatIsRefused:
    def test_a_path_nobody_serves(self, gate: Gate) -> None:
        assert refusal(unsigned(gate, "GET", "/futures/usdt/nothing")) == (404, "NOT_FOUND")
        assert refusal(unsigned(gate, "PUT", BTC)) == (405, "METHOD_NOT_ALLOWED")

    def test_dual_comp_lists_no_positions(self, gate: Gate) -> None:
        assert refusal(unsigned(gate, "GET", "/futures/usdt/dual_comp/positions")) == (404, "NOT_FOUND")

    @pytest.mark.parametrize(
        ("path", "label"),
        [
            ("/futures/usdt/positions/NO_USDT", "CONTRACT_NOT_FOUND"),
            ("/futures/btc/positions/BTC_USDT", "CONTRACT_NOT_FOUND"),
            ("/futures/eur/positions/BTC_USDT", "INVALID_PARAM_VALUE"),
            ("/delivery/btc/positions", "INVALID_PARAM_VALUE"),
            ("/futures/usdt/positions/XRP_USDT", "POSITION_NOT_FOUND"),
        ],
    )
    def test_what_is_not_there(self, gate: Gate, path: str, label: str) -> None:
        assert refusal(send(gate, "GET", path)) == (400, label)

    @pytest.mark.parametrize("path", ["/futures/btc/accounts", "/delivery/usdt/positions"])
    def test_an_account_nothing_was_paid_into(self, gate: Gate, path: str) -> None:
        assert refusal(send(gate, "GET", path, account=HEDGE)) == (400, "USER_NOT_FOUND")

    @pytest.mark.parametrize(
        ("leverage", "label"),
        [
            ("126", "LEVERAGE_TOO_HIGH"),
            ("0.5", "LEVERAGE_TOO_LOW"),
            ("x", "INVALID_PARAM_VALUE"),
            ("-1", "INVALID_PARAM_VALUE"),
        ],
    )
    def test_a_leverage_out_of_range(self, gate: Gate, leverage: str, label: str) -> None:
        answer = send(gate, "POST", BTC + "/set_leverage", leverage=leverage, margin_mode="cross")
        assert refusal(answer) == (400, label)

    def test_a_missing_parameter(self, gate: Gate) -> None:
        assert refusal(send(gate, "POST", BTC + "/set_leverage", leverage=5)) == (400, "MISSING_REQUIRED_PARAM")

    def test_a_leverage_whose_margin_is_not_there(self, gate: Gate) -> None:
        answer = send(gate, "POST", BTC + "/set_leverage", leverage=1, margin_mode="isolated")
        assert refusal(answer) == (400, "INSUFFICIENT_AVAILABLE")

    @pytest.mark.parametrize("body", ["", "[]", "mode=CROSS"])
    def test_a_body_that_is_no_object(self, gate: Gate, body: str) -> None:
        assert refusal(send(gate, "POST", "/futures/usdt/positions/cross_mode", body=body)) == (
            400,
            "INVALID_REQUEST_BODY",
        )

    def test_a_margin_mode_in_the_query(self, gate: Gate) -> None:
        path = "/futures/usdt/positions/cross_mode"
        assert refusal(send(gate, "POST", path, mode="CROSS", contract="ETH_USDT")) == (400, "INVALID_REQUEST_BODY")

    @pytest.mark.parametrize(
        ("contract", "mode", "label"),
        [
            ("ETH_USDT", "CROSS", "NO_CHANGE"),
            ("BTC_USDT", "ISOLATED", "POSITION_HOLDING"),
            ("ETH_USDT", "X", "INVALID_PARAM_VALUE"),
        ],
    )
    def test_a_margin_mode_that_cannot_be_switched(self, gate: Gate, contract: str, mode: str, label: str) -> None:
        answer = send(gate, "POST", "/futures/usdt/positions/cross_mode", body={"mode": mode, "contract": contract})
        assert refusal(answer) == (400, label)

    def test_open_orders_are_in_the_way(self, gate: Gate) -> None:
        gate.change_account(PERP, {"open_orders": {"ETH_USDT": 2}})
        body = {"mode": "ISOLATED", "contract": "ETH_USDT"}
        assert refusal(send(gate, "POST", "/futures/usdt/positions/cross_mode", body=body)) == (400, "ORDER_PENDING")
        assert refusal(send(gate, "POST", "/futures/usdt/dual_mode", dual_mode="true"))[1] == "POSITION_HOLDING"

    def test_one_way_endpoints_in_hedge_mode_and_the_other_way_round(self, gate: Gate) -> None:
        body = {"mode": "ISOLATED", "contract": "SOL_USDT"}
        answer = send(gate, "POST", "/futures/usdt/positions/cross_mode", account=HEDGE, body=body)
        assert refusal(answer) == (400, "POSITION_DUAL_MODE")
        answer = send(gate, "POST", "/futures/usdt/dual_comp/positions/cross_mode", body=body)
        assert refusal(answer) == (400, "INVALID_PARAM_VALUE")

    @pytest.mark.parametrize(
        "parameters",
        [{"limit": 0}, {"limit": 101}, {"limit": "x"}, {"offset": -1}, {"holding": "maybe"}],
        ids=str,
    )
    def test_a_page_of_positions_that_cannot_be(self, gate: Gate, parameters: dict[str, Any]) -> None:
        assert refusal(send(gate, "GET", "/futures/usdt/positions", **parameters)) == (400, "INVALID_PARAM_VALUE")

    @pytest.mark.parametrize(
        "parameters", [{"limit": 1001}, {"limit": 0}, {"from": 2, "to": 1}, {"type": "settle"}], ids=str
    )
    def test_a_page_of_the_account_book_that_cannot_be(self, gate: Gate, parameters: dict[str, Any]) -> None:
        assert refusal(send(gate, "GET", BOOK, **parameters)) == (400, "INVALID_PARAM_VALUE")


class TestContracts:
    def test_each_settle_currency_has_a_list_of_its_own(self, gate: Gate) -> None:
        def names(settle: str) -> list[str]:
            return [row["name"] for row in json.loads(unsigned(gate, "GET", f"/futures/{settle}/contracts").body)]

        assert (names("btc"), names("usd1")) == (["BTC_USD"], ["BTC_USD1"])
        assert {"BTC_USDT", "GTC_USDT", "币安人生_USDT"} <= set(names("usdt"))

    def test_a_contract_on_its_way_out_and_a_stock_say_so(self, gate: Gate) -> None:
        leaving = ask(gate, "GET", "/futures/usdt/contracts/MTL_USDT")
        assert (leaving["status"], leaving["in_delisting"], leaving["delisting_time"] > 0) == ("delisting", True, True)
        assert ask(gate, "GET", "/futures/usdt/contracts/MU_USDT")["contract_type"] == "stocks"

    def test_a_contract_that_has_left_is_in_the_list_of_all_alone(self, gate: Gate) -> None:
        def names(path: str, **parameters: int) -> list[str]:
            return [row["name"] for row in ask(gate, "GET", f"/futures/usdt/{path}", **parameters)]

        assert set(names("contracts_all")) - set(names("contracts")) == {"OMG_USDT"}
        assert ask(gate, "GET", "/futures/usdt/contracts/OMG_USDT")["status"] == "delisted"
        assert names("contracts_all", limit=2, offset=1) == names("contracts_all")[1:3]
        assert refusal(send(gate, "GET", "/futures/usdt/contracts_all", limit=1001)) == (400, "INVALID_PARAM_VALUE")

    def test_a_name_outside_ascii_stands_percent_encoded_in_the_path(self, gate: Gate) -> None:
        row = json.loads(unsigned(gate, "GET", f"/futures/usdt/contracts/{quote('币安人生_USDT')}").body)
        assert row["name"] == "币安人生_USDT"

    def test_a_settle_currency_has_an_account_once_something_was_paid_into_it(self, gate: Gate) -> None:
        path = "/futures/usd1/positions"
        assert refusal(send(gate, "GET", path)) == (400, "USER_NOT_FOUND")
        held = {"contract": "BTC_USD1", "size": "0.5", "entry_price": 98_000}
        gate.change_account(PERP, {"paid_in": {"futures usd1": 1_000}, "positions": [held]})
        assert [row["size"] for row in ask(gate, "GET", path, headers=SIZES)] == ["0.5"]


class TestLeverage:
    def test_any_leverage_but_0_makes_a_market_isolated(self, gate: Gate) -> None:
        row = ask(gate, "POST", ETH + "/leverage", leverage=5, cross_leverage_limit=7)
        assert (row["pos_margin_mode"], row["leverage"], row["lever"]) == ("isolated", "5", "5")

    @pytest.mark.parametrize(("parameters", "limit"), [({"cross_leverage_limit": 7}, "7"), ({}, "100")])
    def test_a_leverage_of_0_makes_it_cross(self, gate: Gate, parameters: dict[str, int], limit: str) -> None:
        row = ask(gate, "POST", ETH + "/leverage", leverage=0, **parameters)
        assert (row["pos_margin_mode"], row["leverage"], row["cross_leverage_limit"]) == ("cross", "0", limit)

    def test_a_delivery_takes_a_leverage_and_nothing_else(self, gate: Gate) -> None:
        (held,) = ask(gate, "GET", "/delivery/usdt/positions")
        path = f"/delivery/usdt/positions/{held['contract']}/leverage"
        row = ask(gate, "POST", path, leverage=0, cross_leverage_limit=5)
        assert (row["leverage"], row["cross_leverage_limit"]) == ("0", "50")
        assert ask(gate, "POST", path, leverage=7)["leverage"] == "7"

    def test_in_hedge_mode_it_answers_both_sides(self, gate: Gate) -> None:
        rows = ask(gate, "POST", ETH + "/leverage", account=HEDGE, leverage=5)
        assert [(row["mode"], row["lever"]) for row in rows] == [("dual_long", "5"), ("dual_short", "5")]

    def test_in_hedge_mode_a_side_can_be_set_alone(self, gate: Gate) -> None:
        parameters = {"leverage": 30, "margin_mode": "isolated", "dual_side": "dual_short"}
        ask(gate, "POST", ETH + "/set_leverage", account=HEDGE, **parameters)
        rows = ask(gate, "GET", "/futures/usdt/dual_comp/positions/ETH_USDT", account=HEDGE)
        assert [row["lever"] for row in rows] == ["10", "30"]


class TestPositions:
    @pytest.mark.parametrize(("headers", "size"), [(SIZES, "500"), ({}, 500)])
    def test_sizes_are_strings_for_those_who_ask(self, gate: Gate, headers: dict[str, str], size: Any) -> None:
        assert ask(gate, "GET", BTC, headers=headers)["size"] == size

    def test_flat_rows_are_listed_unless_only_holdings_are_wanted(self, gate: Gate) -> None:
        path = "/futures/usdt/positions"
        assert [row["contract"] for row in ask(gate, "GET", path)] == ["BTC_USDT", "ETH_USDT", "SOL_USDT"]
        assert [row["contract"] for row in ask(gate, "GET", path, holding="True")] == ["BTC_USDT", "SOL_USDT"]

    def test_without_a_limit_all_are_listed(self, gate: Gate) -> None:
        gate.open_account({"id": "many", "open_positions": 101})
        assert len(ask(gate, "GET", "/futures/usdt/positions", account="many", holding="true")) == 101

    def test_pages_follow_each_other(self, gate: Gate) -> None:
        gate.open_account({"id": "many", "open_positions": 101})
        pages = [
            ask(gate, "GET", "/futures/usdt/positions", account="many", limit=100, offset=offset)
            for offset in (0, 100, 200)
        ]
        assert [len(page) for page in pages] == [100, 1, 0]


class TestAccountBook:
    def test_entries_come_newest_first_within_whole_seconds(self, gate: Gate) -> None:
        rows = ask(gate, "GET", BOOK, type="fund", limit=1000)
        times = [row["time"] for row in rows]
        assert times == sorted(times, reverse=True)
        assert len(rows) == 1000
        first = int(times[-1]) + 1
        assert all(row["time"] >= first for row in ask(gate, "GET", BOOK, limit=1000, **{"from": first}))

    def test_each_family_filters_by_the_types_that_it_documents(self, gate: Gate) -> None:
        assert {row["type"] for row in ask(gate, "GET", BOOK, type="dividend")} == {"dividend"}
        delivery = send(gate, "GET", "/delivery/usdt/account_book", type="dividend")
        assert refusal(delivery) == (400, "INVALID_PARAM_VALUE")

    def test_an_entry_of_any_type_can_be_written(self, gate: Gate) -> None:
        entry = {"type": "new_type", "change": "1.5", "contract": "BTC_USDT", "count": 3, "with_id": False}
        gate.change_account(PERP, {"book": [entry]})
        rows = ask(gate, "GET", BOOK, limit=4)
        assert [row["type"] == "new_type" for row in rows] == [True, True, True, False]
        assert rows[0] == rows[1] == rows[2]

    def test_old_entries_have_neither_contract_nor_id(self, gate: Gate) -> None:
        old = ask(gate, "GET", BOOK, to=1_695_000_000)
        assert len(old) == 90
        assert not any("contract" in row or "id" in row for row in old)

    def test_deliveries_know_no_offset_and_no_contract(self, gate: Gate) -> None:
        path = "/delivery/usdt/account_book"
        everything = ask(gate, "GET", path, limit=1000)
        assert ask(gate, "GET", path, limit=1000, offset=5, contract="NO") == everything
        assert {row["type"] for row in everything} == {"pnl", "fee"}


class TestLimits:
    def test_every_endpoint_counts_for_itself_and_says_what_is_left(self, gate: Gate) -> None:
        gate.set_limits({"futures": 2})
        left = [send(gate, "GET", BTC).headers["X-Gate-RateLimit-Requests-Remain"] for _ in range(2)]
        assert left == ["1", "0"]
        throttled = send(gate, "GET", BTC)
        assert refusal(throttled) == (429, "TOO_MANY_REQUESTS")
        assert 0 < int(throttled.headers["X-Gate-RateLimit-Reset-Timestamp"]) * 1000 - gate.clock.now() <= 10_000
        assert send(gate, "GET", "/futures/usdt/accounts").status == 200
        assert send(gate, "GET", BTC, account=HEDGE).status == 200

    def test_two_keys_of_one_user_are_counted_together(self, gate: Gate) -> None:
        gate.open_account({"id": "another-key", "user": 10_001})
        gate.set_limits({"futures": 1})
        assert send(gate, "GET", BOOK).status == 200
        assert refusal(send(gate, "GET", BOOK, account="another-key")) == (429, "TOO_MANY_REQUESTS")

    def test_a_family_nobody_has(self, gate: Gate) -> None:
        with pytest.raises(ControlRefused, match="only spot, futures, delivery"):
            gate.set_limits({"margin": 1})


class TestControl:
    @pytest.mark.parametrize(
        "content",
        [{"id": PERP}, {"id": "x", "open_positions": 999}, {"id": "x y"}, {"id": "x", "unknown": 1}],
        ids=str,
    )
    def test_accounts_that_cannot_be_opened(self, gate: Gate, content: dict[str, Any]) -> None:
        with pytest.raises(ControlRefused):
            gate.open_account(content)

    @pytest.mark.parametrize(
        ("account", "content"),
        [
            ("nobody", {}),
            (PERP, {"unknown": 1}),
            (PERP, {"hedged": True}),
            (PERP, {"key": {"state": 4}}),
            (PERP, {"open_orders": {"NO_USDT": 1}}),
            (PERP, {"positions": [{"contract": "BTC_USDT", "size": 1, "side": "dual_long"}]}),
        ],
        ids=str,
    )
    def test_changes_that_cannot_be_made(self, gate: Gate, account: str, content: dict[str, Any]) -> None:
        with pytest.raises(ControlRefused):
            gate.change_account(account, content)

    def test_a_position_can_be_closed_behind_the_owners_back(self, gate: Gate) -> None:
        gate.change_account(PERP, {"positions": [{"contract": "BTC_USDT", "size": 0}]})
        assert ask(gate, "GET", BTC)["size"] == 0

    def test_the_journal_tells_what_was_asked_and_for_whom(self, gate: Gate) -> None:
        key = account_of(gate, PERP).reveal("api_key")
        received = Received("GET", "/api/v4" + BTC, "a=1", "", {"KEY": key}, "")
        assert gate.account_of(received) == PERP
        assert gate.parameters_of(received) == {"a": "1", "settle": "usdt", "contract": "BTC_USDT"}
        assert gate.parameters_of(Received("GET", "/nothing", "", "", {}, "")) == {}

    def test_a_reset_brings_the_seeds_back_and_keeps_the_keys(self, gate: Gate) -> None:
        before = account_of(gate, PERP)
        ask(gate, "POST", BTC + "/set_leverage", leverage=33, margin_mode="cross")
        gate.reset()
        assert account_of(gate, PERP) == before
        assert ask(gate, "GET", BTC)["lever"] == "10"


class TestFormulas:
    LINEAR = GateContract("A_USDT", "futures", "usdt", Decimal(110), Decimal(1), Decimal("0.1"), 50, Decimal("0.01"))
    INVERSE = GateContract("A_USD", "futures", "btc", Decimal(125), Decimal(1), Decimal(0), 50, Decimal("0.01"))

    def slot(self, contract: GateContract, size: int, mode: GateMarginMode = GateMarginMode.ISOLATED) -> Slot:
        slot = Slot(contract, Side.SINGLE, Decimal(size), Decimal(100), mode, Decimal(10))
        slot.margin = entry_margin(slot, slot.leverage) if mode is GateMarginMode.ISOLATED else Decimal(0)
        return slot

    @pytest.mark.parametrize(("size", "profit"), [(100, Decimal(100)), (-100, Decimal(-100)), (0, Decimal(0))])
    def test_linear_profit_is_in_quote(self, size: int, profit: Decimal) -> None:
        assert unrealised(self.slot(self.LINEAR, size)) == profit

    def test_inverse_profit_is_in_coins(self) -> None:
        slot = self.slot(self.INVERSE, 1_000)
        assert (value(slot), unrealised(slot), slot.margin) == (Decimal(8), Decimal(2), Decimal(1))

    @pytest.mark.parametrize("size", [100, -100])
    @pytest.mark.parametrize("contract", [LINEAR, INVERSE], ids=lambda contract: contract.name)
    def test_at_the_liquidation_price_the_margin_is_used_up(self, contract: GateContract, size: int) -> None:
        slot = self.slot(contract, size)
        price = liquidation_price(slot, slot.margin)
        there = GateContract(
            contract.name, contract.family, contract.settle, price, contract.tick, contract.multiplier, 50,
            contract.maintenance_rate,
        )  # fmt: skip
        moved = Slot(there, slot.side, slot.size, slot.entry_price)
        left = slot.margin + unrealised(moved) - value(moved) * contract.maintenance_rate
        assert abs(left) < Decimal("1e-20")

    def test_a_short_inverse_position_with_its_worth_in_coins_is_never_liquidated(self) -> None:
        assert liquidation_price(self.slot(self.INVERSE, -100), Decimal(1)) == NEVER

    def test_isolated_margin_is_not_there_for_cross_positions(self) -> None:
        cross, isolated = self.slot(self.LINEAR, 10, GateMarginMode.CROSS), self.slot(self.INVERSE, 10)
        isolated.contract = self.LINEAR
        account = GateAccountState("a", 1, wallets={("futures", "usdt"): Decimal(100)})
        account.slots = {(self.LINEAR, Side.LONG): cross, (self.LINEAR, Side.SHORT): isolated}
        assert balance_of(account, cross) == 100 - isolated.margin
        assert balance_of(account, isolated) == isolated.margin
        assert available(account, "futures", "usdt") < 100 - isolated.margin
