"""The position mode of an OKX account: one for all its swaps and futures.

Sources: "Set position mode" (`posMode`; no position and no order may be open; portfolio margin is net only), "Get
account configuration", "Get order List"; 2026-07.
"""

from collections import Counter
from types import MappingProxyType

from schemas.outcomes import Scope
from schemas.replies import PositionModePart
from schemas.requests import PositionMode
from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.okx.answers import ORDERS, SET_POSITION_MODE, items, only_item, reading
from worker.venues.okx.configuration import LONG_SHORT, AccountConfiguration, Configuration
from worker.venues.parsing import fields as shape
from worker.venues.port.adapter import Echo, PositionModesRead
from worker.venues.port.door import Door
from worker.venues.port.errors import AlreadySo, Ambiguous, NotSent, NotSupported

NET = "net_mode"
WRITTEN = MappingProxyType({PositionMode.ONE_WAY: NET, PositionMode.HEDGE: LONG_SHORT})
MODES = MappingProxyType({written: mode for mode, written in WRITTEN.items()})
"""How OKX writes position modes, and what it means by that."""

ORDERS_AT_ONCE = 100


def modes_in(account: Configuration, account_id: str) -> PositionModesRead:
    """The position mode in a configuration."""
    mode = PositionMode.HEDGE if account.two_sided else PositionMode.ONE_WAY
    part = PositionModePart(scope=Scope.ACCOUNT, part=account_id, position_mode=mode)
    return PositionModesRead((part,), Scope.ACCOUNT, raw={"posMode": WRITTEN[mode]})


async def set_position_mode(
    transport: ChangingCalls, door: Door, configuration: AccountConfiguration, mode: PositionMode
) -> Echo:
    """Switch the account. The answer states the mode. Raises AlreadySo, and NotSupported for portfolio margin."""
    try:
        before = await configuration.anew()
    except Ambiguous as doubt:
        raise NotSent(f"the present position mode can't be read, so nothing was changed: {doubt.message}") from doubt
    if before.two_sided is (mode is PositionMode.HEDGE):
        raise AlreadySo(f"the account is in {mode} mode already", scope=Scope.ACCOUNT, raw={"posMode": WRITTEN[mode]})
    if before.portfolio_margin and mode is PositionMode.HEDGE:
        raise NotSupported("an OKX portfolio margin account has no hedge mode")
    try:
        body = await transport.change(door, "privatePostAccountSetPositionMode", {"posMode": WRITTEN[mode]})
    finally:
        configuration.forget()
    row = only_item(body, SET_POSITION_MODE)
    with reading(SET_POSITION_MODE, row):
        return Echo(raw=row, position_mode=MODES.get(shape.text(row, "posMode")), scope=Scope.ACCOUNT)


async def orders_by_id(transport: Calls) -> Counter[str]:
    """How many orders are open, by instrument: of the newest hundred, for more are not asked for."""
    body = await transport.call("privateGetTradeOrdersPending", {"limit": str(ORDERS_AT_ONCE)})
    return Counter(shape.text(row, "instId") for row in items(body, ORDERS))
