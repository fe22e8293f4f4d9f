"""What type of account it is, and its margin mode.

Source: Get Account Info (`unifiedMarginStatus` 1 is a classic account, 3 and 4 unified of the first kind, which keeps
inverse contracts apart, 5 and 6 unified of the second kind).
"""

from dataclasses import dataclass, field

from schemas.base import Milliseconds
from schemas.requests import MarginMode
from worker.venues.bybit.listing import blank, result_of
from worker.venues.client.transport import Calls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.errors import Ambiguous

PORTFOLIO = "PORTFOLIO_MARGIN"
ACCOUNT_INFO = "privateGetV5AccountInfo"

STATUSES = frozenset({1, 3, 4, 5, 6})
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
        """Whether these contracts share the account's margin mode. Raises Ambiguous for a type that nobody knows."""
        if self.status not in STATUSES:
            raise Ambiguous(f"the field unifiedMarginStatus of GET /v5/account/info says {self.status}", raw=self.raw)
        return self.status in UNIFIED[inverse]

    @property
    def changed(self) -> Milliseconds | None:
        """When type or mode of the account were last changed; None where it is not told."""
        return None if blank(self.raw, "updatedTime") else int(shape.decimal(self.raw, "updatedTime"))

    def mode_of(self, row: Row, *, inverse: bool) -> MarginMode:
        """The margin mode of a position row: the account's, or its own where it has one."""
        if self.is_unified(inverse=inverse):
            return self.margin_mode
        mode = TRADE_MODES.get(row.get("tradeMode", 0))
        if mode is None:
            raise Ambiguous("the field tradeMode of the venue's answer is unreadable", raw=row)
        return mode


class AccountReader:
    """Asks for the account's type and mode, always anew: both may change while we look away."""

    def __init__(self, transport: Calls) -> None:
        self._transport = transport

    async def now(self) -> AccountInfo:
        """Type and margin mode. Raises VenueError."""
        return info_of(result_of(await self._transport.call(ACCOUNT_INFO), "account/info"))


class Upgrade:
    """Since when contracts of an account have been unified, as far as it tells.

    What is listed as of the unified account came after its upgrade, and what came before is listed elsewhere. Nor was
    it upgraded after its data were last changed (`updatedTime`), for its type is one of them.
    """

    def __init__(self) -> None:
        self._since: dict[str, Milliseconds] = {}
        self._changed: Milliseconds | None = None

    def told_by(self, info: AccountInfo) -> None:
        """What the account's info says of it."""
        self._changed = info.changed if info.status in STATUSES else None

    def unified_at(self, category: str, instant: Milliseconds) -> None:
        """A record of a category was made by the account when it was unified."""
        self._since[category] = min(instant, self._since.get(category, instant))

    def was_unified(self, category: str, instant: Milliseconds) -> bool:
        """Whether the contracts of a category are known to have been unified then."""
        known = [since for since in (self._changed, self._since.get(category)) if since is not None]
        return bool(known) and instant >= min(known)


def info_of(raw: Row) -> AccountInfo:
    """Read an account's info. Raises Ambiguous for a mode that nobody knows."""
    mode = MARGIN_MODES.get(shape.text(raw, "marginMode"))
    if mode is None:
        raise Ambiguous("the field marginMode of the venue's answer is unreadable", raw=raw)
    return AccountInfo(shape.milliseconds(raw, "unifiedMarginStatus"), mode, raw)
