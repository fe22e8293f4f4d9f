"""The table of operations. Queues, consumers, HTTP routes and both API documents are derived from it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from . import book, control, letters, margin, replies, requests, terms
from .audit import records as audit
from .base import WireModel

HTTP_PREFIXES = ("/oems/execution", "/order-execution/execution")

CAPABILITIES_PATH = "/capabilities"
"""The matrix of capabilities stands beside the operations, under both prefixes; the shim knows it by itself."""

COMMANDS_EXCHANGE = "dma.commands"
CONTROL_EXCHANGE = "dma.control"
"""What only admins may ask for has an exchange of its own: RabbitMQ grants or refuses an exchange, not a routing key."""

EVENTS_LOG = "dma.events.log"
"""The stream that keeps all events."""

READERS = frozenset({"viewer", "trader", "admin"})
TRADERS = frozenset({"trader", "admin"})
OVERSEERS = frozenset({"viewer", "admin"})
ADMINS = frozenset({"admin"})
"""A viewer may read everything and change nothing, a trader may read and change accounts, an admin may do all."""


class Kind(StrEnum):
    """Commands change something at the venue, queries read from it; controls concern this service alone."""

    COMMAND = "command"
    QUERY = "query"
    CONTROL = "control"


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its name is also its queue and its routing key. One without a path is for the bus alone."""

    name: str
    kind: Kind
    request: type[requests.Request] | type[control.ControlRequest]
    data: type[WireModel]
    method: str
    path: str
    summary: str
    roles: frozenset[str] = TRADERS
    tells_of_all: bool = False
    """Its answer tells of every account, so that a token which is limited to some may not ask for it."""
    rows_by_account: str = ""
    """The list in its answer whose rows name their accounts: a token which is limited to some is shown those of them."""

    @property
    def is_command(self) -> bool:
        """Whether it changes something at the venue."""
        return self.kind is Kind.COMMAND

    @property
    def exchange(self) -> str:
        """Where its requests are published."""
        return COMMANDS_EXCHANGE if self.roles >= TRADERS else CONTROL_EXCHANGE

    @property
    def has_body(self) -> bool:
        """Whether its HTTP request carries a body rather than parameters: what the path names has none."""
        return self.method == "POST" and not self.path_names

    @property
    def path_names(self) -> tuple[str, ...]:
        """The fields of the request that stand in the path."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))


_ROWS = (
    Operation("set_leverage", Kind.COMMAND, requests.SetLeverage, replies.LeverageSet, "POST", "/leverage", "Set the leverage of a market"),
    Operation("get_leverage", Kind.QUERY, requests.GetLeverage, replies.Leverage, "GET", "/leverage", "Read leverage and margin mode of a market", READERS),
    Operation("set_margin_mode", Kind.COMMAND, requests.SetMarginMode, replies.MarginModeSet, "POST", "/margin-mode", "Switch between cross and isolated margin"),
    Operation("get_position_mode", Kind.QUERY, requests.GetPositionMode, replies.PositionModes, "GET", "/position-mode", "Read whether an account is in one-way or hedge mode", READERS),
    Operation("set_position_mode", Kind.COMMAND, requests.SetPositionMode, replies.PositionModeSet, "POST", "/position-mode", "Switch between one-way and hedge mode"),
    Operation("get_leverage_tiers", Kind.QUERY, requests.GetLeverageTiers, replies.LeverageTiers, "GET", "/leverage-tiers", "Read the leverage and margin that positions of each size may have", READERS),
    Operation("get_positions", Kind.QUERY, requests.GetPositions, replies.Positions, "GET", "/positions", "List open positions", READERS),
    Operation("get_funding_history", Kind.QUERY, requests.GetFundingHistory, replies.FundingHistory, "GET", "/funding-history", "List funding payments", READERS),
    Operation("get_realized_pnl", Kind.QUERY, requests.GetRealizedPnl, replies.RealizedPnl, "GET", "/realized-pnl", "List realized profits and losses", READERS),
    Operation("get_margin_health", Kind.QUERY, margin.GetMarginHealth, margin.MarginHealth, "GET", "/margin-health", "Read how near an account is to liquidation", READERS),
    Operation("add_margin", Kind.COMMAND, margin.AddMargin, margin.MarginMoved, "POST", "/margin/add", "Add margin to an isolated position"),
    Operation("remove_margin", Kind.COMMAND, margin.RemoveMargin, margin.MarginMoved, "POST", "/margin/remove", "Take margin out of an isolated position"),
    Operation("pm_get_balance", Kind.QUERY, requests.PmGetBalance, replies.PmBalance, "GET", "/portfolio-margin/balance", "Read Portfolio Margin balances", READERS),
    Operation("pm_get_account", Kind.QUERY, requests.PmGetAccount, replies.PmAccount, "GET", "/portfolio-margin/account", "Read the Portfolio Margin account", READERS),
    Operation("pm_auto_collect", Kind.COMMAND, requests.PmAutoCollect, replies.Collection, "POST", "/portfolio-margin/auto-collection", "Sweep all futures balances into margin"),
    Operation("pm_asset_collect", Kind.COMMAND, requests.PmAssetCollect, replies.AssetCollection, "POST", "/portfolio-margin/asset-collection", "Sweep one asset into margin"),
    Operation("plan_terms", Kind.QUERY, terms.PlanTerms, terms.TermsPlan, "POST", "/terms/plan", "Plan what an account's terms would take", READERS),
    Operation("apply_terms", Kind.COMMAND, terms.ApplyTerms, terms.TermsApplied, "POST", "/terms/apply", "Make an account's terms as a document says"),
    Operation("keep_terms", Kind.CONTROL, terms.KeepTerms, terms.KeepingChanged, "POST", "/terms", "Keep an account as a document says", ADMINS),
    Operation("get_terms", Kind.CONTROL, terms.GetTerms, terms.KeptDocuments, "GET", "/terms", "Read which documents are kept", READERS, rows_by_account="terms"),
    Operation("drop_terms", Kind.CONTROL, terms.DropTerms, terms.KeepingChanged, "DELETE", "/terms", "Keep the document of an account no more", ADMINS),
    Operation("get_accounts", Kind.CONTROL, book.GetAccounts, book.ServedAccounts, "GET", "/accounts", "List the accounts that are served", READERS, rows_by_account="accounts"),
    Operation("get_snapshots", Kind.CONTROL, book.GetSnapshots, book.Book, "GET", "/snapshots", "Read the newest snapshot of each account", READERS, rows_by_account="snapshots"),
    Operation("get_commands", Kind.CONTROL, book.GetCommands, book.CommandList, "GET", "/commands", "List commands", READERS, rows_by_account="commands"),
    Operation("get_command", Kind.CONTROL, control.GetCommand, book.CommandStatus, "GET", "/commands/{command_id}", "Read what became of a command", READERS),
    Operation("cancel_command", Kind.CONTROL, terms.CancelCommand, terms.CommandCancelled, "DELETE", "/commands/{command_id}", "Stop applying terms before the next symbol", TRADERS),
    Operation("get_status", Kind.CONTROL, control.GetStatus, control.Status, "GET", "/status", "Read how a worker and the venues fare", READERS, rows_by_account="streams"),
    Operation("get_doubts", Kind.CONTROL, control.GetDoubts, control.Doubts, "GET", "/doubts", "List what is in doubt", READERS, rows_by_account="doubts"),
    Operation("get_freezes", Kind.CONTROL, control.GetFreezes, control.Freezes, "GET", "/freeze", "List what is frozen", OVERSEERS, tells_of_all=True),
    Operation("freeze", Kind.CONTROL, control.Freeze, control.FreezeChanged, "POST", "/freeze", "Refuse changes from now on", ADMINS),
    Operation("unfreeze", Kind.CONTROL, control.Unfreeze, control.FreezeChanged, "DELETE", "/freeze", "Allow changes again", ADMINS),
    Operation("get_audit", Kind.CONTROL, audit.GetAudit, audit.Audit, "GET", "/audit", "Read who did what, and who was denied what", OVERSEERS, tells_of_all=True),
    Operation("get_dead_letters", Kind.CONTROL, letters.GetDeadLetters, letters.DeadLetterList, "GET", "/dead-letters", "List what could not be carried out", OVERSEERS, tells_of_all=True),
    Operation("requeue_dead_letter", Kind.CONTROL, letters.RequeueDeadLetter, letters.DeadLetterSettled, "POST", "/dead-letters/{letter_id}/requeue", "Send a dead letter again", ADMINS, tells_of_all=True),
    Operation("drop_dead_letter", Kind.CONTROL, letters.DropDeadLetter, letters.DeadLetterSettled, "POST", "/dead-letters/{letter_id}/drop", "Throw a dead letter away", ADMINS, tells_of_all=True),
    Operation("report_denials", Kind.CONTROL, audit.ReportDenials, audit.DenialsReported, "", "", "Write down what a shim has denied", frozenset()),
)  # fmt: skip

OPERATIONS: Mapping[str, Operation] = MappingProxyType({row.name: row for row in _ROWS})
"""All operations by name."""

ROUTES = tuple(row for row in _ROWS if row.path)
"""Those that stand in the HTTP API."""

COMMANDS = tuple(row for row in _ROWS if row.kind is Kind.COMMAND)
QUERIES = tuple(row for row in _ROWS if row.kind is Kind.QUERY)
CONTROLS = tuple(row for row in _ROWS if row.kind is Kind.CONTROL)
