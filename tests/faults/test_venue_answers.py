"""A venue that answers nonsense, or nothing: what is told is what is true there, and nothing is sent too often."""

from typing import Any

import pytest

from tests.faults.conftest import Count
from tests.faults.stage import COLLECTION, LEVERAGE, SYMBOL, Stage
from worker.sandbox.server.faults import Fault

PERP, PM = "v-perp", "v-pm"
UNKNOWN_503 = {"code": -1000, "msg": "Unknown error, please check your request or try again later."}
NONSENSE: dict[str, dict[str, Any]] = {
    "502": {"fault": "status", "status": 502},
    "503": {"fault": "status", "status": 503, "body": UNKNOWN_503},
    "504": {"fault": "status", "status": 504},
    "reset": {"fault": "reset"},
    "reset mid body": {"fault": "reset_mid_body"},
    "html with 200": {"fault": "html"},
    "an empty 200": {"fault": "empty"},
    "too large": {"fault": "too_large"},
}


@pytest.fixture
async def working(stage: Stage) -> Stage:
    """A stage with a worker at work."""
    stage.open_accounts(PERP)
    stage.open_accounts(PM, portfolio_margin=True)
    await stage.worker().start()
    return stage


def misbehave(stage: Stage, path: str, *, apply: bool, **fault: Any) -> None:
    stage.sandbox.desks["binance"].faults.add(Fault(method="POST", path=path, apply=apply, **fault))


async def test_a_setter_ends_as_what_is_in_force(working: Stage, count: Count) -> None:
    """Every nonsense, with the change applied and without: applied it is found by reading back, else sent once more."""
    expected: dict[tuple[str | None, str | None], int] = {}
    for number, fault in enumerate(NONSENSE.values()):
        for applied in (True, False):
            misbehave(working, LEVERAGE, apply=applied, **fault)
            leverage = 2 * number + applied + 1
            await working.publish("set_leverage", PERP, symbol=SYMBOL, leverage=leverage)
            expected[PERP, str(leverage)] = 1 if applied else 2
            await working.tally.collect(working.url)
    beyond = sum(max(0, times - expected[change]) for change, times in working.seen(LEVERAGE).items())
    commands = len(working.tally.expected)
    count(commands, lost=len(working.tally.lost), doubled=beyond + len(working.tally.contradicted))
    assert working.tally.outcomes == {"applied": commands}
    assert working.seen(LEVERAGE) == expected


async def test_a_collection_ends_as_unknown_and_is_sent_once(working: Stage, count: Count) -> None:
    for fault in NONSENSE.values():
        for applied in (True, False):
            misbehave(working, COLLECTION, apply=applied, **fault)
            await working.publish("pm_asset_collect", PM, asset="USDT")
            await working.tally.collect(working.url)
    sent, commands = sum(working.seen(COLLECTION).values()), len(working.tally.expected)
    count(commands, lost=len(working.tally.lost), doubled=sent - commands + len(working.tally.contradicted))
    assert working.tally.outcomes == {"unknown": commands}
