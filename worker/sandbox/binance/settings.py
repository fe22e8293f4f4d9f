"""What an account can set: leverage, margin type, position mode; the rules are the same in all three families."""

from collections.abc import Callable
from typing import Any

from worker.sandbox.binance.account import BinanceAccountState, MarginType
from worker.sandbox.binance.contracts import TRADIFI, TRADING, BinanceContract, BinanceExchangeState
from worker.sandbox.binance.endpoint import SUCCESS, contract_of, contracts_asked
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.binance.parameters import BinanceParameters

Handler = Callable[[BinanceExchangeState, BinanceParameters, BinanceAccountState], Any]

ISOLATED_REDUCTION = {False: -4161, True: -4150}
"""The same refusal has two codes: USDⓈ-M's and COIN-M's."""


def leverage(*, inverse: bool) -> Handler:
    """POST leverage. The echo names the largest position: a notional for USDⓈ-M, a quantity of coins for COIN-M."""

    def change(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        contract = contract_of(exchange, parameters.text("symbol"), inverse=inverse)
        wanted = parameters.integer("leverage")
        _check_leverage(contract, wanted, account)
        account.terms_of(contract).leverage = wanted
        largest = "maxQty" if inverse else "maxNotionalValue"
        return {"leverage": wanted, largest: str(account.cap_at(contract, wanted)), "symbol": contract.symbol}

    return change


def _check_leverage(contract: BinanceContract, wanted: int, account: BinanceAccountState) -> None:
    if contract.status != TRADING:
        raise BinanceRefused(-4108)
    if contract.type == TRADIFI and not account.tradfi_agreed:
        raise BinanceRefused(-4411, "fapi")
    if not 1 <= wanted <= account.highest_leverage(contract):
        raise BinanceRefused(-4028, wanted)
    positions, terms = account.positions_in(contract), account.terms_of(contract)
    if positions and terms.margin_type is MarginType.ISOLATED and wanted < terms.leverage:
        raise BinanceRefused(ISOLATED_REDUCTION[contract.inverse])
    if any(abs(position.leg.notional) > account.cap_at(contract, wanted) for position in positions):
        raise BinanceRefused(-2027)


def sign_agreement(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """POST stock/contract: the TradFi-Perps agreement. That leverage needs it as orders do is a guess."""
    account.tradfi_agreed = True
    return SUCCESS


def margin_type(*, inverse: bool) -> Handler:
    """POST marginType."""

    def change(
        exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
    ) -> dict[str, Any]:
        contract = contract_of(exchange, parameters.text("symbol"), inverse=inverse)
        wanted = MarginType(parameters.choice("marginType", tuple(MarginType)))
        _check_margin_type(contract, wanted, account)
        account.terms_of(contract).margin_type = wanted
        return SUCCESS

    return change


def _check_margin_type(contract: BinanceContract, wanted: MarginType, account: BinanceAccountState) -> None:
    if account.terms_of(contract).margin_type is wanted:
        raise BinanceRefused(-4046)
    if account.multi_assets and wanted is MarginType.ISOLATED and not contract.inverse:
        raise BinanceRefused(-4168)
    if account.has_orders_in(contract):
        raise BinanceRefused(-4047)
    if account.positions_in(contract):
        raise BinanceRefused(-4048)


def position_mode(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET positionSide/dual: one mode for USDⓈ-M and COIN-M together."""
    return {"dualSidePosition": account.dual_side}


def change_position_mode(
    _exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """POST positionSide/dual."""
    wanted = parameters.boolean("dualSidePosition")
    if wanted == account.dual_side:
        raise BinanceRefused(-4059)
    if any(account.open_orders.values()):
        raise BinanceRefused(-4067)
    if account.positions:
        raise BinanceRefused(-4068)
    account.dual_side = wanted
    return SUCCESS


def multi_assets_mode(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /fapi/v1/multiAssetsMargin."""
    return {"multiAssetsMargin": account.multi_assets}


def symbol_config(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /fapi/v1/symbolConfig."""
    contracts = contracts_asked(exchange, parameters, inverse=False)
    return [{**_configuration(contract, account), "isAutoAddMargin": False} for contract in contracts]


def portfolio_symbol_config(
    exchange: BinanceExchangeState, parameters: BinanceParameters, account: BinanceAccountState
) -> list[dict[str, Any]]:
    """GET /papi/v1/um/symbolConfig, which writes its flag as a string."""
    contracts = contracts_asked(exchange, parameters, inverse=False)
    return [{**_configuration(contract, account), "isAutoAddMargin": "false"} for contract in contracts]


def _configuration(contract: BinanceContract, account: BinanceAccountState) -> dict[str, Any]:
    terms = account.terms_of(contract)
    return {
        "symbol": contract.symbol,
        "marginType": terms.margin_type.value,
        "leverage": terms.leverage,
        "maxNotionalValue": str(account.cap_at(contract, terms.leverage)),
    }


def key_permissions(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET /sapi/v1/account/apiRestrictions."""
    return {
        "ipRestrict": account.key.ip_restricted,
        "createTime": 1_698_645_219_000,
        "enableReading": True,
        "enableWithdrawals": account.key.withdrawals,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": account.key.futures,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": False,
        "enablePortfolioMarginTrading": account.key.portfolio_margin,
    }


def account_config(
    _exchange: BinanceExchangeState, _parameters: BinanceParameters, account: BinanceAccountState
) -> dict[str, Any]:
    """GET accountConfig."""
    return {
        "feeTier": 0,
        "canTrade": account.can_trade,
        "canDeposit": True,
        "canWithdraw": True,
        "dualSidePosition": account.dual_side,
        "updateTime": 0,
        "multiAssetsMargin": account.multi_assets,
        "tradeGroupId": -1,
    }
