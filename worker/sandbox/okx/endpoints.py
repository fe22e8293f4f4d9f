"""Every endpoint that is served, with its limit: requests in two seconds (the endpoints' own pages, 2026-07).

The page of the bills of seven days says five in one second, that of three months five in two. Users are told apart by
their user id, whatever key they use.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from worker.sandbox.okx import balances, market_data, orders, positions, settings, tiers
from worker.sandbox.okx.account import OkxAccountState
from worker.sandbox.okx.bills import ARCHIVED, RECENT, bill_types, bills
from worker.sandbox.okx.instruments import OkxExchangeState
from worker.sandbox.okx.parameters import OkxParameters

Items = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class OkxPublicEndpoint:
    """An endpoint that anybody may ask; its limit is by address."""

    method: str
    path: str
    limit: int
    handler: Callable[[OkxExchangeState, OkxParameters], Items]


@dataclass(frozen=True, slots=True)
class OkxSignedEndpoint:
    """An endpoint that wants a signed request and speaks for its account; its limit is by user."""

    method: str
    path: str
    limit: int
    handler: Callable[[OkxExchangeState, OkxParameters, OkxAccountState], Items]


Endpoint = OkxPublicEndpoint | OkxSignedEndpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    OkxPublicEndpoint("GET", "/api/v5/public/time", 10, market_data.time),
    OkxPublicEndpoint("GET", "/api/v5/public/instruments", 20, market_data.instruments),
    OkxPublicEndpoint("GET", "/api/v5/public/mark-price", 10, market_data.mark_prices),
    OkxPublicEndpoint("GET", "/api/v5/public/position-tiers", 10, tiers.position_tiers),
    OkxSignedEndpoint("GET", "/api/v5/account/config", 5, settings.configuration),
    OkxSignedEndpoint("GET", "/api/v5/account/balance", 10, balances.balance),
    OkxSignedEndpoint("GET", "/api/v5/account/positions", 10, positions.positions),
    OkxSignedEndpoint("GET", "/api/v5/account/leverage-info", 20, settings.leverage_info),
    OkxSignedEndpoint("POST", "/api/v5/account/set-leverage", 20, settings.set_leverage),
    OkxSignedEndpoint("POST", "/api/v5/account/position/margin-balance", 20, settings.move_margin),
    OkxSignedEndpoint("POST", "/api/v5/account/set-position-mode", 5, settings.set_position_mode),
    OkxSignedEndpoint("GET", "/api/v5/trade/orders-pending", 60, orders.pending),
    OkxSignedEndpoint("GET", "/api/v5/account/bills", 10, bills(RECENT)),
    OkxSignedEndpoint("GET", "/api/v5/account/bills-archive", 5, bills(ARCHIVED)),
    OkxSignedEndpoint("GET", "/api/v5/account/subtypes", 20, bill_types),
)


def name_of(endpoint: Endpoint) -> str:
    """What an endpoint's limit is called: the last part of its path."""
    return endpoint.path.rpartition("/")[2]
