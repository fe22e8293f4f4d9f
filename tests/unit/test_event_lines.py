"""What `perps-dma watch` tells people of an event, and which events concern an account."""

from typing import Any

import pytest

from schemas.documents.definitions import EVENTS
from worker.console.events.lines import LINES, event_line, is_about

POSITION = {"symbol": "BTC/USDT:USDT", "side": "long", "contracts": 0.05, "leverage": 10}
DRIFTED = {
    "symbol": "BTC/USDT:USDT",
    "side": "long",
    "leverage_before": 5,
    "leverage": 20,
    "margin_mode_before": "cross",
    "margin_mode": "isolated",
}
FREEZE = {"scope": "exchange:binance", "reason": "audit", "actor": "ann", "frozen": True}
VENUE = {"exchange": "okx", "health": "down", "reason": "no answer"}
LETTERS = {"action": "requeued", "actor": "ann", "letters": ["1", "2"], "reasons": ["a", "b"]}

DENIAL = {
    "status": 403,
    "reason": "account",
    "operation": "set_leverage",
    "actor": "engine-7",
    "address": "10.0.0.7",
    "account": "okx-main",
    "count": 3,
}
LIVE = {"state": "live", "since": 1, "reason": None, "gap": None}
RISK = {
    "kind": "risk_level",
    "level": "MARGIN_CALL",
    "symbols": ["BTC/USDT:USDT"],
    "figures": {"uniMMR": "1.21"},
    "at": 1,
}
APPLYING = {"stage": "progress", "done": 2, "total": 9, "counts": {"applied": 2}, "command_id": "c-1"}
KEPT = {"state": "suspended", "version": 2, "actor": "keeper", "reason": "all is frozen: audit"}
FLOOD = {"status": 401, "reason": "no_token", "operation": "several", "actor": None, "address": None, "account": None}

UNKNOWN = {
    "outcome": "unknown",
    "envelope": {
        "message": "Error - no answer",
        "error": {"details": {"symbol": "BTC/USDT:USDT", "wanted": {"leverage": 10}, "since": 1_706_745_600_000}},
    },
}
RESOLVED = {
    "operation": "set_leverage",
    "command_id": "c-1",
    "symbol": "BTC/USDT:USDT",
    "asset": None,
    "wanted": {"leverage": 10},
    "as_wanted": True,
    "balances": None,
    "since": 1_706_745_600_000,
    "message": "it is at 10x cross, as was wanted",
}
SWEPT = {
    **RESOLVED,
    "operation": "pm_auto_collect",
    "symbol": None,
    "wanted": {"collected": "all but BNB"},
    "as_wanted": None,
    "balances": {"USDT": {"total_wallet_balance": 10.5}, "BTC": {"total_wallet_balance": 0}},
    "message": "nobody knows",
}

MOVED = {
    **RESOLVED,
    "operation": "add_margin",
    "wanted": {"added": 2.5},
    "as_wanted": None,
    "balances": {"BTC/USDT:USDT": {"side": "long", "isolated_margin": 100, "currency": "USDT"}},
    "message": "nobody knows; its margin is 100 USDT now",
}
NEAR = {"symbol": "BTC/USDT:USDT", "side": "long", "distance_percent": 10.5}
MARGIN = {"level": "warn", "worst_ratio": 0.51, "nearest_liquidation": NEAR}
CROSSED = {
    "pool": "linear/USDT",
    "direction": "up",
    "level_before": "ok",
    "level": "warn",
    "margin_ratio": 0.51,
    "threshold": 0.5,
}

TOLD: list[tuple[str, dict[str, Any], str]] = [
    ("result", {"outcome": "applied", "envelope": {"message": "Leverage set"}}, "applied  Leverage set"),
    ("positions", {"seq": 3, "stale": False, "positions": []}, "seq 3: flat"),
    ("positions", {"seq": 3, "stale": True, "positions": [POSITION]}, "seq 3 (stale): BTC/USDT:USDT long 0.05 at 10x"),
    (
        "positions",
        {"seq": 3, "stale": False, "positions": [{**POSITION, "leverage": None}]},
        "seq 3: BTC/USDT:USDT long 0.05",
    ),
    (
        "drift",
        {"seq": 4, "positions": [DRIFTED]},
        "seq 4: changed outside: BTC/USDT:USDT long 5x cross -> 20x isolated",
    ),
    (
        "drift",
        {"seq": 4, "positions": [{**DRIFTED, "leverage_before": None}]},
        "seq 4: changed outside: BTC/USDT:USDT long no leverage cross -> 20x isolated",
    ),
    (
        "result",
        UNKNOWN,
        "unknown  Error - no answer; in doubt: BTC/USDT:USDT, wanted leverage 10, since 2024-02-01T00:00:00Z",
    ),
    (
        "doubt",
        RESOLVED,
        "doubt ended  it is at 10x cross, as was wanted; command c-1, set_leverage: BTC/USDT:USDT, wanted leverage 10, "
        "since 2024-02-01T00:00:00Z",
    ),
    (
        "doubt",
        SWEPT,
        "doubt ended  nobody knows; command c-1, pm_auto_collect: all assets, wanted collected all but BNB, "
        "since 2024-02-01T00:00:00Z; balances: USDT 10.5",
    ),
    (
        "doubt",
        MOVED,
        "doubt ended  nobody knows; its margin is 100 USDT now; command c-1, add_margin: BTC/USDT:USDT, "
        "wanted added 2.5, since 2024-02-01T00:00:00Z",
    ),
    ("margin", MARGIN, "margin warn: worst ratio 0.51, nearest BTC/USDT:USDT long in 10.5 %"),
    ("margin", {"level": "ok", "worst_ratio": None, "nearest_liquidation": None}, "margin ok: no ratio"),
    ("threshold", CROSSED, "threshold up linear/USDT: ok → warn, ratio 0.51 at 0.5"),
    (
        "threshold",
        {**CROSSED, "direction": "down", "level_before": "warn", "level": "ok", "margin_ratio": None},
        "threshold down linear/USDT: warn → ok, the pool is gone at 0.5",
    ),
    ("freeze", FREEZE, "exchange:binance frozen by ann: audit"),
    ("freeze", {**FREEZE, "frozen": False, "actor": None}, "exchange:binance unfrozen: audit"),
    ("venue", VENUE, "down: no answer"),
    ("venue", {**VENUE, "health": "up", "reason": None}, "up"),
    (
        "epoch",
        {"epoch": 2, "since": 1, "reason": "the stream shows epoch 1"},
        "a new epoch of the ledger, it replaces what was told before: the stream shows epoch 1",
    ),
    (
        "sweeps-missed",
        {"count": 1, "last": 1_706_745_600_000, "reason": "nobody was there"},
        "a sweep was missed, the last at 2024-02-01T00:00:00Z: nobody was there",
    ),
    (
        "sweeps-missed",
        {"count": 3, "last": 1_706_745_600_000, "reason": "nobody was there"},
        "3 sweeps were missed, the last at 2024-02-01T00:00:00Z: nobody was there",
    ),
    ("dead-letters", LETTERS, "2 requeued by ann: 1, 2"),
    ("denial", DENIAL, "403 denied set_leverage for okx-main to engine-7 from 10.0.0.7: account, 3 times"),
    ("denial", {**FLOOD, "count": 900}, "401 denied several to many: no_token, 900 times"),
    (
        "denial",
        {**DENIAL, "actor": "\x1b[2J", "account": None, "address": None},
        "403 denied set_leverage to \ufffd[2J: account, 3 times",
    ),
    ("stream", {**LIVE, "gap": {"begin": 1_000, "end": 2_500}}, "stream live, read after 1.5 s"),
    (
        "stream",
        {**LIVE, "state": "blind", "since": 1_706_745_600_000, "reason": "no frame"},
        "stream blind since 2024-02-01T00:00:00Z: no frame",
    ),
    ("stream", {**LIVE, "state": "none", "reason": "streams are turned off"}, "stream none: streams are turned off"),
    ("risk", RISK, "risk level: MARGIN_CALL, BTC/USDT:USDT, uniMMR 1.21"),
    ("terms", APPLYING, "terms progress: 2 of 9 symbols (2 applied); command c-1"),
    ("keep", KEPT, "terms suspended, version 2 by keeper: all is frozen: audit"),
    ("not-yet-known", {"a": 1}, '{"a":1}'),
]


def event(kind: str, data: dict[str, Any], subject: str = "binance-main") -> dict[str, Any]:
    return {"type": f"perps-dma.{kind}.v1", "time": "2026-01-31T12:00:00Z", "subject": subject, "data": data}


def test_an_event_is_one_line_that_says_what_happened(subtests: pytest.Subtests) -> None:
    for kind, data, told in TOLD:
        with subtests.test(kind=kind, told=told):
            assert event_line(event(kind, data), "some.key").plain == f"2026-01-31T12:00:00Z  some.key  {told}"


def test_every_event_of_the_contract_has_its_line() -> None:
    assert set(LINES) == {model.model_fields["type"].default for model in EVENTS.values()}


def freeze(scope: str) -> dict[str, Any]:
    return event("freeze", {**FREEZE, "scope": scope}, subject=scope)


@pytest.mark.parametrize(
    "its",
    [
        event("result", {}),
        event("positions", {}),
        event("drift", {}),
        freeze("account:binance-main"),
        freeze("exchange:binance"),
        freeze("all"),
        event("venue", {"exchange": "binance"}, subject="binance"),
        event("epoch", {}, subject="ledger"),
        event("denial", {**DENIAL, "account": "binance-main"}, subject="engine-7"),
    ],
)
def test_an_account_is_concerned_by_its_own_events_and_by_those_of_its_venue_and_of_everything(
    its: dict[str, Any],
) -> None:
    assert is_about(its, "binance-main", "binance")


@pytest.mark.parametrize(
    "other",
    [
        event("positions", {}, subject="binance-main-2"),
        freeze("account:binance-main-2"),
        freeze("exchange:okx"),
        event("venue", {"exchange": "okx"}, subject="okx"),
        event("dead-letters", {}, subject="dma.dead-letters"),
        event("denial", DENIAL, subject="binance-main"),
    ],
)
def test_an_account_is_not_concerned_by_those_of_others(other: dict[str, Any]) -> None:
    assert not is_about(other, "binance-main", "binance")


@pytest.mark.parametrize(
    "somewhere", [freeze("exchange:okx"), event("venue", {"exchange": "okx"}, subject="okx")], ids=["freeze", "venue"]
)
def test_where_the_venue_of_an_account_is_not_known_any_venue_may_be_its(somewhere: dict[str, Any]) -> None:
    assert is_about(somewhere, "binance-main", None)
