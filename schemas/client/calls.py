"""Every operation as a method. Written by `make schemas` out of the table of operations."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal, TypeVar

from ..audit.records import Audit
from ..base import WireModel
from ..book import Book, CommandList, CommandStatus, ServedAccounts
from ..control import Doubts, Exchange, FreezeChanged, Freezes, Status
from ..letters import DeadLetterList, DeadLetterSettled, LetterId
from ..margin import MarginHealth, MarginMoved
from ..outcomes import Outcome
from ..replies import (
    AssetCollection,
    Collection,
    FundingHistory,
    Leverage,
    LeverageSet,
    LeverageTiers,
    MarginModeSet,
    PmAccount,
    PmBalance,
    PositionModes,
    PositionModeSet,
    Positions,
    RealizedPnl,
    Side,
)
from ..requests import MarginMode, MarketType, PositionMode
from ..terms import CommandCancelled, DesiredTerms, KeepingChanged, KeptDocuments, TermsApplied, TermsPlan
from .answers import Answer, Result, Sending

Data = TypeVar("Data", bound=WireModel)


class Calls(ABC):
    """The operations, in the order of their table.

    Commands take `command_id`, the id that they are carried out once under; without it one is made. The audit
    keeps their `reason`, if they have one. `timeout_s` is how long it may take, in seconds; without it, it is the
    client's.
    """

    @abstractmethod
    async def _command(
        self, name: str, data: type[Data], fields: Mapping[str, Any], sending: Sending, timeout_s: float | None
    ) -> Result[Data]: ...

    @abstractmethod
    async def _query(
        self, name: str, data: type[Data], fields: Mapping[str, Any], timeout_s: float | None
    ) -> Answer[Data]: ...

    async def set_leverage(
        self,
        exchange_account_id: str,
        symbol: str,
        leverage: Decimal | float,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        notional: Decimal | float | None = None,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[LeverageSet]:
        """Set the leverage of a market."""
        return await self._command(
            "set_leverage",
            LeverageSet,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "market_type": market_type,
                "leverage": leverage,
                "notional": notional,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def get_leverage(
        self,
        exchange_account_id: str,
        symbol: str,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        timeout_s: float | None = None,
    ) -> Answer[Leverage]:
        """Read leverage and margin mode of a market."""
        return await self._query(
            "get_leverage",
            Leverage,
            {"exchange_account_id": exchange_account_id, "symbol": symbol, "market_type": market_type},
            timeout_s,
        )

    async def set_margin_mode(
        self,
        exchange_account_id: str,
        symbol: str,
        margin_mode: MarginMode | Literal["cross", "isolated"],
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[MarginModeSet]:
        """Switch between cross and isolated margin."""
        return await self._command(
            "set_margin_mode",
            MarginModeSet,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "market_type": market_type,
                "margin_mode": margin_mode,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def get_position_mode(
        self,
        exchange_account_id: str,
        *,
        symbol: str | None = None,
        settle: str | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        timeout_s: float | None = None,
    ) -> Answer[PositionModes]:
        """Read whether an account is in one-way or hedge mode."""
        return await self._query(
            "get_position_mode",
            PositionModes,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "settle": settle,
                "market_type": market_type,
            },
            timeout_s,
        )

    async def set_position_mode(
        self,
        exchange_account_id: str,
        position_mode: PositionMode | Literal["one_way", "hedge"],
        *,
        symbol: str | None = None,
        settle: str | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[PositionModeSet]:
        """Switch between one-way and hedge mode."""
        return await self._command(
            "set_position_mode",
            PositionModeSet,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "settle": settle,
                "market_type": market_type,
                "position_mode": position_mode,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def get_leverage_tiers(
        self,
        exchange_account_id: str,
        *,
        symbol: str | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        timeout_s: float | None = None,
    ) -> Answer[LeverageTiers]:
        """Read the leverage and margin that positions of each size may have."""
        return await self._query(
            "get_leverage_tiers",
            LeverageTiers,
            {"exchange_account_id": exchange_account_id, "symbol": symbol, "market_type": market_type},
            timeout_s,
        )

    async def get_positions(
        self,
        exchange_account_id: str,
        *,
        symbol: str | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        timeout_s: float | None = None,
    ) -> Answer[Positions]:
        """List open positions."""
        return await self._query(
            "get_positions",
            Positions,
            {"exchange_account_id": exchange_account_id, "symbol": symbol, "market_type": market_type},
            timeout_s,
        )

    async def get_funding_history(
        self,
        exchange_account_id: str,
        *,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        cursor: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[FundingHistory]:
        """List funding payments."""
        return await self._query(
            "get_funding_history",
            FundingHistory,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "since": since,
                "limit": limit,
                "market_type": market_type,
                "cursor": cursor,
            },
            timeout_s,
        )

    async def get_realized_pnl(
        self,
        exchange_account_id: str,
        *,
        symbol: str | None = None,
        since: int | None = None,
        limit: int | None = None,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        cursor: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[RealizedPnl]:
        """List realized profits and losses."""
        return await self._query(
            "get_realized_pnl",
            RealizedPnl,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "since": since,
                "limit": limit,
                "market_type": market_type,
                "cursor": cursor,
            },
            timeout_s,
        )

    async def get_margin_health(
        self, exchange_account_id: str, *, timeout_s: float | None = None
    ) -> Answer[MarginHealth]:
        """Read how near an account is to liquidation."""
        return await self._query(
            "get_margin_health", MarginHealth, {"exchange_account_id": exchange_account_id}, timeout_s
        )

    async def add_margin(
        self,
        exchange_account_id: str,
        symbol: str,
        amount: Decimal | float,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        position_side: Side | None = None,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[MarginMoved]:
        """Add margin to an isolated position."""
        return await self._command(
            "add_margin",
            MarginMoved,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "market_type": market_type,
                "amount": amount,
                "position_side": position_side,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def remove_margin(
        self,
        exchange_account_id: str,
        symbol: str,
        amount: Decimal | float,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        position_side: Side | None = None,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[MarginMoved]:
        """Take margin out of an isolated position."""
        return await self._command(
            "remove_margin",
            MarginMoved,
            {
                "exchange_account_id": exchange_account_id,
                "symbol": symbol,
                "market_type": market_type,
                "amount": amount,
                "position_side": position_side,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def pm_get_balance(self, exchange_account_id: str, *, timeout_s: float | None = None) -> Answer[PmBalance]:
        """Read Portfolio Margin balances."""
        return await self._query("pm_get_balance", PmBalance, {"exchange_account_id": exchange_account_id}, timeout_s)

    async def pm_get_account(self, exchange_account_id: str, *, timeout_s: float | None = None) -> Answer[PmAccount]:
        """Read the Portfolio Margin account."""
        return await self._query("pm_get_account", PmAccount, {"exchange_account_id": exchange_account_id}, timeout_s)

    async def pm_auto_collect(
        self,
        exchange_account_id: str,
        *,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[Collection]:
        """Sweep all futures balances into margin."""
        return await self._command(
            "pm_auto_collect",
            Collection,
            {"exchange_account_id": exchange_account_id},
            Sending(command_id, reason),
            timeout_s,
        )

    async def pm_asset_collect(
        self,
        exchange_account_id: str,
        asset: str,
        *,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[AssetCollection]:
        """Sweep one asset into margin."""
        return await self._command(
            "pm_asset_collect",
            AssetCollection,
            {"exchange_account_id": exchange_account_id, "asset": asset},
            Sending(command_id, reason),
            timeout_s,
        )

    async def plan_terms(
        self,
        exchange_account_id: str,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        position_mode: PositionMode | Literal["one_way", "hedge"] | None = None,
        defaults: DesiredTerms | Mapping[str, Any] | None = None,
        symbols: Mapping[str, DesiredTerms | Mapping[str, Any]] | None = None,
        select: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[TermsPlan]:
        """Plan what an account's terms would take."""
        return await self._query(
            "plan_terms",
            TermsPlan,
            {
                "exchange_account_id": exchange_account_id,
                "market_type": market_type,
                "position_mode": position_mode,
                "defaults": defaults,
                "symbols": symbols,
                "select": select,
            },
            timeout_s,
        )

    async def apply_terms(
        self,
        exchange_account_id: str,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        position_mode: PositionMode | Literal["one_way", "hedge"] | None = None,
        defaults: DesiredTerms | Mapping[str, Any] | None = None,
        symbols: Mapping[str, DesiredTerms | Mapping[str, Any]] | None = None,
        select: str | None = None,
        fingerprint: str | None = None,
        force: bool = False,
        command_id: str | None = None,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Result[TermsApplied]:
        """Make an account's terms as a document says."""
        return await self._command(
            "apply_terms",
            TermsApplied,
            {
                "exchange_account_id": exchange_account_id,
                "market_type": market_type,
                "position_mode": position_mode,
                "defaults": defaults,
                "symbols": symbols,
                "select": select,
                "fingerprint": fingerprint,
                "force": force,
            },
            Sending(command_id, reason),
            timeout_s,
        )

    async def keep_terms(
        self,
        exchange_account_id: str,
        *,
        market_type: MarketType | Literal["swap", "future"] = "swap",
        position_mode: PositionMode | Literal["one_way", "hedge"] | None = None,
        defaults: DesiredTerms | Mapping[str, Any] | None = None,
        symbols: Mapping[str, DesiredTerms | Mapping[str, Any]] | None = None,
        select: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[KeepingChanged]:
        """Keep an account as a document says."""
        return await self._query(
            "keep_terms",
            KeepingChanged,
            {
                "exchange_account_id": exchange_account_id,
                "market_type": market_type,
                "position_mode": position_mode,
                "defaults": defaults,
                "symbols": symbols,
                "select": select,
            },
            timeout_s,
        )

    async def get_terms(
        self, *, exchange_account_id: str | None = None, timeout_s: float | None = None
    ) -> Answer[KeptDocuments]:
        """Read which documents are kept."""
        return await self._query("get_terms", KeptDocuments, {"exchange_account_id": exchange_account_id}, timeout_s)

    async def drop_terms(self, exchange_account_id: str, *, timeout_s: float | None = None) -> Answer[KeepingChanged]:
        """Keep the document of an account no more."""
        return await self._query("drop_terms", KeepingChanged, {"exchange_account_id": exchange_account_id}, timeout_s)

    async def get_accounts(self, *, timeout_s: float | None = None) -> Answer[ServedAccounts]:
        """List the accounts that are served."""
        return await self._query("get_accounts", ServedAccounts, {}, timeout_s)

    async def get_snapshots(
        self,
        *,
        exchange_account_id: str | None = None,
        exchange: Exchange | None = None,
        symbol: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[Book]:
        """Read the newest snapshot of each account."""
        return await self._query(
            "get_snapshots",
            Book,
            {"exchange_account_id": exchange_account_id, "exchange": exchange, "symbol": symbol},
            timeout_s,
        )

    async def get_commands(
        self,
        *,
        exchange_account_id: str | None = None,
        exchange: Exchange | None = None,
        operation: str | None = None,
        outcome: Outcome
        | Literal[
            "applied", "unchanged", "rejected", "precondition_failed", "unsupported", "unknown", "expired", "partial"
        ]
        | None = None,
        actor: str | None = None,
        since: int | None = None,
        limit: int = 100,
        cursor: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[CommandList]:
        """List commands."""
        return await self._query(
            "get_commands",
            CommandList,
            {
                "exchange_account_id": exchange_account_id,
                "exchange": exchange,
                "operation": operation,
                "outcome": outcome,
                "actor": actor,
                "since": since,
                "limit": limit,
                "cursor": cursor,
            },
            timeout_s,
        )

    async def get_command(self, command_id: str, *, timeout_s: float | None = None) -> Answer[CommandStatus]:
        """Read what became of a command."""
        return await self._query("get_command", CommandStatus, {"command_id": command_id}, timeout_s)

    async def cancel_command(
        self, command_id: str, *, exchange_account_id: str | None = None, timeout_s: float | None = None
    ) -> Answer[CommandCancelled]:
        """Stop applying terms before the next symbol."""
        return await self._query(
            "cancel_command",
            CommandCancelled,
            {"command_id": command_id, "exchange_account_id": exchange_account_id},
            timeout_s,
        )

    async def get_status(self, *, timeout_s: float | None = None) -> Answer[Status]:
        """Read how a worker and the venues fare."""
        return await self._query("get_status", Status, {}, timeout_s)

    async def get_doubts(self, *, timeout_s: float | None = None) -> Answer[Doubts]:
        """List what is in doubt."""
        return await self._query("get_doubts", Doubts, {}, timeout_s)

    async def get_freezes(self, *, timeout_s: float | None = None) -> Answer[Freezes]:
        """List what is frozen."""
        return await self._query("get_freezes", Freezes, {}, timeout_s)

    async def freeze(
        self,
        reason: str,
        *,
        exchange_account_id: str | None = None,
        exchange: Exchange | None = None,
        all: bool = False,
        timeout_s: float | None = None,
    ) -> Answer[FreezeChanged]:
        """Refuse changes from now on."""
        return await self._query(
            "freeze",
            FreezeChanged,
            {"exchange_account_id": exchange_account_id, "exchange": exchange, "all": all, "reason": reason},
            timeout_s,
        )

    async def unfreeze(
        self,
        *,
        exchange_account_id: str | None = None,
        exchange: Exchange | None = None,
        all: bool = False,
        reason: str | None = None,
        timeout_s: float | None = None,
    ) -> Answer[FreezeChanged]:
        """Allow changes again."""
        return await self._query(
            "unfreeze",
            FreezeChanged,
            {"exchange_account_id": exchange_account_id, "exchange": exchange, "all": all, "reason": reason},
            timeout_s,
        )

    async def get_audit(
        self, *, after: int | None = None, limit: int = 100, timeout_s: float | None = None
    ) -> Answer[Audit]:
        """Read who did what, and who was denied what."""
        return await self._query("get_audit", Audit, {"after": after, "limit": limit}, timeout_s)

    async def get_dead_letters(
        self,
        *,
        exchange_account_id: str | None = None,
        operation: str | None = None,
        since: int | None = None,
        limit: int = 100,
        timeout_s: float | None = None,
    ) -> Answer[DeadLetterList]:
        """List what could not be carried out."""
        return await self._query(
            "get_dead_letters",
            DeadLetterList,
            {"exchange_account_id": exchange_account_id, "operation": operation, "since": since, "limit": limit},
            timeout_s,
        )

    async def requeue_dead_letter(
        self, letter_id: LetterId, reason: str, *, timeout_s: float | None = None
    ) -> Answer[DeadLetterSettled]:
        """Send a dead letter again."""
        return await self._query(
            "requeue_dead_letter", DeadLetterSettled, {"letter_id": letter_id, "reason": reason}, timeout_s
        )

    async def drop_dead_letter(
        self, letter_id: LetterId, reason: str, *, timeout_s: float | None = None
    ) -> Answer[DeadLetterSettled]:
        """Throw a dead letter away."""
        return await self._query(
            "drop_dead_letter", DeadLetterSettled, {"letter_id": letter_id, "reason": reason}, timeout_s
        )
