"""One function per operation, which makes a plan of a request, and the tables that say which."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.accounts.venues import Capability
from worker.handlers.history import get_funding_history, get_realized_pnl
from worker.handlers.isolated_margin import add_margin, remove_margin
from worker.handlers.leverage import get_leverage, set_leverage
from worker.handlers.leverage_tiers import get_leverage_tiers
from worker.handlers.margin_health import get_margin_health
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
from worker.handlers.position_mode import get_position_mode, set_position_mode
from worker.handlers.positions import get_positions
from worker.handlers.terms import plan_terms
from worker.venues.limits import Urgency

COMMAND_HANDLERS: Mapping[str, CommandHandler] = MappingProxyType(
    {
        "set_leverage": CommandHandler(set_leverage, Capability.LEVERAGE, moves_terms=True),
        "set_margin_mode": CommandHandler(set_margin_mode, Capability.MARGIN_MODE, moves_terms=True),
        "set_position_mode": CommandHandler(set_position_mode, Capability.POSITION_MODE, moves_terms=True),
        "add_margin": CommandHandler(add_margin, Capability.ISOLATED_MARGIN, moves_terms=True, moves_money=True),
        "remove_margin": CommandHandler(remove_margin, Capability.ISOLATED_MARGIN, moves_terms=True, moves_money=True),
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
        "get_position_mode": QueryHandler(get_position_mode, Capability.POSITION_MODE),
        "get_leverage_tiers": QueryHandler(get_leverage_tiers, Capability.LEVERAGE_TIERS),
        "get_positions": QueryHandler(get_positions, Capability.POSITIONS),
        "get_funding_history": QueryHandler(get_funding_history, Capability.FUNDING_HISTORY),
        "get_realized_pnl": QueryHandler(get_realized_pnl, Capability.REALIZED_PNL),
        "get_margin_health": QueryHandler(get_margin_health, Capability.MARGIN_HEALTH),
        "pm_get_balance": QueryHandler(pm_get_balance, Capability.PORTFOLIO_MARGIN),
        "pm_get_account": QueryHandler(pm_get_account, Capability.PORTFOLIO_MARGIN),
        "plan_terms": QueryHandler(plan_terms, Capability.LEVERAGE, is_guarded=True, urgency=Urgency.AFTER_COMMAND),
    }
)
