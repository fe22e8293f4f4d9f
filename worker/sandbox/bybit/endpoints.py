"""Every endpoint that is served. Limits are requests of one account in a second ("Rate Limit Rules", of 2026-07-29).

That page has none for switch-isolated, withdrawn from the documents with classic accounts, nor for the pre-upgrade
endpoints: theirs are guesses, and so are those of switch-mode, order/realtime and symbol-info, which ccxt counts so.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.sandbox.bybit import keys, market_data, position_mode, positions, reports, risk_limits, settings, wallets
from worker.sandbox.bybit.account import BybitAccountState
from worker.sandbox.bybit.contracts import BybitExchangeState
from worker.sandbox.bybit.parameters import BybitParameters


@dataclass(frozen=True, slots=True)
class BybitPublicEndpoint:
    """An endpoint that anybody may ask; only the limit of addresses counts."""

    method: str
    path: str
    handler: Callable[[BybitExchangeState, BybitParameters], Any]


@dataclass(frozen=True, slots=True)
class BybitSignedEndpoint:
    """An endpoint that wants a signed request and speaks for its account."""

    method: str
    path: str
    limit: int
    handler: Callable[[BybitExchangeState, BybitParameters, BybitAccountState], Any]


Endpoint = BybitPublicEndpoint | BybitSignedEndpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    BybitPublicEndpoint("GET", "/v5/market/time", market_data.server_time),
    BybitPublicEndpoint("GET", "/v5/market/instruments-info", market_data.instruments),
    BybitPublicEndpoint("GET", "/v5/market/risk-limit", risk_limits.risk_limits),
    BybitSignedEndpoint("GET", "/v5/user/query-api", 10, keys.key_information),
    BybitSignedEndpoint("GET", "/v5/account/info", 50, settings.account_info),
    BybitSignedEndpoint("GET", "/v5/account/wallet-balance", 50, wallets.wallet_balance),
    BybitSignedEndpoint("POST", "/v5/account/set-margin-mode", 5, settings.set_margin_mode),
    BybitSignedEndpoint("GET", "/v5/account/transaction-log", 25, reports.transaction_log),
    BybitSignedEndpoint("GET", "/v5/position/list", 50, positions.positions),
    BybitSignedEndpoint("GET", "/v5/position/symbol-info", 10, positions.symbol_info),
    BybitSignedEndpoint("POST", "/v5/position/set-leverage", 10, settings.set_leverage),
    BybitSignedEndpoint("POST", "/v5/position/switch-isolated", 10, settings.switch_isolated),
    BybitSignedEndpoint("POST", "/v5/position/switch-mode", 10, position_mode.switch_mode),
    BybitSignedEndpoint("GET", "/v5/order/realtime", 10, position_mode.open_orders),
    BybitSignedEndpoint("POST", "/v5/position/add-margin", 10, settings.add_margin),
    BybitSignedEndpoint("GET", "/v5/position/closed-pnl", 50, reports.closed_profits),
    BybitSignedEndpoint("GET", "/v5/execution/list", 50, reports.executions),
    BybitSignedEndpoint("GET", "/v5/pre-upgrade/position/closed-pnl", 10, reports.closed_profits_before),
    BybitSignedEndpoint("GET", "/v5/pre-upgrade/execution/list", 10, reports.executions_before),
)
