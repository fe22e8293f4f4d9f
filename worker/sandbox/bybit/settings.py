"""What an account can set: leverage, and margin mode of the account or of a symbol."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from worker.sandbox.bybit.account import CLASSIC, BybitAccountState, BybitMarginMode, BybitTerms, Index, Reason
from worker.sandbox.bybit.contracts import CLOSED, BybitContract, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.parameters import BybitParameters
from worker.sandbox.bybit.positions import contract_of, position_row

LEVERAGE_STEP = Decimal("0.01")
PORTFOLIO_EQUITY = Decimal(1_000)

NOT_COVERED = Reason("110012", "Insufficient available balance.")
TOO_POOR = Reason("3400000", "Equity needs to be equal to or greater than 1000 USDC")


def set_leverage(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """POST /v5/position/set-leverage, which echoes nothing."""
    contract = contract_of(exchange, parameters)
    if contract.status == CLOSED:
        raise BybitRefused(110074)
    buy, sell = (_leverage(parameters, name, contract) for name in ("buyLeverage", "sellLeverage"))
    terms = account.terms_of(contract)
    if account.is_unified(contract) and account.margin_mode is BybitMarginMode.PORTFOLIO:
        raise BybitRefused(110038)
    if buy != sell and not (len(account.indexes(contract)) > 1 and account.is_isolated(contract)):
        raise BybitRefused(10001, "buyLeverage and sellLeverage must be equal")
    if (terms.buy, terms.sell) == (buy, sell):
        raise BybitRefused(110043)
    account.set_terms(contract, replace(terms, buy=buy, sell=sell), exchange.clock.now())
    return {}


def _leverage(parameters: BybitParameters, name: str, contract: BybitContract) -> Decimal:
    leverage = parameters.decimal(name)
    if leverage < 1 or leverage % LEVERAGE_STEP:
        raise BybitRefused(10001, f"{name} invalid")
    if leverage > contract.max_leverage:
        # Bybit's message counts in hundredths
        raise BybitRefused(110013, int(leverage * 100), int(contract.max_leverage * 100))
    return leverage


def switch_isolated(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """POST /v5/position/switch-isolated, for what is not unified. It sets the leverage too, the same on both sides."""
    contract = contract_of(exchange, parameters)
    isolated = parameters.choice("tradeMode", ("0", "1")) == "1"
    buy, sell = (_leverage(parameters, name, contract) for name in ("buyLeverage", "sellLeverage"))
    if account.is_unified(contract):
        raise BybitRefused(100028)
    if buy != sell:
        raise BybitRefused(10001, "buyLeverage and sellLeverage must be equal")
    if account.terms_of(contract).isolated == isolated:
        raise BybitRefused(110026)
    account.set_terms(contract, BybitTerms(buy, sell, isolated), exchange.clock.now())
    return {}


def set_margin_mode(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """POST /v5/account/set-margin-mode, for the whole of a unified account."""
    wanted = BybitMarginMode(parameters.choice("setMarginMode", tuple(BybitMarginMode)))
    if account.status == CLASSIC:
        raise BybitRefused(10028)
    if reasons := _in_the_way(account, wanted):
        told = [{"reasonCode": reason.code, "reasonMsg": reason.message} for reason in reasons]
        raise BybitRefused(3400045, result={"reasons": told})
    account.margin_mode, account.updated = wanted, exchange.clock.now()
    return {"reasons": []}


def _in_the_way(account: BybitAccountState, wanted: BybitMarginMode) -> tuple[Reason, ...]:
    """Isolated positions are margined in their own coin alone; portfolio margin wants some equity."""
    reasons = account.reasons
    if wanted is BybitMarginMode.ISOLATED and not _covered(account):
        reasons += (NOT_COVERED,)
    if wanted is BybitMarginMode.PORTFOLIO and account.wallet.get("USDT", Decimal(0)) < PORTFOLIO_EQUITY:
        reasons += (TOO_POOR,)
    return reasons


def _covered(account: BybitAccountState) -> bool:
    margins: dict[str, Decimal] = {}
    for position in account.positions.values():
        coin = position.contract.settle
        margins[coin] = margins.get(coin, Decimal(0)) + account.initial_margin(position)
    return all(account.wallet.get(coin, Decimal(0)) >= margin for coin, margin in margins.items())


def account_info(
    _exchange: BybitExchangeState, _parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """GET /v5/account/info."""
    return {
        "marginMode": account.margin_mode.value,
        "updatedTime": str(account.updated),
        "unifiedMarginStatus": account.status,
        "dcpStatus": "OFF",
        "timeWindow": 0,
        "smpGroup": 0,
        "isMasterTrader": False,
        "spotHedgingStatus": "OFF",
    }


def add_margin(exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState) -> dict[str, Any]:
    """POST /v5/position/add-margin: a negative margin takes some out, of what was added by hand: that limit is ours."""
    contract, amount = contract_of(exchange, parameters), parameters.decimal("margin")
    index = Index(parameters.optional_integer("positionIdx") or 0)
    position = account.positions.get((contract.symbol, index))
    if not amount or amount % MARGIN_STEP:
        raise BybitRefused(10001, "margin invalid")
    if position is None:
        raise BybitRefused(110033)
    if not account.is_isolated(contract):
        raise BybitRefused(110015)
    if amount > account.wallet.get(contract.settle, Decimal(0)):
        raise BybitRefused(110014)
    if amount < 0 and position.added + amount < 0:
        raise BybitRefused(110046)
    account.positions[contract.symbol, index] = replace(position, added=position.added + amount)
    held = account.positions[contract.symbol, index]
    row = position_row(account, contract, index, held, account.terms_of(contract))
    return {"category": contract.category} | {name: row[name] for name in _OF_MOVED}


MARGIN_STEP = Decimal("0.0001")
_OF_MOVED = (
    "symbol", "positionIdx", "riskId", "riskLimitValue", "size", "avgPrice", "liqPrice", "bustPrice", "markPrice",
    "positionValue", "leverage", "autoAddMargin", "positionStatus", "positionIM", "positionMM", "takeProfit",
    "stopLoss", "trailingStop", "unrealisedPnl", "cumRealisedPnl", "createdTime", "updatedTime",
)  # fmt: skip
"""The fields of the answer (Add Or Reduce Margin)."""
