"""The table of operations. Queues, consumers, HTTP routes and both API documents are derived from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from schemas import replies, requests
from schemas.base import WireModel

HTTP_PREFIXES = ("/oems/execution", "/order-execution/execution")

CAPABILITIES_PATH = "/capabilities"
"""The matrix of capabilities stands beside the operations, under both prefixes; the shim knows it by itself."""


class Kind(StrEnum):
    """Commands change something at the venue; queries only read."""

    COMMAND = "command"
    QUERY = "query"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name is also its queue and its routing key."""

    name: str
    kind: Kind
    request: type[requests.Request]
    data: type[WireModel]
    method: str
    path: str
    summary: str

    @property
    def is_command(self) -> bool:
        """Whether it changes something at the venue."""
        return self.kind is Kind.COMMAND


_ROWS = (
    Operation("set_leverage", Kind.COMMAND, requests.SetLeverage, replies.LeverageSet, "POST", "/leverage", "Set the leverage of a market"),
    Operation("get_leverage", Kind.QUERY, requests.GetLeverage, replies.Leverage, "GET", "/leverage", "Read leverage and margin mode of a market"),
    Operation("set_margin_mode", Kind.COMMAND, requests.SetMarginMode, replies.MarginModeSet, "POST", "/margin-mode", "Switch between cross and isolated margin"),
    Operation("get_positions", Kind.QUERY, requests.GetPositions, replies.Positions, "GET", "/positions", "List open positions"),
    Operation("get_funding_history", Kind.QUERY, requests.GetFundingHistory, replies.FundingHistory, "GET", "/funding-history", "List funding payments"),
    Operation("get_realized_pnl", Kind.QUERY, requests.GetRealizedPnl, replies.RealizedPnl, "GET", "/realized-pnl", "List realized profits and losses"),
    Operation("pm_get_balance", Kind.QUERY, requests.PmGetBalance, replies.PmBalance, "GET", "/portfolio-margin/balance", "Read Portfolio Margin balances"),
    Operation("pm_get_account", Kind.QUERY, requests.PmGetAccount, replies.PmAccount, "GET", "/portfolio-margin/account", "Read the Portfolio Margin account"),
    Operation("pm_auto_collect", Kind.COMMAND, requests.PmAutoCollect, replies.Collection, "POST", "/portfolio-margin/auto-collection", "Sweep all futures balances into margin"),
    Operation("pm_asset_collect", Kind.COMMAND, requests.PmAssetCollect, replies.AssetCollection, "POST", "/portfolio-margin/asset-collection", "Sweep one asset into margin"),
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""All operations by name."""

COMMANDS = tuple(row for row in _ROWS if row.is_command)
QUERIES = tuple(row for row in _ROWS if not row.is_command)
