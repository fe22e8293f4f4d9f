"""What commands of ours asked for: the changes that are no drift."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schemas import Outcome
from schemas.events import ConfirmedBy
from schemas.outcomes import Scope
from schemas.requests import MarginMode
from worker.ledger.sent_changes import SentChange
from worker.ledger.unresolved import MARGIN_MOVES

EXACT = json.JSONDecoder(parse_float=Decimal)
"""Reads numbers exactly. `json.loads` would make such a decoder for each text."""

MAY_HAVE_CHANGED = frozenset({None, Outcome.APPLIED, Outcome.UNKNOWN})
"""Outcomes of a command that may have changed what it asked for; None while it is under way."""


LEVERAGE_MOVES_WITH_MARGIN = frozenset({"okx"})
"""Venues that work out an isolated position's leverage anew when margin is moved (OKX, Increase/decrease margin)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A leverage or a margin mode that a command asked for. Without a symbol it is meant for all of them."""

    exchange: str
    symbol: str | None
    leverage: Decimal | None = None
    margin_mode: MarginMode | None = None
    moves_margin: bool = False

    def explains_leverage(self, symbol: str, seen: Decimal | None) -> bool:
        """Whether this is where a leverage comes from."""
        if self.moves_margin:
            return self.exchange in LEVERAGE_MOVES_WITH_MARGIN and self.symbol == symbol
        return self.leverage is not None and self.leverage == seen and self._reaches(symbol)

    def explains_mode(self, symbol: str, seen: MarginMode | None) -> bool:
        """Whether this is where a margin mode comes from."""
        return self.margin_mode is not None and self.margin_mode is seen and self._reaches(symbol)

    def _reaches(self, symbol: str) -> bool:
        if self.symbol in (None, symbol):
            return True
        return self.exchange == "okx" and index_of_future(symbol) == index_of_future(self.symbol or "") is not None


def index_of_future(symbol: str) -> str | None:
    """The index of an expiry future; on OKX those of one index share their cross leverage (Set leverage).

    >>> index_of_future("BTC/USDT:USDT-260327"), index_of_future("BTC/USDT:USDT")
    ('BTC/USDT', None)
    """
    pair, _, settled = symbol.partition(":")
    return pair if "-" in settled else None


def asked_by(sent: Iterable[SentChange]) -> list[Asked]:
    """What was asked for by those commands that may have changed it."""
    return [asked for change in sent if _may_have_changed(change) if (asked := _asked(change)) is not None]


def _may_have_changed(change: SentChange) -> bool:
    """One that was refused, or found it so, has changed nothing; unless an earlier attempt did, or half of it is done.

    The half is OKX's: it sets the two sides of an isolated market one by one, and may refuse the second.
    """
    if change.outcome in MAY_HAVE_CHANGED or change.attempts > 1:
        return True
    error: dict[str, Any] = json.loads(change.reply or "{}").get("error") or {}
    return "done" in (error.get("details") or {})


def _asked(change: SentChange) -> Asked | None:
    request = EXACT.decode(change.request)
    exchange = change.exchange
    if change.operation == "set_leverage":
        return Asked(exchange, request["symbol"], leverage=Decimal(request["leverage"]))
    if change.operation == "set_margin_mode":
        symbol = request["symbol"] if _is_of_one_symbol(change) else None
        return Asked(exchange, symbol, margin_mode=MarginMode(request["margin_mode"]))
    if change.operation in MARGIN_MOVES:
        return Asked(exchange, request["symbol"], moves_margin=True)
    return None


def _is_of_one_symbol(change: SentChange) -> bool:
    """Only the venue's own answer tells that a margin mode is not the whole account's (Bybit's unified accounts)."""
    result = json.loads(change.event)["data"] if change.event else {}
    return result.get("confirmed_by") == ConfirmedBy.ECHO and result["scope"] == Scope.SYMBOL
