"""Every endpoint that is served. Limits are requests of one account in a second ("Rate Limit Rules")."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.sandbox.bybit import keys, market_data, positions, reports, settings
from worker.sandbox.bybit.account import AccountState
from worker.sandbox.bybit.contracts import Exchange
from worker.sandbox.bybit.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Public:
    """An endpoint that anybody may ask; only the limit of addresses counts."""

    method: str
    path: str
    handler: Callable[[Exchange, Parameters], Any]


@dataclass(frozen=True, slots=True)
class Signed:
    """An endpoint that wants a signed request and speaks for its account."""

    method: str
    path: str
    limit: int
    handler: Callable[[Exchange, Parameters, AccountState], Any]


Endpoint = Public | Signed

ENDPOINTS: tuple[Endpoint, ...] = (
    Public("GET", "/v5/market/time", market_data.server_time),
    Public("GET", "/v5/market/instruments-info", market_data.instruments),
    Signed("GET", "/v5/user/query-api", 10, keys.key_information),
    Signed("GET", "/v5/account/info", 50, settings.account_info),
    Signed("POST", "/v5/account/set-margin-mode", 10, settings.set_margin_mode),
    Signed("GET", "/v5/account/transaction-log", 30, reports.transaction_log),
    Signed("GET", "/v5/position/list", 50, positions.positions),
    Signed("POST", "/v5/position/set-leverage", 10, settings.set_leverage),
    Signed("POST", "/v5/position/switch-isolated", 10, settings.switch_isolated),
    Signed("GET", "/v5/position/closed-pnl", 50, reports.closed_profits),
    Signed("GET", "/v5/execution/list", 50, reports.executions),
)
