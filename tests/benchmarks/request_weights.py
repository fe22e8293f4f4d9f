"""What reading accounts takes of the venues' limits: of an address's all accounts together, of a user's one by itself.

A moment that is measured sees too few readings of accounts that are read each five minutes to tell a rate of them. So
a reading is weighed by what a stand-in was asked while accounts were read for pushes, and how often it comes is taken
from the intervals that the worker tells of each account.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from worker.sandbox.binance.venue import ROUTES
from worker.venues.hyperliquid.limits import QUESTIONS

Entry = Mapping[str, Any]
"""A request as a stand-in's journal has it."""

KEYS_A_SECOND = 2 / 1_800
"""How often a listen key of an account of Binance is prolonged, of which it has two; each time weighs one."""


def _binance(entry: Entry) -> int:
    _, endpoint = ROUTES[entry["method"], entry["path"]]
    of_all = endpoint.weight if endpoint.weight_of_all is None else endpoint.weight_of_all
    return endpoint.weight if "symbol" in entry["params"] else of_all


def _one(_: Entry) -> int:
    return 1


def _question(entry: Entry) -> int:
    return QUESTIONS.get(entry["params"].get("type", ""), 1)


class Rule(NamedTuple):
    """The narrowest limit that reading an account meets: weight in so many seconds, of an address or of a user."""

    limit: int
    within_s: float
    of_address: bool
    weight: Callable[[Entry], int]


RULES: Mapping[str, Rule] = {
    "binance": Rule(2_400, 60, True, _binance),
    "bybit": Rule(600, 5, True, _one),
    "gate": Rule(200, 10, False, _one),
    "okx": Rule(5, 2, False, _one),
    "hyperliquid": Rule(1_200, 60, True, _question),
}
"""As the venues document them (shared with the workers' tables but for the units)."""


class Share(NamedTuple):
    """What idle accounts take of a venue's limit, in percent; how many there are, what one reading weighs, and how
    seldom it is made.
    """

    exchange: str
    accounts: int
    weight: float
    each_s: float
    percent: float


def shares(streams: Sequence[Mapping[str, Any]], asked: Mapping[str, Sequence[Entry]]) -> list[Share]:
    """Of each venue at which accounts are live, and were read meanwhile."""
    return [_share(exchange, streams, asked[exchange]) for exchange in RULES if readings(asked[exchange])]


def readings(asked: Iterable[Entry]) -> int:
    """How often accounts were read: each as often as the one request about it that was made most often."""
    by_account: dict[str, Counter[str]] = {}
    for entry in asked:
        params = {name: value for name, value in entry["params"].items() if name not in ("timestamp", "signature")}
        request = f"{entry['method']} {entry['path']} {sorted(params.items())}"
        if entry["account"] is not None:
            by_account.setdefault(entry["account"], Counter())[request] += 1
    return sum(max(requests.values()) for requests in by_account.values())


def _share(exchange: str, streams: Iterable[Mapping[str, Any]], asked: Sequence[Entry]) -> Share:
    rule, intervals = RULES[exchange], [row["poll_interval_ms"] / 1000 for row in _live(exchange, streams)]
    weight = sum(rule.weight(entry) for entry in asked) / readings(asked)
    each_s = sum(intervals) / len(intervals)
    used = sum(weight / interval for interval in intervals) if rule.of_address else weight / min(intervals)
    used += KEYS_A_SECOND * len(intervals) if exchange == "binance" else 0.0
    return Share(exchange, len(intervals), weight, each_s, 100 * used * rule.within_s / rule.limit)


def _live(exchange: str, streams: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in streams if row["exchange"] == exchange and row["state"] == "live"]


def a_minute(asked: Mapping[str, Sequence[Entry]], seconds: float) -> Counter[str]:
    """Requests a minute at each venue."""
    return Counter({exchange: round(len(entries) * 60 / seconds) for exchange, entries in asked.items()})
