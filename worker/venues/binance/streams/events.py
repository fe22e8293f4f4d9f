"""What the events of Binance's private streams mean: which nudge, which state a setting, which warn.

Sources: the events' own pages of USDⓈ-M, COIN-M and Portfolio Margin, read 2026-11-29 in the official clients 18.1,
14.1 and 16.1.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Protocol

from schemas.base import Milliseconds
from schemas.requests import MarginMode
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous
from worker.venues.port.streams import Evidence, Heard, NotUnderstood, Nudge, Reopen, RiskKind, RiskPush, Why

SymbolOf = Callable[[str], str | None]
"""The unified symbol of a contract's id; None for one that is not listed."""


class EventFeed(Protocol):
    """Where an event was heard."""

    @property
    def name(self) -> str:
        """The feed's name."""

    @property
    def symbol_of(self) -> SymbolOf:
        """The names of its contracts."""


REASONS: Mapping[str, Why] = MappingProxyType(
    {
        "ORDER": Why.POSITIONS,
        "FUNDING_FEE": Why.FUNDING,
        "MARGIN_TYPE_CHANGE": Why.SETTINGS,
        **dict.fromkeys(
            (
                "DEPOSIT",
                "WITHDRAW",
                "WITHDRAW_REJECT",
                "ADJUSTMENT",
                "INSURANCE_CLEAR",
                "ADMIN_DEPOSIT",
                "ADMIN_WITHDRAW",
                "MARGIN_TRANSFER",
                "ASSET_TRANSFER",
                "OPTIONS_PREMIUM_FEE",
                "OPTIONS_SETTLE_PROFIT",
                "AUTO_EXCHANGE",
                "COIN_SWAP_DEPOSIT",
                "COIN_SWAP_WITHDRAW",
            ),
            Why.BALANCE,
        ),
    }
)
"""What the documented reasons of ACCOUNT_UPDATE say has changed."""

MARGIN_MODES: Mapping[str, MarginMode] = MappingProxyType(
    {"isolated": MarginMode.ISOLATED, "cross": MarginMode.CROSS, "crossed": MarginMode.CROSS}
)
"""Margin types in lower case: documents and live answers write them in several ways."""

OF_NO_CONCERN = frozenset(
    {
        "TRADE_LITE",
        "ALGO_UPDATE",
        "ALGO_ORDER_UPDATE",
        "CONDITIONAL_ORDER_TRIGGER_REJECT",
        "CONDITIONAL_ORDER_TRADE_UPDATE",
        "STRATEGY_UPDATE",
        "GRID_UPDATE",
        "executionReport",
    }
)
"""Orders: nothing that is told here. What one does to a position or a balance is an ACCOUNT_UPDATE of its own."""

KEY_EXPIRED = "listenKeyExpired"
"""The one event that names a listen key."""

BALANCES = frozenset({"openOrderLoss", "liabilityChange", "balanceUpdate", "outboundAccountPosition"})
"""Events of Portfolio Margin's margin side."""

CLOSED_BY_VENUE: Mapping[str, RiskKind] = MappingProxyType(
    {"autoclose-": RiskKind.LIQUIDATION, "adl_autoclose": RiskKind.AUTO_DELEVERAGING}
)
"""How the client ids begin of orders that the venue places itself ("Event: Order Update")."""

OF_CALL: Mapping[str, str] = MappingProxyType(
    {
        "pa": "positionAmt",
        "mt": "marginType",
        "iw": "isolatedWallet",
        "mp": "markPrice",
        "up": "unrealizedPnl",
        "mm": "maintMargin",
    }
)
OF_LEVEL: Mapping[str, str] = MappingProxyType(
    {"u": "uniMMR", "eq": "accountEquity", "ae": "actualEquity", "m": "accountMaintMargin"}
)
OF_ORDER: Mapping[str, str] = MappingProxyType(
    {"S": "side", "ps": "positionSide", "q": "origQty", "z": "executedQty", "ap": "avgPrice", "X": "status"}
)
"""Figures of risk events, by the venue's longer names for what a stream abbreviates."""

_NAME = re.compile(r"[A-Za-z_]{1,40}")
"""What may be told of a frame that is not understood: a listenKey is longer, and has digits."""


def heard_of(feed: EventFeed, event: Row) -> Sequence[Heard]:
    """What an event means."""
    name = event.get("e")
    if not isinstance(name, str):
        return (NotUnderstood("an event without a name"),)
    if name in OF_NO_CONCERN:
        return ()
    hearer = HEARERS.get(name)
    if hearer is None:
        return (NotUnderstood(f"an event {_named(name)}"),)
    try:
        return hearer(feed, event)
    except Ambiguous as error:
        return (NotUnderstood(f"{name}: {error.message}"),)


def _account(feed: EventFeed, event: Row) -> Sequence[Heard]:
    """ACCOUNT_UPDATE. Its positions state the margin mode, but for Portfolio Margin, which has one."""
    update = shape.mapping(event.get("a"), "a")
    reason = shape.text(update, "m")
    rows = shape.rows(update.get("P", []), "P")
    evidence = tuple(stated for row in rows if (stated := _margin_mode(feed, row)))
    if (why := REASONS.get(reason)) is None:
        return (
            Nudge(Why.POSITIONS, _time(event), evidence),
            NotUnderstood(f"ACCOUNT_UPDATE because of {_named(reason)}"),
        )
    return (Nudge(why, _time(event), evidence),)


def _margin_mode(feed: EventFeed, row: Row) -> Evidence | None:
    symbol = feed.symbol_of(shape.text(row, "s"))
    mode = MARGIN_MODES.get(str(row.get("mt", "")).lower())
    return Evidence(symbol, margin_mode=mode) if symbol and mode else None


def _configuration(feed: EventFeed, event: Row) -> Sequence[Heard]:
    """ACCOUNT_CONFIG_UPDATE: the leverage of a symbol, or the multi-assets mode of the account."""
    if "ac" not in event:
        shape.boolean(shape.mapping(event.get("ai"), "ai"), "j")
        return (Nudge(Why.SETTINGS, _time(event)),)
    told = shape.mapping(event["ac"], "ac")
    leverage, symbol = shape.decimal(told, "l"), feed.symbol_of(shape.text(told, "s"))
    evidence = (Evidence(symbol, leverage=Decimal(leverage)),) if symbol else ()
    return (Nudge(Why.SETTINGS, _time(event), evidence),)


def _margin_call(feed: EventFeed, event: Row) -> Sequence[Heard]:
    """MARGIN_CALL of standard accounts. It comes with the positions that are in danger, or after their liquidation."""
    at, rows = shape.milliseconds(event, "E"), shape.rows(event.get("p", []), "p")
    named = [(shape.text(row, "s"), str(row.get("ps", "BOTH")), row) for row in rows]
    figures = {
        f"{market_id} {side} {name}": told
        for market_id, side, row in named
        for name, told in _figures(row, OF_CALL).items()
    }
    about = ",".join(sorted(f"{market_id}:{side}" for market_id, side, _ in named))
    return (
        RiskPush(
            RiskKind.MARGIN_CALL,
            at,
            identity=f"MARGIN_CALL {feed.name} {at} {about}",
            symbols=_symbols(feed, [market_id for market_id, _, _ in named]),
            figures=_figures(event, {"cw": "crossWalletBalance"}) | figures,
        ),
    )


def _risk_level(_feed: EventFeed, event: Row) -> Sequence[Heard]:
    """riskLevelChange of Portfolio Margin: told when it rises, and not on the way back."""
    at, level = shape.milliseconds(event, "E"), shape.text(event, "s")
    identity = f"riskLevelChange {at} {level}"
    return (RiskPush(RiskKind.RISK_LEVEL, at, identity, level=level, figures=_figures(event, OF_LEVEL)),)


def _order(feed: EventFeed, event: Row) -> Sequence[Heard]:
    """ORDER_TRADE_UPDATE: of concern where the venue itself closes a position."""
    order = shape.mapping(event.get("o"), "o")
    client_id = str(order.get("c", ""))
    kind = next((kind for begins, kind in CLOSED_BY_VENUE.items() if client_id.startswith(begins)), None)
    if kind is None:
        return ()
    at, market_id = shape.milliseconds(event, "T"), shape.text(order, "s")
    told = " ".join(str(order.get(name)) for name in ("i", "x", "X", "t"))
    return (
        RiskPush(
            kind,
            at,
            identity=f"ORDER_TRADE_UPDATE {market_id} {told}",
            symbols=_symbols(feed, [market_id]),
            figures=_figures(order, OF_ORDER),
        ),
    )


def _balance(_feed: EventFeed, event: Row) -> Sequence[Heard]:
    """An event of Portfolio Margin's margin side. Only `E` is a time in all of them."""
    return (Nudge(Why.BALANCE, shape.milliseconds(event, "E")),)


def _expired(_feed: EventFeed, _event: Row) -> Sequence[Heard]:
    """listenKeyExpired: the connection stays open, and nothing follows."""
    return (Reopen("the listen key has expired"),)


def _shutdown(_feed: EventFeed, _event: Row) -> Sequence[Heard]:
    """serverShutdown: the official clients connect anew when they hear it."""
    return (Reopen("the server is about to shut down", tells=True),)


HEARERS: Mapping[str, Callable[[EventFeed, Row], Sequence[Heard]]] = MappingProxyType(
    {
        "ACCOUNT_UPDATE": _account,
        "ACCOUNT_CONFIG_UPDATE": _configuration,
        "MARGIN_CALL": _margin_call,
        "ORDER_TRADE_UPDATE": _order,
        "riskLevelChange": _risk_level,
        **dict.fromkeys(BALANCES, _balance),
        KEY_EXPIRED: _expired,
        "serverShutdown": _shutdown,
    }
)
"""Events by name."""


def _time(event: Row) -> Milliseconds | None:
    """When it was done, or told."""
    found = event.get("T", event.get("E"))
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def _symbols(feed: EventFeed, market_ids: Sequence[str]) -> tuple[str, ...]:
    """Unified symbols, each once; a contract that is not listed by its id."""
    return tuple(dict.fromkeys(feed.symbol_of(market_id) or market_id for market_id in market_ids))


def _figures(row: Row, names: Mapping[str, str]) -> dict[str, str]:
    """Figures as the venue writes them, by longer names."""
    return {name: row[short] for short, name in names.items() if isinstance(row.get(short), str)}


def _named(name: str) -> str:
    """A name of the venue's, as far as it can be one."""
    return name if _NAME.fullmatch(name) else "with a strange name"
