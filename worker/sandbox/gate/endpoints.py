"""Every endpoint that is served."""

from worker.sandbox.gate import book, market_data, orders, positions, risk_limits, settings, user, wallets
from worker.sandbox.gate.endpoint import Endpoint, GatePublicEndpoint, GateSignedEndpoint

ENDPOINTS: tuple[Endpoint, ...] = (
    GatePublicEndpoint("GET", "/spot/time", market_data.server_time),
    GatePublicEndpoint("GET", "/futures/{settle}/contracts", market_data.contracts),
    GatePublicEndpoint("GET", "/futures/{settle}/contracts_all", market_data.contracts_all),
    GatePublicEndpoint("GET", "/futures/{settle}/contracts/{contract}", market_data.contract),
    GatePublicEndpoint("GET", "/delivery/{settle}/contracts", market_data.contracts),
    GatePublicEndpoint("GET", "/delivery/{settle}/contracts/{contract}", market_data.contract),
    GatePublicEndpoint("GET", "/futures/{settle}/risk_limit_tiers", risk_limits.tiers),
    GatePublicEndpoint("GET", "/delivery/{settle}/risk_limit_tiers", risk_limits.tiers),
    GateSignedEndpoint("GET", "/account/detail", user.detail),
    GateSignedEndpoint("GET", "/account/main_keys", user.main_keys),
    GateSignedEndpoint("GET", "/unified/accounts", wallets.unified_account),
    GateSignedEndpoint("GET", "/futures/{settle}/accounts", wallets.account_row),
    GateSignedEndpoint("GET", "/futures/{settle}/account_book", book.account_book),
    GateSignedEndpoint("GET", "/futures/{settle}/positions", positions.list_positions),
    GateSignedEndpoint(
        "POST", "/futures/{settle}/positions/cross_mode", settings.margin_mode(hedged=False), in_body=True
    ),
    GateSignedEndpoint(
        "POST", "/futures/{settle}/dual_comp/positions/cross_mode", settings.margin_mode(hedged=True), in_body=True
    ),
    GateSignedEndpoint("GET", "/futures/{settle}/positions/{contract}", positions.one_position),
    GateSignedEndpoint("POST", "/futures/{settle}/positions/{contract}/leverage", settings.leverage),
    GateSignedEndpoint("POST", "/futures/{settle}/positions/{contract}/set_leverage", settings.leverage_in_mode),
    GateSignedEndpoint("POST", "/futures/{settle}/positions/{contract}/margin", settings.position_margin),
    GateSignedEndpoint("POST", "/futures/{settle}/dual_comp/positions/{contract}/margin", settings.side_margin),
    GateSignedEndpoint("GET", "/futures/{settle}/get_leverage/{contract}", positions.default_leverage),
    GateSignedEndpoint("GET", "/futures/{settle}/dual_comp/positions/{contract}", positions.both_positions),
    GateSignedEndpoint("POST", "/futures/{settle}/dual_comp/positions/{contract}/leverage", settings.both_leverages),
    GateSignedEndpoint("POST", "/futures/{settle}/dual_mode", settings.position_mode),
    GateSignedEndpoint("POST", "/futures/{settle}/set_position_mode", settings.holding_mode),
    GateSignedEndpoint("GET", "/futures/{settle}/orders", orders.orders),
    GateSignedEndpoint("GET", "/delivery/{settle}/accounts", wallets.account_row),
    GateSignedEndpoint("GET", "/delivery/{settle}/account_book", book.account_book),
    GateSignedEndpoint("GET", "/delivery/{settle}/positions", positions.list_positions),
    GateSignedEndpoint("GET", "/delivery/{settle}/positions/{contract}", positions.one_position),
    GateSignedEndpoint("POST", "/delivery/{settle}/positions/{contract}/margin", settings.position_margin),
    GateSignedEndpoint("POST", "/delivery/{settle}/positions/{contract}/leverage", settings.delivery_leverage),
)
"""A path without a placeholder stands before one that would take it in."""
