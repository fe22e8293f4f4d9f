"""The feeds of Binance accounts, followed over real connections to the stand-in: what is heard of what was changed."""

import asyncio
from decimal import Decimal
from importlib import import_module
from typing import Any

import pytest

from schemas.requests import MarginMode
from tests.support.sandbox_harness import SandboxHarness, harness_fixtures
from tests.support.stream_client import following
from worker.venues.binance.streams.events import HEARERS, OF_NO_CONCERN
from worker.venues.port.errors import Refused
from worker.venues.port.streams import Evidence, Feed, Nudge, Reopen, RiskKind, RiskPush, Why

shared, harness = harness_fixtures("binance")

PERP, PORTFOLIO = "binance-perp-001", "binance-pm-001"


def feed(harness: SandboxHarness, name: str, account_id: str = PERP) -> Feed:
    return next(found for found in harness.adapter(account_id).feeds() if found.name == name)


async def misbehave(harness: SandboxHarness, fault: str, **more: Any) -> None:
    answer = await harness.control.post("/streams/faults", json={"fault": fault, **more})
    answer.raise_for_status()
    assert answer.json()["connections"]


def test_a_standard_account_has_two_feeds_and_a_portfolio_margin_account_one(harness: SandboxHarness) -> None:
    assert [found.name for found in harness.adapter(PERP).feeds()] == ["um", "cm"]
    assert [found.name for found in harness.adapter(PORTFOLIO).feeds()] == ["pm"]


@pytest.mark.parametrize(
    ("name", "account_id", "symbol", "unified"),
    [
        ("um", PERP, "SOLUSDT", "SOL/USDT:USDT"),
        ("cm", PERP, "ETHUSD_PERP", "ETH/USD:ETH"),
        ("pm", PORTFOLIO, "SOLUSDT", "SOL/USDT:USDT"),
        ("pm", PORTFOLIO, "ETHUSD_PERP", "ETH/USD:ETH"),
    ],
)
async def test_a_leverage_that_is_changed_elsewhere_is_heard_with_its_value(
    harness: SandboxHarness, name: str, account_id: str, symbol: str, unified: str
) -> None:
    async with following(feed(harness, name, account_id)) as follower:
        await follower.live()
        await harness.change(account_id, terms={symbol: {"leverage": 33}})
        nudge = await follower.next(Nudge)
        assert (nudge.why, nudge.evidence) == (Why.SETTINGS, (Evidence(unified, leverage=Decimal(33)),))


@pytest.mark.parametrize(
    ("name", "account_id", "symbol"),
    [("um", PERP, "SOLUSDT"), ("cm", PERP, "ETHUSD_PERP"), ("pm", PORTFOLIO, "SOLUSDT")],
)
async def test_a_position_that_is_changed_elsewhere_is_heard(
    harness: SandboxHarness, name: str, account_id: str, symbol: str
) -> None:
    async with following(feed(harness, name, account_id)) as follower:
        await follower.live()
        await harness.change(account_id, positions=[{"symbol": symbol, "amount": "3", "entry_price": "180"}])
        assert (await follower.next(Nudge)).why is Why.POSITIONS


@pytest.mark.parametrize(("name", "symbol", "unified"), [("um", "SOLUSDT", "SOL/USDT:USDT")])
async def test_a_margin_mode_of_a_flat_symbol_is_heard_with_its_value(
    harness: SandboxHarness, name: str, symbol: str, unified: str
) -> None:
    async with following(feed(harness, name)) as follower:
        await follower.live()
        await harness.change(PERP, terms={symbol: {"leverage": 20, "margin_type": "ISOLATED"}})
        nudge = await follower.next(Nudge)
        assert (nudge.why, nudge.evidence) == (Why.SETTINGS, (Evidence(unified, margin_mode=MarginMode.ISOLATED),))


async def test_a_key_that_expires_is_told_and_refused_when_it_is_to_be_renewed(harness: SandboxHarness) -> None:
    async with following(feed(harness, "um")) as follower:
        await follower.live()
        await follower.conversation.renew()
        await misbehave(harness, "order", name="expire_key")
        await follower.next(Reopen)
        assert follower.ended
        with pytest.raises(Refused) as refused:
            await follower.conversation.renew()
        assert refused.value.venue_code == "-1125"
        heard = len(follower.heard)
        await harness.change(PERP, terms={"SOLUSDT": {"leverage": 31}})
        async with following(feed(harness, "um")) as again:
            await again.live()
            await harness.change(PERP, terms={"SOLUSDT": {"leverage": 32}})
            await again.next(Nudge)
        assert len(follower.heard) == heard


@pytest.mark.parametrize(("name", "account_id"), [("um", PERP), ("cm", PERP), ("pm", PORTFOLIO)])
async def test_a_key_that_another_has_replaced_is_found_at_the_next_renewal(
    harness: SandboxHarness, name: str, account_id: str
) -> None:
    product = {"um": "fapi", "cm": "dapi", "pm": "papi"}[name]
    async with following(feed(harness, name, account_id)) as follower:
        await follower.live()
        url = f"{harness.account(account_id).base_url}/{product}/v1/listenKey"
        headers = {"X-MBX-APIKEY": harness.account(account_id).reveal("api_key")}
        (await harness.control.delete(url, headers=headers)).raise_for_status()
        (await harness.control.post(url, headers=headers)).raise_for_status()
        with pytest.raises(Refused):
            await follower.conversation.renew()


async def test_a_key_is_asked_for_without_a_door_for_it_changes_nothing(harness: SandboxHarness) -> None:
    conversation = await feed(harness, "um").converse()
    assert conversation is not None
    await conversation.renew()
    asked = [(entry["method"], entry["params"]) for entry in await harness.requests("/fapi/v1/listenKey")]
    assert asked == [("POST", {}), ("PUT", {})]


async def test_a_level_of_risk_is_told_when_it_rises_and_not_when_it_falls(harness: SandboxHarness) -> None:
    async with following(feed(harness, "pm", PORTFOLIO)) as follower:
        await follower.live()
        await harness.change(PORTFOLIO, status="REDUCE_ONLY")
        push = await follower.next(RiskPush)
        assert (push.kind, push.level) == (RiskKind.RISK_LEVEL, "REDUCE_ONLY")
        assert set(push.figures) == {"uniMMR", "accountEquity", "actualEquity", "accountMaintMargin"}
        await harness.change(PORTFOLIO, status="NORMAL")
        await harness.change(PORTFOLIO, terms={"SOLUSDT": {"leverage": 5}})
        await follower.next(Nudge)
        assert not follower.of(RiskPush)


async def test_a_margin_call_and_a_liquidation_are_told_with_their_symbols(harness: SandboxHarness) -> None:
    async with following(feed(harness, "um")) as follower:
        await follower.live()
        await misbehave(harness, "order", name="margin_call", account=PERP)
        call = await follower.next(RiskPush)
        assert (call.kind, call.symbols) == (RiskKind.MARGIN_CALL, ("BTC/USDT:USDT",))
        assert call.figures["BTCUSDT BOTH positionAmt"] == "0.050"
        for name, kind in (
            ("liquidation", RiskKind.LIQUIDATION),
            ("auto_deleveraging", RiskKind.AUTO_DELEVERAGING),
        ):
            await misbehave(harness, "order", name=name, content={"symbol": "BTCUSDT"})
            closed = await follower.next(RiskPush)
            assert (closed.kind, closed.symbols) == (kind, ("BTC/USDT:USDT",))


async def test_a_push_may_come_before_rest_shows_what_it_tells(harness: SandboxHarness) -> None:
    async with following(feed(harness, "um")) as follower:
        await follower.live()
        await harness.control.post("/streams/faults", json={"fault": "early", "account": PERP, "for_ms": 60_000})
        await harness.change(PERP, positions=[{"symbol": "SOLUSDT", "amount": "3", "entry_price": "180"}])
        await follower.next(Nudge)
        read = (await harness.adapter(PERP).positions()).positions
        assert [position.symbol for position in read] == ["BTC/USDT:USDT"]


@pytest.mark.parametrize("package", ["usds_futures", "coin_futures", "portfolio_margin"])
def test_every_event_that_an_official_client_knows_is_known(package: str) -> None:
    module = f"binance_sdk_derivatives_trading_{package}.websocket_streams.models.user_data_stream_events_response"
    known = import_module(module).USERDATASTREAMEVENTSRESPONSE_EVENT_SCHEMA_MAP
    assert known.keys() <= HEARERS.keys() | OF_NO_CONCERN


async def test_two_who_follow_an_account_hear_the_same(harness: SandboxHarness) -> None:
    async with following(feed(harness, "um")) as one, following(feed(harness, "um")) as other:
        await asyncio.gather(one.live(), other.live())
        await harness.change(PERP, terms={"SOLUSDT": {"leverage": 7}})
        heard = await asyncio.gather(one.next(Nudge), other.next(Nudge))
        assert heard[0] == heard[1]
