"""Which events `perps-dma watch` shows."""

import json
from pathlib import Path
from typing import Any

import pytest

from worker.config.settings import Settings
from worker.console.events.filters import EventFilter, event_filter, unknown_account
from worker.runtime.errors import ConfigurationError


def event(kind: str, account: str, **data: Any) -> dict[str, Any]:
    return {"type": f"perps-dma.{kind}.v1", "subject": account, "data": data}


APPLIED = event("result", "a", outcome="applied")
UNKNOWN = event("result", "a", outcome="unknown")
SNAPSHOT = event("positions", "a")
OF_ANOTHER = event("result", "b", outcome="unknown")
FREEZE = event("freeze", "all", scope="all")
ALL = (APPLIED, UNKNOWN, SNAPSHOT, OF_ANOTHER, FREEZE)


def admitted(wanted: EventFilter) -> list[dict[str, Any]]:
    return [one for one in ALL if wanted.admits(one)]


@pytest.fixture
def nobody_known(tmp_path: Path) -> Settings:
    """Settings of a machine without registry and sandbox."""
    return Settings(state=tmp_path, accounts=None)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings beside a sandbox with one account."""
    keys = {"api_key": "key", "secret": "secret", "base_url": "http://127.0.0.1:9"}
    (tmp_path / "sandbox.json").write_text(json.dumps({"accounts": [{"id": "okx-main", "exchange": "bybit", **keys}]}))
    return Settings(state=tmp_path, accounts=None)


def test_nothing_named_is_everything() -> None:
    assert admitted(EventFilter()) == list(ALL)


@pytest.mark.parametrize(
    ("account", "types", "outcomes", "expected"),
    [
        (None, ["result"], [], [APPLIED, UNKNOWN, OF_ANOTHER]),
        (None, ["positions", "freeze"], [], [SNAPSHOT, FREEZE]),
        (None, [], ["unknown"], [UNKNOWN, OF_ANOTHER]),
        (None, [], ["unknown", "applied"], [APPLIED, UNKNOWN, OF_ANOTHER]),
        ("a", ["result"], ["unknown"], [UNKNOWN]),
        ("a", [], [], [APPLIED, UNKNOWN, SNAPSHOT, FREEZE]),
        (None, ["positions"], ["unknown"], []),
    ],
)
def test_what_is_named_narrows(
    nobody_known: Settings,
    account: str | None,
    types: list[str],
    outcomes: list[str],
    expected: list[dict[str, Any]],
) -> None:
    wanted, warning = event_filter(nobody_known, account, types, outcomes)
    assert (admitted(wanted), warning) == (expected, None)


@pytest.mark.parametrize(
    ("types", "outcomes", "problem"),
    [
        (["results"], [], "--type takes result, positions.*, not results"),
        ([], ["failed"], "--outcome takes applied, unchanged.*, not failed"),
    ],
)
def test_what_there_is_not_is_told_with_what_there_is(
    settings: Settings, types: list[str], outcomes: list[str], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        event_filter(settings, None, types, outcomes)


def test_an_account_that_is_not_known_here_is_told_with_those_that_are(settings: Settings) -> None:
    known, no_warning = event_filter(settings, "okx-main", (), ())
    assert (known.exchange, no_warning) == ("bybit", None)
    _, warning = event_filter(settings, "okx-mian", (), ())
    assert warning is not None
    assert warning.startswith("there is no account okx-mian here, but okx-main")


def test_where_nothing_is_alike_all_accounts_are_named() -> None:
    assert "but aaaa, bbbb;" in (unknown_account("zzzz", ["bbbb", "aaaa"]) or "")
