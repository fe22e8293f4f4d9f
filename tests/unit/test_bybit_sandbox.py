"""The stand-in for Bybit by itself: its rules, apart from any client."""

from collections.abc import Mapping
from decimal import Decimal
from itertools import pairwise

import pytest

from worker.sandbox.bybit.auth import KEY, SIGN, TIMESTAMP, WINDOW, signature_of
from worker.sandbox.bybit.contracts import listed
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.limits import AddressMeter, EndpointMeter
from worker.sandbox.bybit.paging import Page, paged, window
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.seeded_history import funding, profits
from worker.sandbox.bybit.venue import Bybit
from worker.sandbox.kit.clock import DAY
from worker.sandbox.server.http import Received
from worker.sandbox.server.venue import ControlRefused

NOW = 1_795_358_000_000
CONTRACTS = listed(NOW)


def request(
    method: str = "GET", path: str = "/v5/account/info", body: str = "", headers: Mapping[str, str] | None = None
) -> Received:
    return Received(method, path, "", body, headers or {}, "127.0.0.1")


def signed(venue: Bybit, body: str, method: str = "POST", path: str = "/v5/account/set-margin-mode") -> Received:
    account = venue.accounts("http://127.0.0.1")[0]
    key, timestamp = account.reveal("api_key"), str(venue.clock.now())
    signature = signature_of(account.reveal("secret"), f"{timestamp}{key}5000{body}")
    return request(method, path, body, {KEY: key, TIMESTAMP: timestamp, WINDOW: "5000", SIGN: signature})


class TestContracts:
    def test_deliveries_are_named_by_their_day_or_by_a_letter_for_their_month(self) -> None:
        futures = {symbol for symbol, contract in CONTRACTS.items() if not contract.perpetual and contract.traded}
        assert futures == {"BTCUSDT-25DEC26", "BTCUSDT-26MAR27", "BTCUSDZ26", "BTCUSDH27"}

    @pytest.mark.parametrize(("symbol", "size"), [("BTCUSDT", 2), ("BTCUSD", 2_000)])
    def test_a_rising_price_is_a_profit_of_a_long_position(self, symbol: str, size: int) -> None:
        contract = CONTRACTS[symbol]
        assert contract.profit(Decimal(size), Decimal(90_000), Decimal(99_000)) > 0
        assert contract.profit(Decimal(size), Decimal(99_000), Decimal(90_000)) < 0


class TestRequests:
    def test_no_headers_are_a_bare_401(self) -> None:
        answer = Bybit().answer(request())
        assert (answer.status, answer.body) == (401, b"")

    @pytest.mark.parametrize(("method", "path"), [("GET", "/v5/nothing"), ("POST", "/v5/account/info")])
    def test_an_endpoint_that_is_not_served_is_a_404(self, method: str, path: str) -> None:
        answer = Bybit().answer(request(method, path))
        assert (answer.status, b'"retCode":10017' in answer.body) == (404, True)

    @pytest.mark.parametrize("body", ["", "[]", "{", "{}", '{"setMarginMode":"NONE"}'])
    def test_a_body_that_does_not_say_what_is_wanted_is_refused(self, body: str) -> None:
        venue = Bybit()
        assert b'"retCode":10001' in venue.answer(signed(venue, body)).body

    @pytest.mark.parametrize("header", [{TIMESTAMP: "soon"}, {WINDOW: "-1"}])
    def test_a_timestamp_that_is_none_is_refused(self, header: Mapping[str, str]) -> None:
        venue = Bybit()
        received = signed(venue, "{}")
        spoilt = request("POST", received.path, "{}", {**received.headers, **header})
        assert b'"retCode":10001' in venue.answer(spoilt).body

    def test_a_changed_body_is_not_what_was_signed(self) -> None:
        venue = Bybit()
        received = signed(venue, '{"setMarginMode":"REGULAR_MARGIN"}')
        changed = request("POST", received.path, '{"setMarginMode":"ISOLATED_MARGIN"}', received.headers)
        assert b'"retCode":10004' in venue.answer(changed).body

    def test_what_is_asked_is_noted_without_the_signature(self) -> None:
        venue = Bybit()
        received = signed(venue, '{"setMarginMode":"REGULAR_MARGIN"}')
        assert venue.parameters_of(received) == {"setMarginMode": "REGULAR_MARGIN"}
        assert venue.account_of(received) == "bybit-perp-001"
        assert venue.parameters_of(request("POST", body="{")) == {}


class TestControl:
    @pytest.mark.parametrize(
        "content",
        [{"id": "bybit-perp-001"}, {"id": "x y"}, {"id": "a", "open_positions": 500}, {"id": "a", "status": 9}],
    )
    def test_an_account_that_cannot_be_is_not_opened(self, content: dict[str, object]) -> None:
        with pytest.raises(ControlRefused):
            Bybit().open_account(content)

    @pytest.mark.parametrize("content", [{"reasons": 1}, {"terms": {"NONE": {}}}, {"unknown": 1}, {"hedged": True}])
    def test_a_change_that_cannot_be_is_refused(self, content: dict[str, object]) -> None:
        with pytest.raises(ControlRefused):
            Bybit().change_account("bybit-perp-001", content)

    def test_an_account_nobody_has_is_not_changed(self) -> None:
        with pytest.raises(ControlRefused):
            Bybit().change_account("nobody", {})

    def test_a_limit_that_does_not_exist_is_not_set(self) -> None:
        with pytest.raises(ControlRefused, match="/v5/position/list"):
            Bybit().set_limits({"fapi": 1})

    def test_a_closed_position_is_gone_and_comes_back_with_a_reset(self) -> None:
        venue = Bybit()
        venue.change_account("bybit-perp-001", {"positions": [{"symbol": "BTCUSDT", "size": 0}]})
        assert len(venue.states["bybit-perp-001"].positions) == 4
        venue.reset()
        assert len(venue.states["bybit-perp-001"].positions) == 5

    @pytest.mark.parametrize("count", [1, 100])
    @pytest.mark.parametrize("status", [1, 5])
    def test_as_many_positions_are_open_as_asked_for(self, status: int, count: int) -> None:
        venue = Bybit()
        venue.open_account({"id": "new", "status": status, "open_positions": count, "hedged": True})
        assert len(venue.states["new"].positions) == count


class TestWindows:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ({}, (NOW - DAY, NOW)),
            ({"startTime": NOW - 3 * DAY}, (NOW - 3 * DAY, NOW - 2 * DAY)),
            ({"endTime": NOW - 3 * DAY}, (NOW - 4 * DAY, NOW - 3 * DAY)),
            ({"startTime": NOW - 7 * DAY, "endTime": NOW}, (NOW - 7 * DAY, NOW)),
        ],
    )
    def test_what_is_left_out_is_one_span_from_what_is_given(
        self, given: dict[str, int], expected: tuple[int, int]
    ) -> None:
        assert window(BybitParameters({name: str(value) for name, value in given.items()}), DAY, NOW) == expected

    @pytest.mark.parametrize(
        "given",
        [
            {"startTime": NOW - 7 * DAY - 1, "endTime": NOW},
            {"startTime": NOW - 731 * DAY},
            {"startTime": NOW, "endTime": NOW - 1},
            {"startTime": "soon"},
        ],
    )
    def test_a_window_that_is_too_wide_too_old_or_backwards_is_refused(self, given: dict[str, object]) -> None:
        with pytest.raises(BybitRefused):
            window(BybitParameters({name: str(value) for name, value in given.items()}), DAY, NOW)

    def test_pages_make_up_the_list(self) -> None:
        rows, cursor = list(range(23)), ""
        found: list[int] = []
        for _ in range(3):
            page, following = paged(rows, BybitParameters({"limit": "10", "cursor": cursor}), Page(5, 10), str)
            found += page
            cursor = following or ""
        assert (found, cursor) == (rows, "")


class TestLimits:
    def test_a_second_gives_as_many_requests_as_the_limit_says(self) -> None:
        meter = EndpointMeter()
        left = [meter.charge("a", "/x", 3, NOW + step).left for step in range(4)]
        assert left == [2, 1, 0, -1]
        assert meter.charge("a", "/x", 3, NOW + 999).reset == NOW + 1_000
        assert meter.charge("a", "/x", 3, NOW + 1_000).left == 0

    def test_accounts_and_endpoints_are_counted_apart(self) -> None:
        meter = EndpointMeter()
        places = [("a", "/x"), ("b", "/x"), ("a", "/y")]
        assert [meter.charge(account, path, 1, NOW).left for account, path in places] == [0, 0, 0]

    def test_an_address_that_sends_too_much_is_banned_for_ten_minutes(self) -> None:
        meter = AddressMeter(limit=2)
        assert [meter.admits("here", NOW) for _ in range(3)] == [True, True, False]
        assert not meter.admits("here", NOW + 599_999)
        assert meter.admits("here", NOW + 600_000)
        assert meter.admits("there", NOW)


class TestSeededHistory:
    def test_it_reaches_back_two_years_and_not_further(self) -> None:
        paid, closed = funding(NOW, tuple(CONTRACTS.values())), profits(NOW, tuple(CONTRACTS.values()))
        for times in ([row.time for row in paid], [row.created for row in closed]):
            assert NOW - 730 * DAY < times[0] < NOW - 700 * DAY
            assert all(earlier <= later for earlier, later in pairwise(times))
            assert times[-1] <= NOW

    def test_ids_are_unique_and_some_rows_share_an_instant(self) -> None:
        paid, closed = funding(NOW, tuple(CONTRACTS.values())), profits(NOW, tuple(CONTRACTS.values()))
        assert len({row.id for row in paid}) == len(paid)
        assert len({row.order_id for row in closed}) == len(closed)
        assert len({row.created for row in closed}) < len(closed)

    def test_a_profit_is_what_its_prices_say_less_both_fees(self) -> None:
        for row in profits(NOW, tuple(CONTRACTS.values())):
            gross = CONTRACTS[row.symbol].profit(row.size, row.entry_price, row.exit_price)
            assert row.amount < (gross if row.side == "Sell" else -gross)
