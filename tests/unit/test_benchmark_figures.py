"""What the benchmark says is what it measured: ratios, verdicts, changes that change something, a past that is kept."""

import asyncio
import json
import os
import time
from pathlib import Path

import pytest

from tests.benchmarks import rows
from tests.benchmarks.crowd import OTHERS, SEATS, gated_s, spread, widened_limits
from tests.benchmarks.history import remember, snapshots_taken
from tests.benchmarks.measure import Samples, load
from tests.benchmarks.process_cpu import cpu_ms
from tests.benchmarks.request_weights import readings, shares
from tests.benchmarks.stage import LIFTED_BY_US, Desk
from worker.execution.aftermath.recovery import Retention
from worker.ledger.ledger import open_ledger
from worker.runtime.clock import now
from worker.streams.dials import DialGate
from worker.venues.gate.endpoints import PARTS
from worker.venues.gate.streams.feed import CONNECTIONS
from worker.venues.hyperliquid.streams.feed import RULES as OF_HYPERLIQUID
from worker.venues.lifecycle.registry import limits_kept
from worker.venues.port.streams import FeedRules


def test_the_limits_that_a_desk_lifts_are_some_that_its_venue_has() -> None:
    granted = json.loads(LIFTED_BY_US["PERPS_DMA_GRANTED_LIMITS"])
    assert limits_kept(1.0, granted).headroom() == []  # raises UnknownLimit for another name


def test_a_ratio_is_of_the_medians_and_tells_its_rounds() -> None:
    ours, theirs = Samples([2.0, 2.0, 6.0], 1, [2.0, 6.0]), Samples([1.0, 1.0, 1.0], 1, [1.0, 2.0])
    row = rows.medians("a : b", (ours, theirs), 1.5)
    assert (row.measured, row.spread, row.verdict) == (2.0, "2.00 to 3.00", "MISSED")


@pytest.mark.parametrize(("figure", "verdict"), [(1.5, "met"), (1.51, "MISSED")])
def test_a_target_is_met_or_missed(figure: float, verdict: str) -> None:
    assert rows.at_most("a", figure, 1.5).verdict == verdict
    assert rows.Row("a", figure).verdict == ""


def test_markdown_has_every_row_and_those_without_target_last(capsys: pytest.CaptureFixture[str]) -> None:
    rows.show([rows.Row("free", 1), rows.at_most("bound", 3, 2)], markdown=True)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| bound | 3.00 |  | at most 2 | MISSED |",
        "| free | 1.00 |  | (no target) |  |",
    ]


async def test_a_round_ends_when_its_time_is_over() -> None:
    async def call() -> None:
        await asyncio.sleep(0.002)

    samples = Samples()
    await load(call, samples, count=1_000, concurrency=2, longest_s=0.02)
    assert 2 <= len(samples.latencies) < 50
    assert len(samples.medians) == 1


def test_every_change_of_an_account_is_another_value() -> None:
    desk, last = Desk([{"id": name} for name in "abc"]), dict.fromkeys("abc", 0)
    for _ in range(100):
        change = desk.change()
        account = change["exchange_account_id"]
        assert change["leverage"] != last[account]
        last[account] = change["leverage"]


async def test_the_past_of_a_ledger_is_kept_but_for_what_is_old(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    await remember(url, 300, 4, old=250)
    async with open_ledger(url) as ledger:
        assert await Retention(ledger, 30, 365, now).clean() == 250
        left = await ledger.command_list.finished_before((2**62, "x"), 1_000)
        assert [command.account for command in left].count("desk-1") == 75
    assert snapshots_taken(url) == 0


def test_processor_time_is_counted() -> None:
    before, end = cpu_ms(os.getpid()), time.process_time() + 0.05
    while time.process_time() < end:
        pass
    assert cpu_ms(os.getpid()) - before >= 30


def test_the_limits_that_a_crowd_widens_are_some_that_the_venues_have() -> None:
    granted = json.loads(widened_limits()["PERPS_DMA_GRANTED_LIMITS"])
    assert granted["binance"]["futures weight"] == 24_000
    assert limits_kept(1.0, granted).headroom() == []  # raises UnknownLimit for another name


@pytest.mark.parametrize("accounts", [1, 10, 100, 1_000])
def test_a_crowd_is_spread_over_all_seats_there_are(accounts: int) -> None:
    counts = spread(accounts)
    assert sum(counts.values()) == accounts
    assert all(counts[name] <= most for name, most in SEATS.items())
    assert max(counts[name] for name in OTHERS) - min(counts[name] for name in OTHERS) <= 1


def test_the_seats_of_a_crowd_are_those_of_the_venues() -> None:
    assert {"hyperliquid": OF_HYPERLIQUID.seats, "gate": CONNECTIONS // len(PARTS)} == SEATS


async def test_what_the_rules_of_dialling_make_of_a_crowd_is_what_a_gate_does() -> None:
    rules = FeedRules(ping=None, ping_s=1, silent_s=1, dials=5, dials_in_s=0.5)
    for connections in (5, 6, 11):
        gate, began = DialGate(rules.dials, rules.dials_in_s), time.monotonic()
        for _ in range(connections):
            await gate.passed()
        least = gated_s(rules, connections)
        assert least <= time.monotonic() - began < least + 0.49


def asked(account: str, path: str, **params: str) -> dict[str, object]:
    return {"method": "GET", "path": path, "account": account, "params": {"timestamp": str(now()), **params}}


def test_the_share_of_a_limit_is_of_readings_by_their_weight_and_interval() -> None:
    lists = [asked(name, "/v5/position/list", settleCoin=coin) for name in "aab" for coin in ("USDT", "USDC")]
    streams = [
        {"exchange": "bybit", "state": state, "poll_interval_ms": 300_000} for state in ("live", "live", "blind")
    ]
    assert readings(lists) == 3
    (share,) = shares(streams, {"bybit": lists, "binance": [], "gate": [], "okx": [], "hyperliquid": []})
    assert (share.exchange, share.accounts, share.weight, share.each_s) == ("bybit", 2, 2.0, 300)
    assert share.percent == pytest.approx(100 * 2 * 2 / 300 * 5 / 600)
