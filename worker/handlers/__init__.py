"""One function per operation, which makes a plan of a request, and the tables that say which."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.handlers.history import get_funding_history, get_realized_pnl
from worker.handlers.leverage import get_leverage, set_leverage
from worker.handlers.margin_mode import set_margin_mode
from worker.handlers.plan import CommandHandler, QueryHandler
from worker.handlers.portfolio_margin import (
    pm_asset_collect,
    pm_auto_collect,
    pm_get_account,
    pm_get_balance,
    room_to_asset_collect,
    room_to_auto_collect,
)
from worker.handlers.positions import get_positions
from worker.venues.port.adapter import Capability

COMMAND_HANDLERS: Mapping[str, CommandHandler] = MappingProxyType(
    {
        "set_leverage": CommandHandler(set_leverage, Capability.LEVERAGE, moves_terms=True),
        "set_margin_mode": CommandHandler(set_margin_mode, Capability.MARGIN_MODE, moves_terms=True),
        "pm_auto_collect": CommandHandler(
            pm_auto_collect, Capability.PORTFOLIO_MARGIN, moves_money=True, room=room_to_auto_collect
        ),
        "pm_asset_collect": CommandHandler(
            pm_asset_collect, Capability.PORTFOLIO_MARGIN, moves_money=True, room=room_to_asset_collect
        ),
    }
)

QUERY_HANDLERS: Mapping[str, QueryHandler] = MappingProxyType(
    {
        "get_leverage": QueryHandler(get_leverage, Capability.LEVERAGE),
        "get_positions": QueryHandler(get_positions, Capability.POSITIONS),
        "get_funding_history": QueryHandler(get_funding_history, Capability.FUNDING_HISTORY),
        "get_realized_pnl": QueryHandler(get_realized_pnl, Capability.REALIZED_PNL),
        "pm_get_balance": QueryHandler(pm_get_balance, Capability.PORTFOLIO_MARGIN),
        "pm_get_account": QueryHandler(pm_get_account, Capability.PORTFOLIO_MARGIN),
    }
)
