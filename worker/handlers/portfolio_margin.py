"""The Binance Portfolio Margin operations.

A collection weighs so much that there may be no room for it for a minute. That is waited for before the account's turn,
so that no other change of the account waits as well.
"""

from contextlib import AbstractAsyncContextManager
from functools import partial

from schemas.replies import AssetCollection, Collection, PmAccount, PmAssetBalance, PmBalance
from schemas.requests import PmAssetCollect, PmAutoCollect, PmGetAccount, PmGetBalance
from worker.handlers.coverage import missing_totals
from worker.handlers.plan import Applied, CommandPlan, Confirmed, QueryPlan, QueryResult
from worker.venues.port.adapter import Adapter, PmAccountRead, PortfolioMargin
from worker.venues.port.errors import NotSupported


def _portfolio_margin(adapter: Adapter) -> PortfolioMargin:
    if adapter.portfolio_margin is None:
        raise NotSupported("this account has no Portfolio Margin side")
    return adapter.portfolio_margin


def pm_get_balance(request: PmGetBalance, adapter: Adapter) -> QueryPlan[dict[str, PmAssetBalance]]:
    """Balances of a Portfolio Margin account, by asset."""
    return QueryPlan(
        _portfolio_margin(adapter).balance,
        lambda assets: QueryResult(
            PmBalance(exchange=adapter.exchange, exchange_account_id=request.exchange_account_id, assets=assets)
        ),
    )


def pm_get_account(request: PmGetAccount, adapter: Adapter) -> QueryPlan[PmAccountRead]:
    """The venue's raw balances, and the totals of the USDⓈ-M side."""

    def present(found: PmAccountRead) -> QueryResult:
        data = PmAccount(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            papi_balance=found.balances,
            papi_um_account=found.totals,
        )
        return QueryResult(data, missing_totals(found.untold))

    return QueryPlan(_portfolio_margin(adapter).account, present)


def room_to_auto_collect(request: PmAutoCollect, adapter: Adapter) -> AbstractAsyncContextManager[None]:
    """The room at the venue for `pm_auto_collect`."""
    return _portfolio_margin(adapter).room_to_collect(None)


def room_to_asset_collect(request: PmAssetCollect, adapter: Adapter) -> AbstractAsyncContextManager[None]:
    """The room at the venue for `pm_asset_collect`; BNB is refused here already."""
    return _portfolio_margin(adapter).room_to_collect(request.asset)


def pm_auto_collect(request: PmAutoCollect, adapter: Adapter) -> CommandPlan:
    """Sweep all futures balances but BNB into margin. Sent at most once."""

    def present(confirmed: Confirmed) -> Applied:
        return Applied(
            message="Auto-collection triggered successfully",
            data=Collection(
                success=True,
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                response=_response(confirmed),
            ),
            applied={"collected": "all but BNB"},
            confirmed=confirmed,
        )

    return CommandPlan(send=_portfolio_margin(adapter).auto_collect, echoed=lambda echo: echo.accepted, present=present)


def pm_asset_collect(request: PmAssetCollect, adapter: Adapter) -> CommandPlan:
    """Sweep one asset into margin. Sent at most once; BNB is refused before any call."""
    venue, asset = _portfolio_margin(adapter), request.asset
    venue.refuse_asset(asset)

    def present(confirmed: Confirmed) -> Applied:
        return Applied(
            message=f"Asset-collection triggered for {asset}",
            data=AssetCollection(
                success=True,
                exchange=adapter.exchange,
                exchange_account_id=request.exchange_account_id,
                asset=asset,
                response=_response(confirmed),
            ),
            applied={"collected": asset},
            confirmed=confirmed,
        )

    return CommandPlan(send=partial(venue.asset_collect, asset), echoed=lambda echo: echo.accepted, present=present)


def _response(confirmed: Confirmed) -> dict[str, object]:
    return dict(confirmed.raw)
