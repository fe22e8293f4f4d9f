"""Every endpoint that is served."""

from worker.sandbox.gate import book, market_data, positions, settings, user, wallets
from worker.sandbox.gate.endpoint import Endpoint, Public, Signed

ENDPOINTS: tuple[Endpoint, ...] = (
    Public("GET", "/spot/time", market_data.server_time),
    Public("GET", "/futures/{settle}/contracts", market_data.contracts),
    Public("GET", "/futures/{settle}/contracts/{contract}", market_data.contract),
    Public("GET", "/delivery/{settle}/contracts", market_data.contracts),
    Public("GET", "/delivery/{settle}/contracts/{contract}", market_data.contract),
    Signed("GET", "/account/detail", user.detail),
    Signed("GET", "/account/main_keys", user.main_keys),
    Signed("GET", "/futures/{settle}/accounts", wallets.account_row),
    Signed("GET", "/futures/{settle}/account_book", book.account_book),
    Signed("GET", "/futures/{settle}/positions", positions.list_positions),
    Signed("POST", "/futures/{settle}/positions/cross_mode", settings.margin_mode(hedged=False), in_body=True),
    Signed("POST", "/futures/{settle}/dual_comp/positions/cross_mode", settings.margin_mode(hedged=True), in_body=True),
    Signed("GET", "/futures/{settle}/positions/{contract}", positions.one_position),
    Signed("POST", "/futures/{settle}/positions/{contract}/leverage", settings.leverage),
    Signed("POST", "/futures/{settle}/positions/{contract}/set_leverage", settings.leverage_in_mode),
    Signed("GET", "/futures/{settle}/get_leverage/{contract}", positions.default_leverage),
    Signed("GET", "/futures/{settle}/dual_comp/positions/{contract}", positions.both_positions),
    Signed("POST", "/futures/{settle}/dual_comp/positions/{contract}/leverage", settings.both_leverages),
    Signed("POST", "/futures/{settle}/dual_mode", settings.position_mode),
    Signed("GET", "/delivery/{settle}/accounts", wallets.account_row),
    Signed("GET", "/delivery/{settle}/account_book", book.account_book),
    Signed("GET", "/delivery/{settle}/positions", positions.list_positions),
    Signed("GET", "/delivery/{settle}/positions/{contract}", positions.one_position),
    Signed("POST", "/delivery/{settle}/positions/{contract}/leverage", settings.leverage),
)
"""A path without a placeholder stands before one that would take it in."""
