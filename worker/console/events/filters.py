"""Which events `perps-dma watch` shows: of some types, about an account, of commands that ended so."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from schemas.outcomes import Outcome
from worker.config.locations import load_accounts
from worker.config.settings import Settings
from worker.console.events.lines import LINES, is_about
from worker.runtime.errors import ConfigurationError

RESULT = "perps-dma.result.v1"

TYPES: Mapping[str, str] = {name.split(".")[1]: name for name in LINES}
"""The types of events by the words that people use."""


@dataclass(frozen=True, slots=True)
class EventFilter:
    """What is wanted; nothing named is everything."""

    types: Collection[str] = ()
    outcomes: Collection[str] = ()
    account: str | None = None
    exchange: str | None = None

    def admits(self, event: Mapping[str, Any]) -> bool:
        """Whether an event is wanted. One with an outcome is a result."""
        if self.types and event["type"] not in self.types:
            return False
        if self.outcomes and not (event["type"] == RESULT and event["data"]["outcome"] in self.outcomes):
            return False
        return self.account is None or is_about(event, self.account, self.exchange)


def event_filter(
    settings: Settings, account: str | None, types: Collection[str], outcomes: Collection[str]
) -> tuple[EventFilter, str | None]:
    """The filter, and a word of warning where nobody here knows the account. Raises ConfigurationError."""
    _require("--type", types, TYPES)
    _require("--outcome", outcomes, list(Outcome))
    exchanges = _exchanges(settings) if account else {}
    wanted = EventFilter([TYPES[name] for name in types], outcomes, account, exchanges.get(account or ""))
    return wanted, unknown_account(account, exchanges) if account and exchanges else None


def _require(option: str, named: Collection[str], known: Collection[str]) -> None:
    if unknown := [name for name in named if name not in known]:
        raise ConfigurationError(f"{option} takes {', '.join(known)}, not {', '.join(unknown)}")


def _exchanges(settings: Settings) -> Mapping[str, str]:
    """The venue of each account, where the registry is at hand."""
    with suppress(ConfigurationError):
        return {name: account.exchange for name, account in load_accounts(settings).items()}
    return {}


def unknown_account(account: str, known: Collection[str]) -> str | None:
    """A word for an id that is none of those that are known; None for one that is.

    >>> (unknown_account("binance-perp-01", ["binance-perp-001", "okx-main"]) or "").partition(";")[0]
    'there is no account binance-perp-01 here, but binance-perp-001'
    """
    if account in known:
        return None
    named = get_close_matches(account, known, n=3) or sorted(known)
    return (
        f"there is no account {account} here, but {', '.join(named)}; only what concerns all accounts will be shown, "
        "unless a worker elsewhere serves it"
    )
