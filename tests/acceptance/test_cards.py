"""Acceptance cards: numbered promises, each played on every venue whose declared capabilities cover it."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

import httpx
import pytest

from schemas import Failure, Position
from schemas.replies import AccountType
from tests.acceptance.conftest import RunningUp, Venue
from tests.support.strategy import Strategy
from tests.support.venues import DESCRIBED
from tests.support.venues.description import MarginCase
from worker.accounts.venues import Capability
from worker.console.seeded import SEEDED, Seeded
from worker.venues.port.capabilities import DECLARED

ROUTE = "/oems/execution"
Body = dict[str, Any]
PLENTY = {
    "bybit": {"ip": 10_000, "/v5/account/transaction-log": 1_000, "/v5/position/closed-pnl": 1_000},
    "hyperliquid": {"api": 1_000_000},
}
"""Limits out of the way, where keeping to them would make a walk through two years a matter of seconds."""

PERCENT = Decimal("0.02")


def declaring(capability: Capability) -> Callable[[Any], Any]:
    """The seeded accounts of the venues that declare a capability."""
    able = [seeded for seeded in SEEDED.values() if capability in DECLARED[seeded.exchange, AccountType.STANDARD]]
    return pytest.mark.parametrize("seeded", able, ids=str)


def lacking(capability: Capability) -> list[Seeded]:
    """The seeded accounts of the venues that don't."""
    return [seeded for seeded in SEEDED.values() if capability not in DECLARED[seeded.exchange, AccountType.STANDARD]]


@dataclass(frozen=True, slots=True)
class Table:
    """Where the cards are played: the API, the account and its venue."""

    api: httpx.AsyncClient
    seeded: Seeded
    venue: Venue

    @property
    def change(self) -> str:
        """The path of the request that sets leverage."""
        return DESCRIBED[self.seeded.exchange].set_leverage

    async def get(self, path: str, **parameters: Any) -> Body:
        """The data of a query that must succeed."""
        response = await self.api.get(ROUTE + path, params={"exchange_account_id": self.seeded.account, **parameters})
        assert response.status_code == 200, response.text
        data: Body = response.json()["data"]
        return data

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """The answer to a command."""
        return await self.api.post(ROUTE + path, json={"exchange_account_id": self.seeded.account, **body})

    async def leverage(self, symbol: str) -> Body:
        """Terms and position of a symbol."""
        return await self.get("/leverage", symbol=symbol)

    async def positions(self) -> list[Position]:
        """All open swaps."""
        return [Position.model_validate(row) for row in (await self.get("/positions"))["positions"]]


@pytest.fixture
async def table(
    running_up: RunningUp, trader_token: str, request: pytest.FixtureRequest, seeded: Seeded
) -> AsyncIterator[Table]:
    """The venue of the account as seeded, with an empty journal."""
    async with (
        httpx.AsyncClient(base_url=f"{running_up.control_urls[seeded.exchange]}/") as control,
        httpx.AsyncClient(
            base_url=running_up.http, headers={"Authorization": f"Bearer {trader_token}"}, timeout=30
        ) as api,
    ):
        (await control.post("reset")).raise_for_status()
        (await control.put("limits", json=PLENTY.get(seeded.exchange, {}))).raise_for_status()
        yield Table(api, seeded, Venue(control))
        (await control.post("reset")).raise_for_status()


@declaring(Capability.LEVERAGE)
async def test_card_01_a_leverage_set_is_in_force_and_told(table: Table, strategy: Strategy) -> None:
    symbol = table.seeded.held
    for leverage in (7, 8):
        response = await table.post("/leverage", symbol=symbol, leverage=leverage)
        assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
        assert (await table.leverage(symbol))["leverage"] == leverage
    result = await strategy.event("result", response.headers["command-id"])
    assert (result["applied"]["leverage"], result["confirmed_by"] in ("echo", "read_back")) == (8, True)
    snapshot = await strategy.event("positions", response.headers["command-id"])
    assert {row["leverage"] for row in snapshot["positions"] if row["symbol"] == symbol} == {8}


@declaring(Capability.LEVERAGE)
async def test_card_02_setting_leverage_never_changes_the_margin_mode(table: Table) -> None:
    before = {(row.symbol, row.side): row.margin_mode for row in await table.positions()}
    for symbol in sorted({symbol for symbol, _ in before}):
        response = await table.post("/leverage", symbol=symbol, leverage=6)
        assert response.headers["outcome"] in ("applied", "unchanged", "precondition_failed"), response.text
    assert {(row.symbol, row.side): row.margin_mode for row in await table.positions()} == before


@declaring(Capability.LEVERAGE)
async def test_card_03_a_flat_symbol_has_leverage_and_margin_mode_too(table: Table) -> None:
    response = await table.post("/leverage", symbol=table.seeded.flat, leverage=9)
    assert response.headers["outcome"] == "applied", response.text
    terms = await table.leverage(table.seeded.flat)
    assert (terms["leverage"], terms["position_side"], terms["position_size"]) == (9, None, 0)
    assert terms["margin_mode"] in ("cross", "isolated")


@declaring(Capability.LEVERAGE)
async def test_card_04_a_leverage_beyond_the_maximum_is_refused_with_the_maximum(table: Table) -> None:
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=900)
    failure = Failure.model_validate_json(response.content)
    assert (response.status_code, failure.error.code) == (400, "rejected")
    assert "takes 1x to" in failure.message
    assert table.change not in [path for _, path in await table.venue.requests()]


@declaring(Capability.LEVERAGE)
async def test_card_05_a_fraction_is_taken_only_where_the_venue_takes_it(table: Table) -> None:
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=4.5)
    if not DESCRIBED[table.seeded.exchange].takes_fractions:
        assert response.status_code == 400
        assert table.change not in [path for _, path in await table.venue.requests()]
    else:
        assert (await table.leverage(table.seeded.held))["leverage"] == 4.5


@declaring(Capability.LEVERAGE)
@pytest.mark.parametrize("fault", [{"fault": "status", "status": 502}, {"fault": "html"}, {"fault": "empty"}], ids=str)
async def test_card_06_a_change_that_came_through_unanswered_is_applied(table: Table, fault: Body) -> None:
    await table.venue.misbehave(path=table.change, apply=True, **fault)
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=11)
    assert response.headers["outcome"] == "applied", response.text
    assert [path for _, path in await table.venue.requests()].count(table.change) == 1
    assert (await table.leverage(table.seeded.held))["leverage"] == 11


@declaring(Capability.LEVERAGE)
async def test_card_07_a_change_that_got_lost_is_sent_again(table: Table) -> None:
    await table.venue.misbehave(path=table.change, fault="status", status=504)
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=12)
    assert response.headers["outcome"] == "applied", response.text
    assert (await table.leverage(table.seeded.held))["leverage"] == 12


@declaring(Capability.LEVERAGE)
async def test_card_08_an_unknown_symbol_is_404_with_what_was_probably_meant(table: Table) -> None:
    base, quote = table.seeded.held.split(":")[0].split("/")
    response = await table.post("/leverage", symbol=f"{base}{quote}", leverage=5)
    assert response.status_code == 404
    assert f"did you mean {table.seeded.held}" in response.json()["message"]


@declaring(Capability.MARGIN_MODE)
async def test_card_09_the_margin_mode_of_a_flat_symbol_is_set_once(table: Table) -> None:
    now = (await table.leverage(table.seeded.flat))["margin_mode"]
    other = "isolated" if now == "cross" else "cross"
    response = await table.post("/margin-mode", symbol=table.seeded.flat, margin_mode=other)
    assert response.headers["outcome"] in ("applied", "precondition_failed"), response.text
    if response.headers["outcome"] == "applied":
        again = await table.post("/margin-mode", symbol=table.seeded.flat, margin_mode=other)
        assert (again.status_code, again.headers["outcome"]) == (200, "unchanged"), again.text


@declaring(Capability.MARGIN_MODE)
async def test_card_10_the_margin_mode_it_has_already_is_unchanged(table: Table) -> None:
    now = (await table.leverage(table.seeded.held))["margin_mode"]
    response = await table.post("/margin-mode", symbol=table.seeded.held, margin_mode=now)
    assert (response.status_code, response.headers["outcome"]) == (200, "unchanged"), response.text


@declaring(Capability.MARGIN_MODE)
async def test_card_11_the_margin_mode_of_a_held_symbol_is_a_conflict_that_names_the_position(table: Table) -> None:
    now = (await table.leverage(table.seeded.held))["margin_mode"]
    other = "isolated" if now == "cross" else "cross"
    response = await table.post("/margin-mode", symbol=table.seeded.held, margin_mode=other)
    assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
    assert "long" in response.json()["message"]
    assert (await table.leverage(table.seeded.held))["margin_mode"] == now


@declaring(Capability.POSITIONS)
async def test_card_12_positions_mean_the_same_everywhere(table: Table) -> None:
    positions = await table.positions()
    assert table.seeded.held in {row.symbol for row in positions}
    for row in positions:
        inverse = row.symbol.partition("/")[2].partition(":")[0] != row.symbol.rpartition(":")[2]
        assert row.contracts > 0
        assert row.mark_price is not None
        value = row.contracts * row.contract_size * (1 if inverse else row.mark_price)
        assert abs(row.notional - value) <= value * Decimal("0.01")
        profit = row.unrealized_pnl * (row.mark_price if inverse else 1)
        assert row.percentage is not None
        assert abs(row.percentage - profit / row.notional * 100) <= PERCENT
        assert row.collateral is not None
        assert row.collateral > 0


@declaring(Capability.POSITIONS)
async def test_card_13_one_symbols_positions_are_those_of_the_symbol(table: Table) -> None:
    found = (await table.get("/positions", symbol=table.seeded.held))["positions"]
    assert {row["symbol"] for row in found} == {table.seeded.held}
    assert (await table.get("/positions", symbol=table.seeded.flat))["positions"] == []


HISTORIES = [
    pytest.param(Capability.FUNDING_HISTORY, "/funding-history", "payments", id="funding"),
    pytest.param(Capability.REALIZED_PNL, "/realized-pnl", "entries", id="pnl"),
]


@pytest.mark.parametrize("seeded", SEEDED.values(), ids=str)
@pytest.mark.parametrize(("capability", "path", "kind"), HISTORIES)
async def test_card_14_a_history_is_whole_ascending_and_without_duplicates(
    table: Table, capability: Capability, path: str, kind: str
) -> None:
    assert capability in DECLARED[table.seeded.exchange, AccountType.STANDARD]
    everything = (await table.get(path, since=0))[kind]
    times = [row["timestamp"] for row in everything]
    assert times == sorted(times)
    assert len({(row["id"], row["symbol"], row["code"]) for row in everything}) == len(everything) > 50
    from_the_middle = (await table.get(path, since=times[len(times) // 2]))[kind]
    assert from_the_middle == [row for row in everything if row["timestamp"] >= times[len(times) // 2]]
    newest = (await table.get(path, limit=7))[kind]
    assert newest == everything[-7:]


@pytest.mark.parametrize("seeded", SEEDED.values(), ids=str)
@pytest.mark.parametrize(("capability", "path", "kind"), HISTORIES)
async def test_card_15_a_history_of_a_symbol_is_of_that_symbol_alone(
    table: Table, capability: Capability, path: str, kind: str
) -> None:
    assert capability in DECLARED[table.seeded.exchange, AccountType.STANDARD]
    everything = (await table.get(path, since=0))[kind]
    of_one = (await table.get(path, since=0, symbol=table.seeded.held))[kind]
    assert of_one == [row for row in everything if row["symbol"] == table.seeded.held]
    assert 0 < len(of_one) < len(everything)


DASHES = [
    pytest.param(seeded, capability, id=f"{seeded}-{capability}")
    for capability in Capability
    for seeded in lacking(capability)
]
REQUESTS: dict[Capability, tuple[str, str, Body]] = {
    Capability.MARGIN_MODE: ("POST", "/margin-mode", {"margin_mode": "isolated"}),
    Capability.POSITION_MODE: ("POST", "/position-mode", {"position_mode": "hedge"}),
    Capability.LEVERAGE_TIERS: ("GET", "/leverage-tiers", {}),
    Capability.MARGIN_HEALTH: ("GET", "/margin-health", {}),
    Capability.ISOLATED_MARGIN: ("POST", "/margin/add", {"amount": 1}),
    Capability.PORTFOLIO_MARGIN: ("GET", "/portfolio-margin/balance", {}),
}


@pytest.mark.parametrize(("seeded", "capability"), DASHES)
async def test_card_16_a_dash_is_refused_before_any_call(table: Table, capability: Capability) -> None:
    method, path, more = REQUESTS[capability]
    if method == "POST":
        response = await table.post(path, symbol=table.seeded.flat, **more)
    else:
        response = await table.api.get(ROUTE + path, params={"exchange_account_id": table.seeded.account})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported")
    assert await table.venue.requests() == []


@declaring(Capability.LEVERAGE)
async def test_card_17_a_bare_publish_does_what_the_http_request_does(table: Table, strategy: Strategy) -> None:
    body = {"exchange_account_id": table.seeded.account, "symbol": table.seeded.held, "leverage": 13}
    result = await strategy.event("result", await strategy.publish("set_leverage", body))
    assert (result["outcome"], result["exchange"], result["applied"]["leverage"]) == (
        "applied",
        table.seeded.exchange,
        13,
    )
    assert (await table.leverage(table.seeded.held))["leverage"] == 13


HEDGED = [replace(SEEDED[name], account=f"{name}-hedge-001") for name in ("binance", "bybit", "gate", "okx")]


@pytest.mark.parametrize("seeded", HEDGED, ids=str)
async def test_card_18_in_hedge_mode_both_sides_get_the_leverage_and_keep_their_mode(table: Table) -> None:
    def sides(positions: list[Position]) -> dict[str, Any]:
        return {row.side: row.margin_mode for row in positions if row.symbol == table.seeded.held}

    before = sides(await table.positions())
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=3)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
    after = await table.positions()
    assert sides(after) == before
    assert set(before) == {"long", "short"}
    assert {row.leverage for row in after if row.symbol == table.seeded.held} == {3}
    terms = await table.leverage(table.seeded.held)
    assert (terms["position_side"], terms["leverage"]) == ("both", 3)


CLOSED: dict[str, list[Body]] = {
    "binance": [{"symbol": "BTCUSDT", "amount": 0}],
    "gate": [
        {"contract": "BTC_USDT", "size": 0},
        {"contract": "SOL_USDT", "size": 0, "margin_mode": "isolated", "leverage": 5},
    ],
    "okx": [
        {"instrument_id": "BTC-USDT-SWAP", "amount": 0},
        {"instrument_id": "SOL-USDT-SWAP", "amount": 0, "mode": "isolated"},
        {"instrument_id": "BTC-USD-SWAP", "amount": 0},
        {"instrument_id": "BTC-USDT-CURRENT", "amount": 0},
    ],
}
"""What has to be closed before a seeded account can change its position mode, as its stand-in is told."""


def part_of(seeded: Seeded, symbol: str) -> Body:
    """What names the part of an account that a position mode is of, where its venue keeps several."""
    return {"bybit": {"symbol": symbol}, "gate": {"settle": "USDT"}}.get(seeded.exchange, {})


@declaring(Capability.POSITION_MODE)
async def test_card_19_a_position_mode_is_switched_and_told_with_its_reach(table: Table, strategy: Strategy) -> None:
    change = {"positions": CLOSED.get(table.seeded.exchange, [])}
    (await table.venue.client.patch(f"accounts/{table.seeded.account}", json=change)).raise_for_status()
    part = part_of(table.seeded, table.seeded.flat)
    response = await table.post("/position-mode", position_mode="hedge", **part)
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
    data = response.json()["data"]
    reach = {"bybit": ("symbol", table.seeded.flat), "gate": ("settle", "USDT")}
    expected = reach.get(table.seeded.exchange, ("account", table.seeded.account))
    assert (data["position_mode"], data["scope"], data["part"]) == ("hedge", *expected)
    result = await strategy.event("result", response.headers["command-id"])
    assert (result["applied"]["position_mode"], result["scope"]) == ("hedge", data["scope"])
    told = await table.get("/position-mode", **part)
    assert (told["position_mode"], told["expected"]) == ("hedge", None)


@declaring(Capability.POSITION_MODE)
async def test_card_20_the_position_mode_it_has_already_is_unchanged_and_nothing_is_sent(table: Table) -> None:
    part = part_of(table.seeded, table.seeded.held)
    response = await table.post("/position-mode", position_mode="one_way", **part)
    assert (response.status_code, response.headers["outcome"]) == (200, "unchanged"), response.text
    assert [path for method, path in await table.venue.requests() if method == "POST" and "mode" in path] == []
    assert [path for method, path in await table.venue.requests() if (method, path[-5:]) == ("POST", "/dual")] == []


@declaring(Capability.POSITION_MODE)
async def test_card_21_the_position_mode_of_what_is_held_is_a_conflict_that_names_it(table: Table) -> None:
    part = part_of(table.seeded, table.seeded.held)
    response = await table.post("/position-mode", position_mode="hedge", **part)
    assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
    assert f"{table.seeded.held} long" in response.json()["message"]
    assert "close them" in response.json()["message"]
    assert (await table.get("/position-mode", **part))["position_mode"] == "one_way"


@declaring(Capability.POSITION_MODE)
async def test_card_22_a_position_mode_that_came_through_unanswered_is_applied(table: Table) -> None:
    change = {"positions": CLOSED.get(table.seeded.exchange, [])}
    (await table.venue.client.patch(f"accounts/{table.seeded.account}", json=change)).raise_for_status()
    path = DESCRIBED[table.seeded.exchange].modes[0].paths[0]
    await table.venue.misbehave(method="POST", path=path, apply=True, fault="status", status=502)
    response = await table.post("/position-mode", position_mode="hedge", **part_of(table.seeded, table.seeded.flat))
    assert response.headers["outcome"] == "applied", response.text
    assert [asked for method, asked in await table.venue.requests() if (method, asked) == ("POST", path)] == [path]


@declaring(Capability.LEVERAGE_TIERS)
async def test_card_23_a_leverage_that_no_position_of_the_size_may_have_is_refused_beforehand(table: Table) -> None:
    data = await table.get("/leverage-tiers", symbol=table.seeded.held)
    (told,) = data["markets"]
    first, second = told["tiers"][:2]
    assert (told["symbol"], first["notional_floor"], data["as_of"] > 0) == (table.seeded.held, 0, True)
    above = int(second["notional_floor"]) + 1
    highest = int(second["max_leverage"])
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=highest + 1, notional=above)
    failure = Failure.model_validate_json(response.content)
    assert (response.status_code, failure.error.code) == (400, "rejected"), response.text
    assert f"takes 1x to {second['max_leverage']:g}x at {above}" in failure.message
    assert told["currency"] in failure.message
    assert table.change not in [path for _, path in await table.venue.requests()]
    response = await table.post("/leverage", symbol=table.seeded.held, leverage=highest, notional=above)
    assert response.headers["outcome"] == "applied", response.text


@declaring(Capability.MARGIN_HEALTH)
async def test_card_19_how_near_an_account_is_to_liquidation_means_the_same_everywhere(table: Table) -> None:
    health = await table.get("/margin-health")
    ratios = [pool["margin_ratio"] for pool in health["pools"] if pool["margin_ratio"] is not None]
    assert health["worst_ratio"] == max(ratios)
    assert 0 < health["worst_ratio"] < 1
    assert health["unread"] == []
    held = [pool for pool in health["pools"] if pool["positions"]]
    assert sum(pool["positions"] for pool in held) >= len(await table.positions())
    for pool in held:
        near = pool["nearest_liquidation"]
        assert ("nearest_liquidation" in pool["untold"]) is (near is None)
        assert near is None or near["distance_percent"] > 0


MOVABLE = [
    (replace(SEEDED[name], account=venue.account(case.account)), case)
    for name, venue in DESCRIBED.items()
    for case in venue.margins[:1]
]


@pytest.mark.parametrize(("seeded", "case"), MOVABLE, ids=[seeded.exchange for seeded, _ in MOVABLE])
async def test_card_20_margin_is_moved_once_and_told_with_what_it_was_and_is(
    table: Table, case: MarginCase, strategy: Strategy
) -> None:
    named = {"symbol": case.symbol} | ({} if case.side is None else {"position_side": case.side})
    before = Decimal(case.margin)
    for path, amount, after in (("/margin/add", 4, before + 4), ("/margin/remove", 4, before)):
        response = await table.post(path, **named, amount=amount)
        assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
        data = response.json()["data"]
        assert (data["margin_after"], data["currency"]) == (pytest.approx(float(after)), case.currency)
        result = await strategy.event("result", response.headers["command-id"])
        assert (result["confirmed_by"], result["attempts"]) == ("echo", 1)
    assert [path for _, path in await table.venue.requests()].count(case.path) == 2


@pytest.mark.parametrize(("seeded", "case"), MOVABLE, ids=[seeded.exchange for seeded, _ in MOVABLE])
@pytest.mark.parametrize("applied", [True, False])
async def test_card_21_margin_whose_answer_is_lost_is_never_moved_again(
    table: Table, case: MarginCase, applied: bool
) -> None:
    named = {"symbol": case.symbol} | ({} if case.side is None else {"position_side": case.side})
    await table.venue.misbehave(path=case.path, fault="status", status=502, apply=applied)
    response = await table.post("/margin/add", **named, amount=4)
    assert response.headers["outcome"] == ("applied" if applied else "unknown"), response.text
    assert [path for _, path in await table.venue.requests()].count(case.path) == 1


@declaring(Capability.ISOLATED_MARGIN)
async def test_card_22_a_cross_position_has_no_margin_of_its_own(table: Table) -> None:
    response = await table.post("/margin/add", symbol=table.seeded.held, amount=1)
    assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
    assert "is in cross margin" in response.json()["message"]
