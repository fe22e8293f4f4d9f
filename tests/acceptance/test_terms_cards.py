"""Acceptance cards of terms as a document, each played on every venue."""

from typing import Any

import httpx

from schemas import Failure
from tests.acceptance.test_cards import Body, Table, declaring, table
from tests.support.strategy import Strategy
from worker.accounts.venues import Capability

__all__ = ["table"]


def document(table: Table, **symbols: float) -> Body:
    """What the held and the flat symbol of the account shall have."""
    named = {getattr(table.seeded, name): {"leverage": leverage} for name, leverage in symbols.items()}
    return {"symbols": named}


async def plan(table: Table, **fields: Any) -> Body:
    """The plan of a document."""
    response = await table.post("/terms/plan", **fields)
    assert response.status_code == 200, response.text
    data: Body = response.json()["data"]
    return data


def rows(told: Body) -> dict[str, Body]:
    """What is told of each symbol."""
    return {row["symbol"]: row for row in told["symbols"]}


async def changes(table: Table) -> int:
    """How often the venue was asked to set a leverage."""
    return [path for _, path in await table.venue.requests()].count(table.change)


async def applied(table: Table, **fields: Any) -> httpx.Response:
    """The answer to a document that is applied."""
    return await table.post("/terms/apply", **fields)


@declaring(Capability.LEVERAGE)
async def test_card_41_a_plan_tells_now_and_then_and_sends_nothing(table: Table) -> None:
    seeded = table.seeded
    now = (await table.leverage(seeded.held))["leverage"]
    told = await plan(table, **document(table, held=13))
    row = rows(told)[seeded.held]
    assert (row["state"], row["now"]["leverage"], row["then"]["leverage"]) == ("change", now, 13)
    assert row["changes"] == ["leverage"]
    assert (told["change"], told["unchanged"], told["impossible"]) == (1, 0, 0)
    assert told["cost"]["requests"] >= 1
    assert {limit["window_ms"] > 0 for limit in told["cost"]["limits"]} == {True}
    assert await changes(table) == 0
    assert (await table.leverage(seeded.held))["leverage"] == now


@declaring(Capability.LEVERAGE)
async def test_card_42_what_a_plan_showed_is_applied_and_confirmed_symbol_by_symbol(
    table: Table, strategy: Strategy
) -> None:
    wanted = document(table, held=14, flat=9)
    told = await plan(table, **wanted)
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text
    assert response.json()["data"]["counts"] == {"applied": 2}
    assert (await table.leverage(table.seeded.held))["leverage"] == 14
    assert (await table.leverage(table.seeded.flat))["leverage"] == 9
    result = await strategy.event("result", response.headers["command-id"])
    assert result["outcome"] == "applied"
    for row in response.json()["data"]["symbols"]:
        child = await strategy.event("result", row["commands"][0])
        assert (child["operation"], child["outcome"], child["requested"]["symbol"]) == (
            "set_leverage",
            "applied",
            row["symbol"],
        )


@declaring(Capability.LEVERAGE)
async def test_card_43_what_is_so_already_costs_no_change(table: Table) -> None:
    wanted = document(table, held=14, flat=9)
    await applied(table, **wanted, force=True)
    told = await plan(table, **wanted)
    assert (told["change"], told["unchanged"]) == (0, 2)
    assert told["cost"] == {"requests": 0, "limits": [], "seconds": 0}
    before = await changes(table)
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (200, "unchanged"), response.text
    assert await changes(table) == before


@declaring(Capability.LEVERAGE)
async def test_card_44_a_plan_that_holds_no_more_is_not_carried_out(table: Table) -> None:
    wanted = document(table, held=14)
    told = await plan(table, **wanted)
    await table.post("/leverage", symbol=table.seeded.held, leverage=6)
    before = await changes(table)
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
    assert "plan again" in response.json()["message"]
    assert await changes(table) == before
    assert (await table.leverage(table.seeded.held))["leverage"] == 6


@declaring(Capability.LEVERAGE)
async def test_card_45_what_cant_be_is_told_with_its_reason_and_the_rest_is_done(table: Table) -> None:
    wanted = document(table, held=900, flat=8)
    wanted["symbols"]["NOSUCH/USDT:USDT"] = {"leverage": 3}
    told = await plan(table, **wanted)
    assert (told["change"], told["impossible"]) == (1, 2)
    assert "takes 1x to" in rows(told)[table.seeded.held]["reason"]
    assert rows(told)["NOSUCH/USDT:USDT"]["code"] == "unknown_symbol"
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (207, "partial"), response.text
    data = response.json()["data"]
    assert data["counts"] == {"applied": 1, "rejected": 2}
    assert rows(data)[table.seeded.flat]["outcome"] == "applied"
    assert (await table.leverage(table.seeded.flat))["leverage"] == 8


@declaring(Capability.LEVERAGE)
async def test_card_46_where_nothing_can_be_done_the_reason_is_told(table: Table) -> None:
    response = await applied(table, **document(table, held=900), force=True)
    failure = Failure.model_validate_json(response.content)
    assert (response.status_code, response.headers["outcome"], failure.error.code) == (400, "rejected", "rejected")
    assert "takes 1x to" in failure.message
    assert failure.error.details["counts"] == {"rejected": 1}


@declaring(Capability.LEVERAGE)
async def test_card_47_open_positions_are_selected_and_take_the_defaults(table: Table) -> None:
    told = await plan(table, select="open", defaults={"leverage": 4})
    held = {row.symbol for row in await table.positions()}
    assert set(rows(told)) == held
    assert {row["then"]["leverage"] for row in told["symbols"]} == {4}


@declaring(Capability.MARGIN_MODE)
async def test_card_48_a_margin_mode_is_switched_before_the_leverage_is_set(table: Table) -> None:
    flat = table.seeded.flat
    now = (await table.leverage(flat))["margin_mode"]
    other = "isolated" if now == "cross" else "cross"
    wanted = {"symbols": {flat: {"margin_mode": other, "leverage": 11}}}
    told = await plan(table, **wanted)
    if table.seeded.exchange == "okx":  # an order names the mode there, not the market
        assert (rows(told)[flat]["state"], rows(told)[flat]["code"]) == ("impossible", "unsupported")
        assert "leave margin_mode out" in rows(told)[flat]["reason"]
        return
    assert rows(told)[flat]["changes"] == ["margin_mode", "leverage"]
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    [row] = response.json()["data"]["symbols"] if response.status_code < 300 else [None]
    if row is None:  # a whole account that holds positions is not switched (Bybit)
        assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
        return
    assert response.headers["outcome"] in ("applied", "partial"), response.text
    assert (await table.leverage(flat))["leverage"] == 11


@declaring(Capability.MARGIN_MODE)
async def test_card_49_a_margin_mode_that_the_account_has_not_is_impossible_for_the_rest(table: Table) -> None:
    held = table.seeded.held
    now = (await table.leverage(held))["margin_mode"]
    other = "isolated" if now == "cross" else "cross"
    response = await applied(table, symbols={held: {"margin_mode": other}}, force=True)
    assert (response.status_code, response.headers["outcome"]) == (409, "precondition_failed"), response.text
    assert (await table.leverage(held))["margin_mode"] == now


@declaring(Capability.POSITION_MODE)
async def test_card_50_a_position_mode_is_set_first_where_nothing_is_open(table: Table) -> None:
    wanted = {"position_mode": "hedge", "symbols": {table.seeded.flat: {"leverage": 7}}}
    told = await plan(table, **wanted)
    [mode] = told["position_modes"]
    assert (mode["state"], mode["then"], mode["now"]) == ("impossible", "hedge", "one_way"), mode
    assert (mode["code"], table.seeded.held in mode["reason"]) == ("precondition_failed", True)
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (207, "partial"), response.text
    [ended] = response.json()["data"]["position_modes"]
    assert ended["outcome"] == "precondition_failed"
    assert response.json()["data"]["counts"] == {"applied": 1, "precondition_failed": 1}


@declaring(Capability.POSITION_MODE)
async def test_card_51_the_position_mode_that_it_has_already_is_unchanged(table: Table) -> None:
    wanted = {"position_mode": "one_way", "symbols": {table.seeded.flat: {"leverage": 7}}}
    told = await plan(table, **wanted)
    assert [row["state"] for row in told["position_modes"]] == ["unchanged"]
    response = await applied(table, **wanted, fingerprint=told["fingerprint"])
    assert (response.status_code, response.headers["outcome"]) == (200, "applied"), response.text


@declaring(Capability.LEVERAGE)
async def test_card_52_a_plan_asks_the_venue_three_times_at_most(table: Table, strategy: Strategy) -> None:
    wanted = document(table, held=14, flat=9)
    response = await applied(table, **wanted, force=True)
    assert response.status_code == 200, response.text
    for row in response.json()["data"]["symbols"]:
        await strategy.event("positions", row["commands"][0])  # what is read behind a command is read by now
    before = len(await table.venue.requests())
    told = await plan(table, **wanted)
    assert told["unchanged"] == 2
    assert len(await table.venue.requests()) - before <= 3
