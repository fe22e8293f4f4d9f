"""Levels of margin: reached at their threshold, left only below the hysteresis, and kept where nothing is known."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.margin import MarginLevel, MarginPool
from schemas.requests import MarginMode
from worker.accounts.account import MarginThresholds
from worker.snapshots.margin_levels import ORDER, crossings, level_of, levels_of, worst

OK, WARN, CRITICAL = MarginLevel.OK, MarginLevel.WARN, MarginLevel.CRITICAL
THRESHOLDS = MarginThresholds(warn=Decimal("0.5"), critical=Decimal("0.8"), hysteresis=Decimal("0.05"))
RATIOS = st.decimals(0, 2, places=3)


def pool(ratio: str | Decimal | None, name: str = "linear/USDT", *, liquidatable: bool | None = None) -> MarginPool:
    value = None if ratio is None else Decimal(ratio)
    return MarginPool(
        pool=name,
        part=name.partition("/")[0],
        margin_mode=MarginMode.CROSS,
        symbol=None,
        side=None,
        currency="USDT",
        equity=None,
        maintenance_margin=None,
        margin_ratio=value,
        margin_ratio_source=None,
        is_liquidatable=value >= 1 if value is not None else liquidatable,
        venue_ratio=None,
        status=None,
        positions=1,
        nearest_liquidation=None,
        untold={},
    )


@pytest.mark.parametrize(
    ("before", "ratio", "after"),
    [
        (OK, "0.4999", OK),
        (OK, "0.5", WARN),
        (OK, "0.8", CRITICAL),
        (WARN, "0.4999", WARN),
        (WARN, "0.45", WARN),
        (WARN, "0.4499", OK),
        (CRITICAL, "0.75", CRITICAL),
        (CRITICAL, "0.7499", WARN),
        (CRITICAL, "0.46", WARN),
        (CRITICAL, "0.1", OK),
        (OK, "1", CRITICAL),
    ],
)
def test_a_level_is_reached_at_its_threshold_and_left_below_its_hysteresis(
    before: MarginLevel, ratio: str, after: MarginLevel
) -> None:
    assert level_of(pool(ratio), before, THRESHOLDS) is after


@pytest.mark.parametrize("before", ORDER)
def test_a_ratio_that_is_not_known_changes_nothing(before: MarginLevel) -> None:
    assert level_of(pool(None), before, THRESHOLDS) is before


@pytest.mark.parametrize("before", ORDER)
def test_margin_without_any_equity_left_is_critical_though_it_has_no_ratio(before: MarginLevel) -> None:
    assert level_of(pool(None, liquidatable=True), before, THRESHOLDS) is CRITICAL


@given(RATIOS, st.sampled_from(ORDER))
def test_the_same_ratio_again_crosses_nothing(ratio: Decimal, before: MarginLevel) -> None:
    once = level_of(pool(ratio), before, THRESHOLDS)
    assert level_of(pool(ratio), once, THRESHOLDS) is once


@given(st.lists(st.decimals(Decimal("0.451"), Decimal("0.499"), places=4), min_size=2, max_size=20))
def test_a_ratio_that_wavers_within_the_hysteresis_is_told_once_at_most(ratios: list[Decimal]) -> None:
    level, crossed = WARN, 0
    for ratio in ratios:
        after = level_of(pool(ratio), level, THRESHOLDS)
        crossed += after is not level
        level = after
    assert crossed == 0


@given(RATIOS, RATIOS, st.sampled_from(ORDER))
def test_more_danger_is_never_a_better_level(lower: Decimal, higher: Decimal, before: MarginLevel) -> None:
    lower, higher = sorted((lower, higher))
    levels = [ORDER.index(level_of(pool(ratio), before, THRESHOLDS)) for ratio in (lower, higher)]
    assert levels == sorted(levels)


def test_a_pool_of_a_part_that_is_unread_keeps_its_level_and_one_that_is_gone_is_ok() -> None:
    before = {"linear/USDT": WARN, "linear/BTC/USDT:USDT/long": CRITICAL, "inverse/BTC": CRITICAL}
    after = levels_of((pool("0.1"),), frozenset({"inverse"}), before, THRESHOLDS)
    assert after == {"inverse/BTC": CRITICAL}
    crossed = {one.pool: (one.before, one.after, one.shown is None) for one in crossings((pool("0.1"),), before, after)}
    assert crossed == {"linear/USDT": (WARN, OK, False), "linear/BTC/USDT:USDT/long": (CRITICAL, OK, True)}


def test_a_crossing_names_the_threshold_that_was_reached_or_left() -> None:
    (up,) = crossings((pool("0.9"),), {}, {"linear/USDT": CRITICAL})
    (down,) = crossings((pool("0.6"),), {"linear/USDT": CRITICAL}, {"linear/USDT": WARN})
    (gone,) = crossings((), {"linear/USDT": CRITICAL}, {})
    assert [(one.direction, one.threshold(THRESHOLDS)) for one in (up, down, gone)] == [
        ("up", Decimal("0.8")),
        ("down", Decimal("0.8")),
        ("down", Decimal("0.5")),
    ]


def test_the_worst_level_is_that_of_the_account() -> None:
    assert (worst({}), worst({"a": WARN}), worst({"a": WARN, "b": CRITICAL})) == (OK, WARN, CRITICAL)


@pytest.mark.parametrize(
    "wrong",
    [
        {"warn": 0.8, "critical": 0.5},
        {"warn": 0.5, "critical": 0.5},
        {"critical": 1.1},
        {"warn": 0},
        {"warn": 0.1, "hysteresis": 0.1},
        {"more": 1},
    ],
)
def test_thresholds_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        MarginThresholds.model_validate(wrong)
