"""Get positions (2026-07-13). The initial margin of a cross position is in USD there, whatever it settles in."""

from typing import Any

from worker.sandbox.okx import risk
from worker.sandbox.okx.account import AccountLevel, OkxAccountState, OkxMarginMode, OkxOpenPosition, OkxPositionSide
from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.okx.figures import or_empty, plain
from worker.sandbox.okx.instruments import FUTURES, SWAP, OkxExchangeState
from worker.sandbox.okx.parameters import OkxParameters

MOST_IDS = 10
TYPES = (SWAP, FUTURES, "MARGIN", "OPTION")
NOT_OF_CONTRACTS = (
    "availPos", "baseBal", "baseBorrowed", "baseInterest", "bizRefId", "bizRefType", "clSpotInUseAmt", "deltaBS",
    "deltaPA", "gammaBS", "gammaPA", "hedgedPos", "liab", "liabCcy", "maxSpotInUseAmt", "nonSettleAvgPx", "optVal",
    "pendingCloseOrdLiabVal", "posCcy", "quoteBal", "quoteBorrowed", "quoteInterest", "settledPnl", "spotInUseAmt",
    "spotInUseCcy", "thetaBS", "thetaPA", "vegaBS", "vegaPA",
)  # fmt: skip
"""Fields that apply to margin trading, options and other accounts; they are sent empty."""


def positions(exchange: OkxExchangeState, parameters: OkxParameters, account: OkxAccountState) -> list[dict[str, Any]]:
    """GET /account/positions: what is open, and of the instruments that are named also what was closed not long ago."""
    kind = parameters.choice("instType", TYPES) if "instType" in parameters else None
    named = parameters.several("instId", MOST_IDS)
    _check(exchange, named, kind)
    found = [position for position in account.positions.values() if position.amount and not named]
    found += [position for position in account.positions.values() if position.instrument.id in named]
    newest_first = sorted(found, key=lambda position: -position.created)
    return [row_of(account, position) for position in newest_first if kind in (None, position.instrument.type)]


def _check(exchange: OkxExchangeState, named: tuple[str, ...], kind: str | None) -> None:
    for instrument_id in named:
        if instrument_id not in exchange.instruments:
            raise OkxRefused("51001")
        if kind not in (None, exchange.instruments[instrument_id].type):
            raise OkxRefused("51015")


def row_of(account: OkxAccountState, position: OkxOpenPosition) -> dict[str, Any]:
    """A position as it is told: by REST, and by streams."""
    return (
        dict.fromkeys(NOT_OF_CONTRACTS, "")
        | _identity(account, position)
        | (_figures(account, position) if position.amount else dict.fromkeys(_OF_OPEN_ONES, ""))
    )


def _identity(account: OkxAccountState, position: OkxOpenPosition) -> dict[str, Any]:
    instrument = position.instrument
    one_sided = position.side is not OkxPositionSide.NET
    return {
        "adl": "1",
        "cTime": str(position.created),
        "ccy": instrument.settle,
        "closeOrderAlgo": [],
        "fee": "0",
        "fundingFee": "0",
        "idxPx": plain(instrument.mark_price),
        "instId": instrument.id,
        "instType": instrument.type,
        "interest": "",
        "last": plain(instrument.mark_price),
        "lever": _leverage(account, position),
        "liqPenalty": "0",
        "mgnMode": position.mode.value,
        "pnl": "0",
        "pos": plain(abs(position.amount) if one_sided else position.amount),
        "posId": str(position.id),
        "posSide": position.side.value,
        "realizedPnl": "0",
        "tradeId": str(position.id % 1_000_000),
        "uTime": str(position.updated),
        "usdPx": plain(instrument.mark_price if instrument.inverse else risk.ZERO + 1),
    }


def _leverage(account: OkxAccountState, position: OkxOpenPosition) -> str:
    if account.level is AccountLevel.PORTFOLIO_MARGIN and position.mode is OkxMarginMode.CROSS:
        return ""
    return plain(risk.leverage(account, position))


_OF_OPEN_ONES = (
    "avgPx", "bePx", "imr", "liqPx", "margin", "markPx", "mgnRatio", "mmr", "notionalUsd", "upl", "uplLastPx",
    "uplRatio", "uplRatioLastPx",
)  # fmt: skip


def _figures(account: OkxAccountState, position: OkxOpenPosition) -> dict[str, Any]:
    cross, profit = position.mode is OkxMarginMode.CROSS, risk.profit(position)
    mark, value = position.instrument.mark_price, risk.notional(position)
    initial = risk.initial(account, position)
    ratio = plain(profit / (initial if cross else position.margin or initial))
    return {
        "avgPx": plain(position.entry_price),
        "bePx": plain(position.entry_price),
        "imr": plain(initial * mark if position.instrument.inverse else initial) if cross else "",
        "liqPx": or_empty(risk.liquidation_price(account, position)),
        "margin": "" if cross else plain(position.margin),
        "markPx": plain(mark),
        "mgnRatio": plain(risk.margin_ratio(account, position)),
        "mmr": plain(risk.maintenance(position)),
        "notionalUsd": plain(value * mark if position.instrument.inverse else value),
        "upl": plain(profit),
        "uplLastPx": plain(profit),
        "uplRatio": ratio,
        "uplRatioLastPx": ratio,
    }
