"""What type of account it is, and its margin mode.

Source: Get Account Info (`unifiedMarginStatus` 1 is a classic account, 3 and 4 unified of the first kind, which keeps
inverse contracts apart, 5 and 6 unified of the second kind).
"""

from dataclasses import dataclass, field

from schemas.requests import MarginMode
from worker.venues.bybit.listing import result_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous

PORTFOLIO = "PORTFOLIO_MARGIN"
ACCOUNT_INFO = "privateGetV5AccountInfo"

UNIFIED = {False: frozenset({3, 4, 5, 6}), True: frozenset({5, 6})}
"""The statuses of accounts whose linear (False) or inverse (True) contracts are part of the unified account."""

MARGIN_MODES = {
    "REGULAR_MARGIN": MarginMode.CROSS,
    PORTFOLIO: MarginMode.CROSS,
    "ISOLATED_MARGIN": MarginMode.ISOLATED,
}
"""Portfolio margin is one pool for all positions, so it is told as cross; the raw answer keeps the difference."""

TRADE_MODES = {0: MarginMode.CROSS, 1: MarginMode.ISOLATED}
"""`tradeMode` of a position row, which counts for what is not unified only."""


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """Type and margin mode of an account as of now."""

    status: int
    margin_mode: MarginMode
    raw: Row = field(repr=False)

    def is_unified(self, *, inverse: bool) -> bool:
        """Whether these contracts share the account's margin mode."""
        return self.status in UNIFIED[inverse]

    def mode_of(self, row: Row, *, inverse: bool) -> MarginMode:
        """The margin mode of a position row: the account's, or its own where it has one."""
        if self.is_unified(inverse=inverse):
            return self.margin_mode
        mode = TRADE_MODES.get(row.get("tradeMode", 0))
        if mode is None:
            raise Ambiguous("the field tradeMode of the venue's answer is unreadable", raw=row)
        return mode


class AccountReader:
    """Asks for the account's type and mode. The type changes once in an account's life at most, so it is kept."""

    def __init__(self, transport: Calls) -> None:
        self._transport = transport
        self._last: AccountInfo | None = None

    async def now(self) -> AccountInfo:
        """Type and margin mode, asked anew. Raises VenueError."""
        self._last = info_of(result_of(await self._transport.call(ACCOUNT_INFO), "account/info"))
        return self._last

    async def type(self) -> AccountInfo:
        """The same, for who needs the type only: from the last answer if there was one."""
        return self._last or await self.now()


def info_of(raw: Row) -> AccountInfo:
    """Read an account's info. Raises Ambiguous for a mode that nobody knows."""
    mode = MARGIN_MODES.get(shape.text(raw, "marginMode"))
    if mode is None:
        raise Ambiguous("the field marginMode of the venue's answer is unreadable", raw=raw)
    return AccountInfo(shape.milliseconds(raw, "unifiedMarginStatus"), mode, raw)
