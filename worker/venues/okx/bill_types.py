"""What each type of an OKX bill is about.

Sources: the list of types that "Get bills details" had until it pointed to "Get bill types" (`GET /account/subtypes`,
2026-07), and the enumerations of OKX.Net and OKX.Api, which a contract test compares with this table. `pnl` is a profit
without its fees, and of a funding fee the fee itself ("Funding Fee expense: you may refer to pnl"); no other type is
documented to have one, so that a bill of a type that is not listed here realizes what its `pnl` says.
"""

from types import MappingProxyType

from worker.venues.reading.records import Notion, RecordType, RecordTypes

_REALIZED, _FUNDING = RecordType(Notion.REALIZED_PNL), RecordType(Notion.FUNDING)
_TRANSFER, _NEITHER = RecordType(Notion.TRANSFER), RecordType(Notion.NEITHER)

BILL_TYPES = RecordTypes(
    "okx",
    MappingProxyType(
        {
            "1": _TRANSFER,
            "2": _REALIZED,  # trade
            "3": _REALIZED,  # delivery of futures and of delisted swaps, exercise
            "4": _NEITHER,  # forced repayment
            "5": _REALIZED,  # liquidation
            "6": _TRANSFER,  # of margin
            "7": _NEITHER,  # interest
            "8": _FUNDING,
            "9": _REALIZED,  # auto-deleveraging
            "10": _REALIZED,  # clawback
            "11": _NEITHER,  # conversion of a token by the system
            "12": _TRANSFER,  # to and from a strategy
            "13": _REALIZED,  # delta dynamic hedging
            "14": _REALIZED,  # block trade
            "15": _NEITHER,  # quick margin
            "16": _NEITHER,  # borrowing
            "18": _NEITHER,  # profit sharing, as it was
            "22": _NEITHER,  # repayment
            "24": _REALIZED,  # spread trading
            "26": _NEITHER,  # structured products
            "27": _NEITHER,  # convert
            "28": _NEITHER,  # easy convert
            "29": _NEITHER,  # one-click repay
            "30": _NEITHER,  # simple trade, which is spot
            "32": _REALIZED,  # position moved to another account, at a price
            "33": _NEITHER,  # loans
            "34": _REALIZED,  # settlement of cross expiry futures, after which the entry price is the settlement price
            "250": _NEITHER,  # profit shared with a lead trader
            "251": _NEITHER,
        }
    ),
    "Get bill types",
    fields={Notion.REALIZED_PNL: "pnl", Notion.FUNDING: "pnl"},
    own=(Notion.REALIZED_PNL,),
)
