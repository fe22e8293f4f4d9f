"""Account details: the assets of a futures wallet and every contract's terms and position."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState, BinancePositionSide, MarginType
from worker.sandbox.binance.contracts import BinanceExchangeState
from worker.sandbox.binance.figures import fixed, money, plain, quantity, some
from worker.sandbox.binance.formulas import ZERO
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.positions import ALL_SIDES, HEDGED, ONE_WAY
from worker.sandbox.binance.risk import AccountRisk, PositionRisk, WalletRisk


def _sides(account: BinanceAccountState) -> tuple[BinancePositionSide, ...]:
    return ALL_SIDES if account.dual_side else ONE_WAY


def inverse_account(
    exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /dapi/v1/account."""
    risk = AccountRisk(account)
    positions = [
        _inverse_position(row, account)
        for contract in exchange.inverse()
        for row in risk.rows(contract, _sides(account))
    ]
    wallets = (risk.wallet(asset, inverse=True) for asset in account.cm_wallet)
    return {
        "assets": [_asset(wallet) for wallet in wallets],
        "positions": positions,
        "canDeposit": True,
        "canTrade": account.can_trade,
        "canWithdraw": True,
        "feeTier": 0,
        "updateTime": 0,
    }


def linear_account(
    exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /fapi/v3/account: assets, totals, and what is open. Source: Account Information V3, official client 18.1.

    Totals are in USD where several assets are margin, and otherwise those of USDT alone. That the stablecoins count
    one USD each, and coins at their mark price, is ours.
    """
    risk = AccountRisk(account)
    wallets = [risk.wallet(asset, inverse=False) for asset in account.um_wallet]
    positions = [
        _linear_position(row)
        for contract in exchange.linear()
        if account.positions_in(contract) or account.has_orders_in(contract)
        for row in risk.rows(contract, HEDGED if account.dual_side else ONE_WAY)
    ]
    assets = [_asset(wallet) for wallet in wallets]
    return {**_totals(exchange, account, wallets), "assets": assets, "positions": positions}


def _linear_position(risk: PositionRisk) -> dict[str, Any]:
    return {
        "symbol": risk.contract.symbol,
        "positionSide": risk.side.value,
        "positionAmt": quantity(risk.amount, risk.contract.quantity_precision),
        "unrealizedProfit": fixed(risk.unrealized_profit),
        "isolatedMargin": some(risk.isolated_margin),
        "notional": some(risk.notional),
        "isolatedWallet": some(risk.isolated_wallet),
        "initialMargin": some(risk.initial_margin),
        "maintMargin": some(risk.maintenance_margin),
        "updateTime": risk.update_time,
    }


def _totals(
    exchange: BinanceExchangeState, account: BinanceAccountState, wallets: Sequence[WalletRisk]
) -> dict[str, str]:
    counted = wallets if account.multi_assets else [wallet for wallet in wallets if wallet.asset == "USDT"]

    def total(figure: Callable[[WalletRisk], Decimal]) -> str:
        return fixed(sum((figure(wallet) * _price(exchange, wallet.asset) for wallet in counted), ZERO))

    return {
        "totalInitialMargin": total(lambda wallet: wallet.initial_margin),
        "totalMaintMargin": total(lambda wallet: wallet.maintenance_margin),
        "totalWalletBalance": total(lambda wallet: wallet.wallet_balance),
        "totalUnrealizedProfit": total(lambda wallet: wallet.unrealized_profit),
        "totalMarginBalance": total(lambda wallet: wallet.margin_balance),
        "totalPositionInitialMargin": total(lambda wallet: wallet.initial_margin),
        "totalOpenOrderInitialMargin": "0.00000000",
        "totalCrossWalletBalance": total(lambda wallet: wallet.cross_wallet_balance),
        "totalCrossUnPnl": total(lambda wallet: wallet.cross_unrealized_profit),
        "availableBalance": total(lambda wallet: wallet.available),
        "maxWithdrawAmount": total(lambda wallet: wallet.available),
    }


def _price(exchange: BinanceExchangeState, asset: str) -> Decimal:
    contract = exchange.contracts.get(f"{asset}USDT")
    return contract.mark_price if contract else Decimal(1)


def _asset(wallet: WalletRisk) -> dict[str, Any]:
    return {
        "asset": wallet.asset,
        "walletBalance": fixed(wallet.wallet_balance),
        "unrealizedProfit": fixed(wallet.unrealized_profit),
        "marginBalance": fixed(wallet.margin_balance),
        "maintMargin": fixed(wallet.maintenance_margin),
        "initialMargin": fixed(wallet.initial_margin),
        "positionInitialMargin": fixed(wallet.initial_margin),
        "openOrderInitialMargin": "0.00000000",
        "maxWithdrawAmount": fixed(wallet.available),
        "crossWalletBalance": fixed(wallet.cross_wallet_balance),
        "crossUnPnl": fixed(wallet.cross_unrealized_profit),
        "availableBalance": fixed(wallet.available),
        "updateTime": 0,
    }


def _inverse_position(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    terms = account.terms_of(risk.contract)
    return {
        **_position(risk, terms.leverage),
        "isolated": terms.margin_type is MarginType.ISOLATED,
        "breakEvenPrice": plain(risk.break_even_price) if risk.amount else "0.0",
        "maxQty": str(account.cap_at(risk.contract, terms.leverage)),
        "notionalValue": some(risk.notional),
    }


def _position(risk: PositionRisk, leverage: int) -> dict[str, Any]:
    return {
        "symbol": risk.contract.symbol,
        "positionAmt": quantity(risk.amount, risk.contract.quantity_precision),
        "initialMargin": some(risk.initial_margin),
        "maintMargin": some(risk.maintenance_margin),
        "unrealizedProfit": fixed(risk.unrealized_profit),
        "positionInitialMargin": some(risk.initial_margin),
        "openOrderInitialMargin": "0",
        "leverage": str(leverage),
        "positionSide": risk.side.value,
        "entryPrice": plain(risk.entry_price) if risk.amount else "0.0",
        "updateTime": risk.update_time,
    }


def portfolio_um_account(
    exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /papi/v1/um/account."""
    risk = AccountRisk(account)
    positions = [
        _portfolio_um_position(row, account)
        for contract in exchange.linear()
        for row in risk.rows(contract, _sides(account))
    ]
    return {"assets": _portfolio_assets(account, risk, inverse=False), "positions": positions}


def _portfolio_um_position(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    leverage = account.terms_of(risk.contract).leverage
    return {
        **_position(risk, leverage),
        "maxNotional": str(account.cap_at(risk.contract, leverage)),
        "bidNotional": "0",
        "askNotional": "0",
    }


def portfolio_cm_account(
    exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /papi/v1/cm/account."""
    sides = HEDGED if account.dual_side else ONE_WAY
    risk = AccountRisk(account)
    positions = [
        _portfolio_cm_position(row, account) for contract in exchange.inverse() for row in risk.rows(contract, sides)
    ]
    return {"assets": _portfolio_assets(account, risk, inverse=True), "positions": positions}


def _portfolio_cm_position(risk: PositionRisk, account: BinanceAccountState) -> dict[str, Any]:
    leverage = account.terms_of(risk.contract).leverage
    return {**_position(risk, leverage), "maxQty": str(account.cap_at(risk.contract, leverage))}


def _portfolio_assets(account: BinanceAccountState, risk: AccountRisk, *, inverse: bool) -> list[dict[str, Any]]:
    wallets = (risk.wallet(asset, inverse=inverse) for asset in account.wallet(inverse=inverse))
    return [
        {
            "asset": wallet.asset,
            "crossWalletBalance": money(wallet.cross_wallet_balance),
            "crossUnPnl": money(wallet.cross_unrealized_profit),
            "maintMargin": money(wallet.maintenance_margin),
            "initialMargin": money(wallet.initial_margin),
            "positionInitialMargin": money(wallet.initial_margin),
            "openOrderInitialMargin": "0",
            "updateTime": 0,
        }
        for wallet in wallets
    ]
