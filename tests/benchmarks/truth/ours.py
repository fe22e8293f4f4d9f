"""Ours: the plan of each change, carried out as a worker does, on the real adapters."""

from decimal import Decimal
from typing import Any

from schemas.requests import PmAssetCollect, PmAutoCollect, SetLeverage, SetMarginMode
from tests.benchmarks.truth.claims import Claim
from tests.benchmarks.truth.played import ChangeKind
from tests.benchmarks.truth.stand import ASSET, LEVERAGE, Stand
from worker.execution.calls import VenueCalls
from worker.execution.confirmation import send_until_confirmed
from worker.execution.errors import Expired
from worker.handlers.leverage import set_leverage
from worker.handlers.margin_mode import set_margin_mode
from worker.handlers.plan import CommandPlan
from worker.handlers.portfolio_margin import pm_asset_collect, pm_auto_collect
from worker.runtime.clock import now
from worker.venues.port.errors import Ambiguous, Refused

DEADLINE_MS = 5_000


class Ours:
    """The change as a command that has five seconds."""

    name = "Perps DMA"

    def __init__(self, stand: Stand) -> None:
        self._stand = stand

    def can(self, change: ChangeKind) -> bool:
        """All of them."""
        return True

    async def make(self, change: ChangeKind) -> Claim:
        """Carry out a command."""
        try:
            await send_until_confirmed(self._plan(change), VenueCalls(now() + DEADLINE_MS, now))
        except (Refused, Expired):
            return Claim.REFUSED
        except Ambiguous:
            return Claim.NOTHING
        return Claim.APPLIED

    def _plan(self, change: ChangeKind) -> CommandPlan:
        adapter, symbol = self._stand.adapter(change), self._stand.symbol
        account: Any = {"exchange_account_id": self._stand.account(change).id}
        match change:
            case ChangeKind.LEVERAGE:
                return set_leverage(SetLeverage(**account, symbol=symbol, leverage=Decimal(LEVERAGE)), adapter)
            case ChangeKind.MARGIN_MODE:
                body = account | {"symbol": symbol, "margin_mode": "isolated"}
                return set_margin_mode(SetMarginMode.model_validate(body), adapter)
            case ChangeKind.AUTO_COLLECTION:
                return pm_auto_collect(PmAutoCollect(**account), adapter)
            case ChangeKind.ASSET_COLLECTION:
                return pm_asset_collect(PmAssetCollect(**account, asset=ASSET), adapter)

    async def close(self) -> None:
        """The stand keeps the connections."""
