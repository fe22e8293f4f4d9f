"""A bill: one change of a balance."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

from schemas.base import Milliseconds
from worker.sandbox.okx.figures import plain

TRANSFER, TRADE, DELIVERY, LIQUIDATION, FUNDING, ADL = "1", "2", "3", "5", "8", "9"
CLAWBACK, DELTA_HEDGING, BLOCK_TRADE, SPREAD, MOVED, SETTLEMENT = "10", "13", "14", "24", "32", "34"
MARGIN_TRANSFER, MARGIN_ADDED, MARGIN_REDUCED = "6", "160", "161"
"""Types of bills that are written here, of those in `TYPES`; the last two are subtypes."""

TYPES: Mapping[str, str] = MappingProxyType(
    {
        "1": "Transfer", "2": "Trade", "3": "Delivery", "4": "Forced repayment", "5": "Liquidation",
        "6": "Margin transfer", "7": "Interest deduction", "8": "Funding fee", "9": "ADL", "10": "Clawback",
        "11": "System token conversion", "12": "Strategy transfer", "13": "DDH", "14": "Block trade",
        "15": "Quick Margin", "16": "Borrowing", "22": "Repay", "24": "Spread trading", "26": "Structured products",
        "27": "Convert", "28": "Easy convert", "29": "One-click repay", "30": "Simple trade", "32": "Move position",
        "33": "Loans", "34": "Settlement", "250": "Copy trader profit sharing expenses",
        "251": "Copy trader profit sharing refund",
    }
)  # fmt: skip
"""What "Get bill types" tells, after the list that the bills' own page had; its subtypes are left out."""

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
        traded = self.type in (TRADE, LIQUIDATION, ADL, DELTA_HEDGING, BLOCK_TRADE, SPREAD)
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
