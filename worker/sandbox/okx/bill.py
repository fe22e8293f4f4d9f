"""A bill: one change of a balance."""

from decimal import Decimal
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.okx.figures import plain

TRANSFER, TRADE, DELIVERY, LIQUIDATION, FUNDING, ADL = "1", "2", "3", "5", "8", "9"
"""Types of bills."""

EMPTY = (
    "clOrdId", "earnAmt", "earnApr", "execType", "fillFwdPx", "fillIdxPx", "fillMarkPx", "fillMarkVol", "fillPxUsd",
    "fillPxVol", "from", "notes", "tag", "to",
)  # fmt: skip
"""Fields that say nothing of the bills here."""


class Bill(NamedTuple):
    """A bill without its id. `balance_change` is the account's, `position_change` an isolated position's."""

    time: Milliseconds
    type: str
    sub_type: str
    instrument_type: str
    instrument_id: str
    currency: str
    margin_mode: str
    balance_change: Decimal
    position_change: Decimal = Decimal(0)
    profit: Decimal = Decimal(0)
    fee: Decimal = Decimal(0)
    size: Decimal = Decimal(0)
    price: Decimal = Decimal(0)
    id: int = 0

    def row(self) -> dict[str, Any]:
        """The bill as it is sent."""
        traded = self.type in (TRADE, LIQUIDATION, ADL)
        return dict.fromkeys(EMPTY, "") | {
            "bal": plain(Decimal(10_000) + self.balance_change),
            "balChg": plain(self.balance_change),
            "billId": str(self.id),
            "ccy": self.currency,
            "fee": plain(self.fee),
            "fillTime": str(self.time) if traded else "",
            "instId": self.instrument_id,
            "instType": self.instrument_type,
            "interest": "0",
            "mgnMode": self.margin_mode,
            "ordId": str(self.id - 1) if traded else "",
            "pnl": plain(self.profit),
            "posBal": "0",
            "posBalChg": plain(self.position_change),
            "px": plain(self.price),
            "subType": self.sub_type,
            "sz": plain(self.size),
            "tradeId": str(self.id % 1_000_000) if traded else "",
            "ts": str(self.time),
            "type": self.type,
        }
