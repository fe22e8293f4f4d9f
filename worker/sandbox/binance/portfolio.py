"""Portfolio Margin: balances, account totals and the collections that move money between its wallets."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState, MarginBalance
from worker.sandbox.binance.contracts import BinanceExchangeState
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.figures import money
from worker.sandbox.binance.formulas import ZERO
from worker.sandbox.binance.parameters import BinanceParameters
from worker.sandbox.binance.risk import AccountRisk

NEVER_COLLECTED = "BNB"
COLLATERAL_RATES = {"USDT": Decimal(1), "USDC": Decimal(1)}
"""How much of an asset counts as collateral, in USD. The rates are ours: coins count for nothing in the sandbox."""

NO_RISK = Decimal("99999999")
"""What uniMMR is without any maintenance margin."""

DONE = {"msg": "success"}


def _assets(account: BinanceAccountState) -> list[str]:
    return list(dict.fromkeys([*account.margin, *account.um_wallet, *account.cm_wallet]))


def balance(exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState) -> Any:
    """GET /papi/v1/balance: an object for one asset, a list without."""
    if "asset" in parameters:
        if parameters["asset"] not in _assets(account):
            raise BinanceRefused(-1108)
        return _balance_row(exchange, account, parameters["asset"])
    return [_balance_row(exchange, account, asset) for asset in _assets(account)]


def _balance_row(exchange: BinanceExchangeState, account: BinanceAccountState, asset: str) -> dict[str, Any]:
    margin = account.margin.get(asset, MarginBalance())
    um, cm = (AccountRisk(account).wallet(asset, inverse=inverse) for inverse in (False, True))
    return {
        "asset": asset,
        "totalWalletBalance": money(margin.total + um.wallet_balance + cm.wallet_balance),
        "crossMarginAsset": money(margin.total),
        "crossMarginBorrowed": money(margin.borrowed),
        "crossMarginFree": money(margin.free),
        "crossMarginInterest": money(margin.interest),
        "crossMarginLocked": money(margin.locked),
        "umWalletBalance": money(um.wallet_balance),
        "umUnrealizedPNL": money(um.unrealized_profit),
        "cmWalletBalance": money(cm.wallet_balance),
        "cmUnrealizedPNL": money(cm.unrealized_profit),
        "updateTime": exchange.clock.now(),
        "negativeBalance": "0",
    }


def account_totals(
    exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /papi/v1/account, in USD. Equity counts assets at their collateral rates, actual equity in full."""
    wallets = [AccountRisk(account).wallet(asset, inverse=False) for asset in COLLATERAL_RATES]
    equity = sum((_collateral(account, asset) for asset in _assets(account)), ZERO)
    initial = sum((wallet.initial_margin for wallet in wallets), ZERO)
    maintenance = sum((wallet.maintenance_margin for wallet in wallets), ZERO)
    profit = sum((wallet.unrealized_profit for wallet in wallets), ZERO)
    free = money(max(equity - profit - initial, ZERO))
    return {
        "uniMMR": money(equity / maintenance if maintenance else NO_RISK),
        "accountEquity": money(equity),
        "actualEquity": money(sum((_worth(exchange, account, asset) for asset in _assets(account)), ZERO)),
        "accountInitialMargin": money(initial),
        "accountMaintMargin": money(maintenance),
        "accountStatus": account.status.value,
        "virtualMaxWithdrawAmount": free,
        "totalAvailableBalance": free,
        "totalMarginOpenLoss": "0",
        "updateTime": exchange.clock.now(),
    }


def _total(account: BinanceAccountState, asset: str) -> Decimal:
    um, cm = (AccountRisk(account).wallet(asset, inverse=inverse) for inverse in (False, True))
    return account.margin.get(asset, MarginBalance()).total + um.margin_balance + cm.margin_balance


def _collateral(account: BinanceAccountState, asset: str) -> Decimal:
    return _total(account, asset) * COLLATERAL_RATES.get(asset, ZERO)


def _worth(exchange: BinanceExchangeState, account: BinanceAccountState, asset: str) -> Decimal:
    contract = exchange.contracts.get(f"{asset}USDT")
    return _total(account, asset) * (contract.mark_price if contract else COLLATERAL_RATES.get(asset, ZERO))


def auto_collection(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """POST /papi/v1/auto-collection: every positive futures balance moves into margin, but no BNB.

    The documented 500 calls an hour can't be reached: at 750 each the weight limit lets only 480 through.
    """
    for wallet in (account.um_wallet, account.cm_wallet):
        for asset in wallet:
            if asset != NEVER_COLLECTED or wallet is account.cm_wallet:
                _collect(account, wallet, asset, max(wallet[asset], ZERO))
    return DONE


def asset_collection(
    _exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """POST /papi/v1/asset-collection: one asset, all of it or `amount` out of the wallet `futureType`."""
    asset = parameters.text("asset")
    if asset == NEVER_COLLECTED:
        raise BinanceRefused(-1126)
    if asset not in _assets(account):
        raise BinanceRefused(-1108)
    if ("amount" in parameters) != ("futureType" in parameters):
        raise BinanceRefused(-1128)
    if "amount" in parameters:
        _collect_some(account, asset, parameters)
    else:
        for wallet in _futures_wallets(account, asset):
            _collect(account, wallet, asset, max(wallet[asset], ZERO))
    return DONE


def _futures_wallets(account: BinanceAccountState, asset: str) -> Iterable[dict[str, Decimal]]:
    return (wallet for wallet in (account.um_wallet, account.cm_wallet) if asset in wallet)


def _collect_some(account: BinanceAccountState, asset: str, parameters: BinanceParameters) -> None:
    wallet = {"UM": account.um_wallet, "CM": account.cm_wallet}[parameters.choice("futureType", ("UM", "CM"))]
    try:
        amount = Decimal(parameters["amount"])
    except InvalidOperation as error:
        raise BinanceRefused(-1130, "amount") from error
    if not amount.is_finite() or amount <= 0:
        raise BinanceRefused(-1130, "amount")
    if amount > wallet.get(asset, ZERO):
        raise BinanceRefused(-2018)
    _collect(account, wallet, asset, amount)


def _collect(account: BinanceAccountState, wallet: dict[str, Decimal], asset: str, amount: Decimal) -> None:
    wallet[asset] -= amount
    account.margin.setdefault(asset, MarginBalance()).free += amount
