"""An open position, made of what was read of a venue's row."""

from decimal import Decimal

from schemas.base import Milliseconds, utc_text
from schemas.control import Exchange
from schemas.replies import Position, Side
from schemas.requests import MarginMode

_NAMES = set(Position.model_fields)
_set = object.__setattr__


def open_position(
    *,
    symbol: str,
    side: Side,
    contracts: Decimal,
    contract_size: Decimal,
    entry_price: Decimal,
    mark_price: Decimal | None,
    notional: Decimal,
    leverage: Decimal | None,
    unrealized_pnl: Decimal,
    percentage: Decimal | None,
    margin_mode: MarginMode,
    liquidation_price: Decimal | None,
    collateral: Decimal | None,
    timestamp: Milliseconds | None,
    exchange: Exchange,
    exchange_account_id: str,
) -> Position:
    """The position with these fields, which are what their types say: each was checked when it was read.

    So they are not validated once more, which would take as long as all the rest of a row (`model_construct` too).
    """
    position = Position.__new__(Position)
    fields = {
        "symbol": symbol,
        "side": side,
        "contracts": contracts,
        "contract_size": contract_size,
        "entry_price": entry_price,
        "mark_price": mark_price,
        "notional": notional,
        "leverage": leverage,
        "unrealized_pnl": unrealized_pnl,
        "percentage": percentage,
        "margin_mode": margin_mode,
        "liquidation_price": liquidation_price,
        "collateral": collateral,
        "timestamp": timestamp,
        "datetime": None if timestamp is None else utc_text(timestamp),
        "exchange": exchange,
        "exchange_account_id": exchange_account_id,
    }
    _set(position, "__dict__", fields)
    _set(position, "__pydantic_fields_set__", _NAMES)
    _set(position, "__pydantic_extra__", None)
    _set(position, "__pydantic_private__", None)
    return position
