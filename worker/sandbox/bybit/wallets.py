"""GET /v5/account/wallet-balance: what an account holds, valued in USD, and its rates (Get Wallet Balance, 2026-11-30).

The figures of the whole account are empty where its margin is isolated, and for the wallet of contracts that are not
unified. Cross margin counts the balances and the profits of all positions that are unified. Which coins count, and for
how much, is ours: all of them in full, at their mark price.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from worker.sandbox.bybit.account import CLASSIC, UNIFIED_2, BybitAccountState, BybitMarginMode, BybitOpenPosition
from worker.sandbox.bybit.contracts import BybitContract, BybitExchangeState
from worker.sandbox.bybit.errors import BybitRefused
from worker.sandbox.bybit.figures import plain
from worker.sandbox.bybit.parameters import BybitParameters

UNIFIED, CONTRACT = "UNIFIED", "CONTRACT"
STABLE = ("USDT", "USDC")
ZERO = Decimal(0)
OF_ACCOUNT = (
    "accountIMRate", "accountMMRate", "totalEquity", "totalWalletBalance", "totalMarginBalance",
    "totalAvailableBalance", "totalPerpUPL", "totalInitialMargin", "totalMaintenanceMargin",
)  # fmt: skip
EMPTY = dict.fromkeys(OF_ACCOUNT, "")


def wallet_balance(
    exchange: BybitExchangeState, parameters: BybitParameters, account: BybitAccountState
) -> dict[str, Any]:
    """The one wallet of the type that is asked for."""
    kind = parameters.choice("accountType", (UNIFIED, CONTRACT))
    if (kind == UNIFIED and account.status == CLASSIC) or (kind == CONTRACT and account.status >= UNIFIED_2):
        raise BybitRefused(10001, "accountType only support " + (CONTRACT if kind == UNIFIED else UNIFIED))
    held = [row for row in account.positions.values() if account.is_unified(row.contract) is (kind == UNIFIED)]
    shared = kind == UNIFIED and account.margin_mode is not BybitMarginMode.ISOLATED
    return {
        "list": [
            {
                "accountType": kind,
                "accountLTV": "",
                **(_of_account(exchange, account, held) if shared else EMPTY),
                "coin": [_coin(exchange, account, held, coin) for coin in account.wallet],
            }
        ]
    }


def _of_account(
    exchange: BybitExchangeState, account: BybitAccountState, held: Iterable[BybitOpenPosition]
) -> dict[str, str]:
    held = list(held)
    wallet = sum((amount * price_of(coin, exchange) for coin, amount in account.wallet.items()), ZERO)
    profit = sum((profit_of(row) * price_of(row.contract.settle, exchange) for row in held), ZERO)
    initial = sum((account.initial_margin(row) * price_of(row.contract.settle, exchange) for row in held), ZERO)
    maintenance = sum((maintenance_of(row) * price_of(row.contract.settle, exchange) for row in held), ZERO)
    balance = wallet + profit
    return {
        "accountIMRate": plain(initial / balance) if balance > 0 else "",
        "accountMMRate": plain(maintenance / balance) if balance > 0 else "",
        "totalEquity": plain(balance),
        "totalWalletBalance": plain(wallet),
        "totalMarginBalance": plain(balance),
        "totalAvailableBalance": plain(max(balance - initial, ZERO)),
        "totalPerpUPL": plain(profit),
        "totalInitialMargin": plain(initial),
        "totalMaintenanceMargin": plain(maintenance),
    }


def _coin(
    exchange: BybitExchangeState, account: BybitAccountState, held: Iterable[BybitOpenPosition], coin: str
) -> dict[str, Any]:
    own, amount = [row for row in held if row.contract.settle == coin], account.wallet[coin]
    profit = sum(map(profit_of, own), ZERO)
    return {
        "coin": coin,
        "equity": plain(amount + profit),
        "usdValue": plain((amount + profit) * price_of(coin, exchange)),
        "walletBalance": plain(amount),
        "borrowAmount": "0",
        "accruedInterest": "0",
        "totalOrderIM": "0",
        "totalPositionIM": plain(sum(map(account.initial_margin, own), ZERO)),
        "totalPositionMM": plain(sum(map(maintenance_of, own), ZERO)),
        "unrealisedPnl": plain(profit),
        "cumRealisedPnl": "0",
        "bonus": "0",
        "collateralSwitch": True,
        "marginCollateral": True,
        "locked": "0",
        "spotHedgingQty": "0",
    }


def profit_of(row: BybitOpenPosition) -> Decimal:
    """The unrealized profit of a position, in its settle currency."""
    side = 1 if row.side == "Buy" else -1
    return side * row.contract.profit(row.size, row.entry_price, row.contract.mark_price)


def maintenance_of(row: BybitOpenPosition) -> Decimal:
    """Its maintenance margin, in its settle currency."""
    return row.contract.value(row.size, row.contract.mark_price) * row.contract.maintenance


def price_of(coin: str, exchange: BybitExchangeState) -> Decimal:
    """What a coin is worth in USD."""
    contract: BybitContract | None = exchange.contracts.get(f"{coin}USDT")
    return Decimal(1) if coin in STABLE or contract is None else contract.mark_price
