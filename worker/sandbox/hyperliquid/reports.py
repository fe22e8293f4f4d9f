"""What is told of an address: clearinghouseState, activeAssetData and vaultDetails (info endpoint)."""

from decimal import Decimal
from typing import Any

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid.account import ZERO, Held, HyperliquidAccountState
from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.formulas import (
    account_value,
    cross_maintenance,
    cross_margin_used,
    cross_value,
    initial_margin,
    liquidation_price,
    margin_used,
    total,
    withdrawable,
)
from worker.sandbox.hyperliquid.perps import MAIN, PRICE_DECIMALS, Dex, Perp


def clearinghouse_state(state: HyperliquidAccountState, dex: Dex, now: Milliseconds) -> dict[str, Any]:
    """The account on a dex, with all its open positions."""
    held = state.held_on(dex)
    cross = state.held_on(dex, cross=True)
    used = total(margin_used(state, position) for position in held)
    return {
        "marginSummary": _summary(account_value(state, dex), held, used),
        "crossMarginSummary": _summary(cross_value(state, dex), cross, cross_margin_used(state, dex)),
        "crossMaintenanceMarginUsed": wire(cross_maintenance(state, dex)),
        "withdrawable": wire(withdrawable(state, dex)),
        "assetPositions": [{"type": "oneWay", "position": _position(state, position)} for position in held],
        "time": now,
    }


def _summary(value: Decimal, held: tuple[Held, ...], used: Decimal) -> dict[str, str]:
    signed = total(position.size * position.perp.mark_price for position in held)
    return {
        "accountValue": wire(value),
        "totalNtlPos": wire(total(position.value for position in held)),
        "totalRawUsd": wire(value - signed),
        "totalMarginUsed": wire(used),
    }


def _position(state: HyperliquidAccountState, held: Held) -> dict[str, Any]:
    terms, liquidation = state.terms_of(held.perp), liquidation_price(state, held)
    at_entry = abs(held.size) * held.entry_price / terms.leverage
    return {
        "coin": held.perp.coin,
        "szi": wire(held.size),
        "leverage": _leverage(state, held.perp),
        "entryPx": wire(held.entry_price),
        "positionValue": wire(held.value),
        "unrealizedPnl": wire(held.profit),
        "returnOnEquity": wire(held.profit / at_entry),
        "liquidationPx": None if liquidation is None else wire(_price(liquidation, held.perp)),
        "marginUsed": wire(margin_used(state, held)),
        "maxLeverage": held.perp.max_leverage,
        "cumFunding": dict.fromkeys(("allTime", "sinceOpen", "sinceChange"), wire(_funding(state, held.perp))),
    }


def _price(price: Decimal, perp: Perp) -> Decimal:
    return price.quantize(Decimal(1).scaleb(perp.sz_decimals - PRICE_DECIMALS))


def _funding(state: HyperliquidAccountState, perp: Perp) -> Decimal:
    return -total(payment.usdc for payment in state.payments if payment.coin == perp.coin)


def _leverage(state: HyperliquidAccountState, perp: Perp) -> dict[str, Any]:
    terms, held = state.terms_of(perp), state.positions.get(perp.coin)
    if terms.cross:
        return {"type": "cross", "value": terms.leverage}
    raw = held.margin - held.size * held.entry_price if held else ZERO
    return {"type": "isolated", "value": terms.leverage, "rawUsd": wire(raw)}


def active_asset_data(state: HyperliquidAccountState, perp: Perp) -> dict[str, Any]:
    """The terms of a perpetual, held or not, and what could be traded of it."""
    terms = state.terms_of(perp)
    available = withdrawable(state, perp.dex)
    held = state.positions.get(perp.coin)
    closing = 2 * initial_margin(held, terms.leverage) if held else ZERO
    buys = available + (closing if held and held.size < 0 else ZERO)
    sells = available + (closing if held and held.size > 0 else ZERO)
    return {
        "user": state.address,
        "coin": perp.coin,
        "leverage": _leverage(state, perp),
        "maxTradeSzs": [wire(margin * terms.leverage / perp.mark_price) for margin in (buys, sells)],
        "availableToTrade": [wire(buys), wire(sells)],
        "markPx": wire(perp.mark_price),
    }


PERIODS = ("day", "week", "month", "allTime", "perpDay", "perpWeek", "perpMonth", "perpAllTime")


def vault_details(state: HyperliquidAccountState, leader: str) -> dict[str, Any]:
    """A vault whose leader is its only follower, and whose past is not told."""
    equity, nothing = account_value(state, MAIN), {"accountValueHistory": [], "pnlHistory": [], "vlm": "0.0"}
    follower = {
        "user": "Leader",
        "vaultEquity": wire(equity),
        "pnl": "0.0",
        "allTimePnl": "0.0",
        "daysFollowing": 0,
        "vaultEntryTime": 0,
        "lockupUntil": 0,
    }
    return {
        "name": "Sandbox",
        "vaultAddress": state.address,
        "leader": leader,
        "description": "",
        "portfolio": [[period, nothing] for period in PERIODS],
        "apr": 0.0,
        "followerState": None,
        "leaderFraction": 1.0,
        "leaderCommission": 0.1,
        "followers": [follower],
        "maxDistributable": float(withdrawable(state, MAIN)),
        "maxWithdrawable": float(withdrawable(state, MAIN)),
        "isClosed": False,
        "relationship": {"type": "normal"},
        "allowDeposits": True,
        "alwaysCloseOnWithdraw": False,
    }
