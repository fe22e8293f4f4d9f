"""Drift: terms of an open position that changed, and which commands of ours explain it."""

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import MarginMode, PositionSnapshot
from schemas.events import DriftedTerms
from schemas.replies import Position
from tests.unit.snapshot_desk import LONG, snapshot
from worker.ledger.sent_changes import SentChange
from worker.snapshots.drift import changed_terms, from_outside
from worker.snapshots.explained_changes import asked_by

CROSS, ISOLATED = MarginMode.CROSS, MarginMode.ISOLATED
BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


def position(
    leverage: int | None = 5, mode: MarginMode = CROSS, side: str = "long", symbol: str = BTC, **more: Any
) -> Position:
    leverage_ = None if leverage is None else Decimal(leverage)
    return LONG.model_copy(update={"leverage": leverage_, "margin_mode": mode, "side": side, "symbol": symbol, **more})


def of(exchange: str, *positions: Position) -> PositionSnapshot:
    return snapshot(*positions, exchange=exchange)


def changes(exchange: str, before: list[Position], after: list[Position]) -> list[tuple[Any, ...]]:
    return [
        (terms.side, terms.leverage_before, terms.leverage, terms.margin_mode_before, terms.margin_mode)
        for terms in changed_terms(of(exchange, *before), of(exchange, *after))
    ]


# What changed


def test_a_change_of_leverage_or_mode_is_one_on_the_side_that_has_it() -> None:
    before = [position(), position(side="short"), position(symbol=ETH)]
    after = [position(20), position(side="short"), position(mode=ISOLATED, symbol=ETH)]
    assert changes("binance", before, after) == [("long", 5, 20, CROSS, CROSS), ("long", 5, 5, CROSS, ISOLATED)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [position(20)]),
        ([position()], []),
        ([position(side="long")], [position(20, side="short")]),
        ([position()], [position(contracts=Decimal(9), entry_price=Decimal(1))]),
        ([position(None)], [position(None)]),
    ],
    ids=["opened", "closed", "turned", "more of it", "no leverage"],
)
def test_opening_closing_and_trading_change_no_terms(before: list[Position], after: list[Position]) -> None:
    assert changes("binance", before, after) == []


def test_on_okx_cross_and_isolated_positions_of_one_symbol_are_compared_each_with_itself() -> None:
    both = [position(5, CROSS), position(10, ISOLATED)]
    assert changes("okx", both, [position(10, ISOLATED), position(7, CROSS)]) == [("long", 5, 7, CROSS, CROSS)]
    assert changes("okx", [position(5, CROSS)], both) == []
    assert changes("okx", both, [position(10, ISOLATED)]) == []


def test_on_okx_another_mode_is_another_position() -> None:
    assert changes("okx", [position(5, CROSS)], [position(10, ISOLATED)]) == []


terms = st.tuples(st.sampled_from([BTC, ETH]), st.sampled_from(["long", "short"]), st.sampled_from(MarginMode))
holdings = st.dictionaries(terms, st.integers(1, 3)).map(
    lambda held: [position(leverage, mode, side, symbol) for (symbol, side, mode), leverage in held.items()]
)


@given(st.sampled_from(["binance", "okx"]), holdings, holdings)
def test_whatever_is_held_only_what_is_in_both_snapshots_can_have_changed(
    exchange: str, before: list[Position], after: list[Position]
) -> None:
    changed = changed_terms(of(exchange, *before), of(exchange, *after))
    was = {(row.symbol, str(row.side), row.margin_mode): row.leverage for row in before}
    now = {(row.symbol, str(row.side), row.margin_mode): row.leverage for row in after}
    for row in changed:
        assert was[row.symbol, str(row.side), row.margin_mode_before or CROSS] == row.leverage_before
        assert now[row.symbol, str(row.side), row.margin_mode or CROSS] == row.leverage
    stayed = was.keys() & now.keys()
    told = {(row.symbol, str(row.side), row.margin_mode) for row in changed}
    assert {place for place in stayed if was[place] != now[place]} == told & stayed


# What explains it


def change(
    operation: str = "set_leverage",
    *,
    outcome: str | None = "applied",
    event: dict[str, Any] | None = None,
    **more: Any,
) -> SentChange:
    request = {"exchange_account_id": "a", "symbol": BTC, "market_type": "swap", **more.pop("request", {})}
    exchange = more.pop("exchange", "binance")
    told = None if outcome is None else json.dumps({"data": event or {"confirmed_by": "echo", "scope": "symbol"}})
    return replace(SentChange(operation, exchange, json.dumps(request), outcome, 1, "{}", told), **more)


def to(leverage: Any, **more: Any) -> SentChange:
    return change(request={"leverage": leverage, **more.pop("request", {})}, **more)


def to_isolated(**more: Any) -> SentChange:
    return change("set_margin_mode", request={"margin_mode": "isolated"}, **more)


TO_20X = DriftedTerms(
    symbol=BTC,
    side="long",
    leverage_before=Decimal(5),
    leverage=Decimal(20),
    margin_mode_before=CROSS,
    margin_mode=CROSS,
)
TO_ISOLATED = TO_20X.model_copy(update={"leverage": Decimal(5), "margin_mode": ISOLATED})
ETH_TO_ISOLATED = TO_ISOLATED.model_copy(update={"symbol": ETH})


def is_ours(changed: DriftedTerms, *sent: SentChange) -> bool:
    return from_outside([changed], asked_by(sent)) == ()


EXPLAINED: dict[str, tuple[Any, ...]] = {
    "applied": (TO_20X, to(20)),
    "written otherwise": (TO_20X, to(20.0)),
    "unknown": (TO_20X, to(20, outcome="unknown")),
    "under way": (TO_20X, to(20, outcome=None)),
    "found so, after an attempt that may have done it": (TO_20X, to(20, outcome="unchanged", attempts=2)),
    "half refused": (
        TO_20X,
        to(20, outcome="rejected", exchange="okx", reply='{"error": {"details": {"done": ["long"]}}}'),
    ),
    "another mode": (TO_ISOLATED, to_isolated()),
    "another mode and the leverage it brings": (
        TO_ISOLATED.model_copy(update={"leverage": Decimal(3)}),
        to_isolated(exchange="gate"),
    ),
    "the account's mode": (
        ETH_TO_ISOLATED,
        to_isolated(exchange="bybit", event={"confirmed_by": "echo", "scope": "account"}),
    ),
    "a mode that may be the account's": (ETH_TO_ISOLATED, to_isolated(exchange="bybit", outcome=None)),
    "a mode that was read back": (
        ETH_TO_ISOLATED,
        to_isolated(exchange="bybit", event={"confirmed_by": "read_back", "scope": "symbol"}),
    ),
    "the leverage of all futures of an index": (
        TO_20X.model_copy(update={"symbol": "BTC/USDT:USDT-260626"}),
        to(20, exchange="okx", request={"symbol": "BTC/USDT:USDT-260327"}),
    ),
}
EXPLAINED["the leverage that OKX works out after margin was moved"] = (
    TO_20X,
    change("add_margin", exchange="okx", request={"amount": 10}),
)
NOT_EXPLAINED: dict[str, tuple[Any, ...]] = {
    "another value": (TO_20X, to(21)),
    "another symbol": (TO_20X, to(20, request={"symbol": ETH})),
    "refused": (TO_20X, to(20, outcome="rejected", reply='{"error": {"details": {"maximum": 10}}}')),
    "refused without details": (TO_20X, to(20, outcome="precondition_failed", reply='{"error": {"details": null}}')),
    "found so": (TO_20X, to(20, outcome="unchanged")),
    "never sent": (TO_20X, to(20, outcome="expired", reply='{"error": {"code": "expired"}}')),
    "a mode": (TO_20X, to_isolated()),
    "a leverage": (TO_ISOLATED, to(5)),
    "the other mode": (TO_ISOLATED, change("set_margin_mode", request={"margin_mode": "cross"})),
    "the mode of another symbol": (ETH_TO_ISOLATED, to_isolated()),
    "no leverage any more": (TO_20X.model_copy(update={"leverage": None}), to_isolated()),
    "a sweep": (TO_20X, change("pm_auto_collect")),
    "margin that was moved elsewhere": (TO_20X, change("add_margin", request={"amount": 10})),
    "margin of another market": (TO_20X, change("add_margin", exchange="okx", request={"symbol": ETH, "amount": 10})),
    "a mode, by margin that was moved": (
        TO_ISOLATED,
        change("remove_margin", exchange="okx", request={"amount": 10}),
    ),
    "a future of another index": (
        TO_20X.model_copy(update={"symbol": "ETH/USDT:USDT-260626"}),
        to(20, exchange="okx", request={"symbol": "BTC/USDT:USDT-260327"}),
    ),
    "a perpetual of the index": (
        TO_20X,
        to(20, exchange="okx", request={"symbol": "BTC/USDT:USDT-260327"}),
    ),
    "a future elsewhere": (
        TO_20X.model_copy(update={"symbol": "BTC/USDT:USDT-260626"}),
        to(20, exchange="binance", request={"symbol": "BTC/USDT:USDT-260327"}),
    ),
    "nothing": (TO_20X,),
}


def test_a_change_is_ours_by(subtests: pytest.Subtests) -> None:
    for name, case in EXPLAINED.items():
        with subtests.test(name):
            assert is_ours(*case)


def test_a_change_is_not_ours_by(subtests: pytest.Subtests) -> None:
    for name, case in NOT_EXPLAINED.items():
        with subtests.test(name):
            assert not is_ours(*case)
