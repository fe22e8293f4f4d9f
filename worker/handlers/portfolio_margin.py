"""The Binance Portfolio Margin operations.

A collection weighs so much that there may be no room for it for a minute. That is waited for before the account's turn,
so that no other change of the account waits as well.
"""

from contextlib import AbstractAsyncContextManager

from schemas.replies import AssetCollection, Collection, PmAccount, PmBalance
from schemas.requests import PmAssetCollect, PmAutoCollect, PmGetAccount, PmGetBalance
from worker.execution.calls import VenueCalls
from worker.execution.completion import Done, Found
from worker.execution.confirmation import Change, Confirmed, carry_out
from worker.execution.retries import COLLECTION
from worker.venues.errors import NotSupported
from worker.venues.seam import Adapter, PortfolioMargin


def _portfolio_margin(adapter: Adapter) -> PortfolioMargin:
    if adapter.portfolio_margin is None:
        raise NotSupported("this account has no Portfolio Margin side")
    return adapter.portfolio_margin


async def pm_get_balance(request: PmGetBalance, adapter: Adapter, calls: VenueCalls) -> Found:
    """Balances of a Portfolio Margin account, by asset."""
    venue = _portfolio_margin(adapter)
    assets = await calls.query(venue.balance)
    return Found(PmBalance(exchange=adapter.exchange, exchange_account_id=request.exchange_account_id, assets=assets))


async def pm_get_account(request: PmGetAccount, adapter: Adapter, calls: VenueCalls) -> Found:
    """The venue's raw balances, and the totals of the USDⓈ-M side."""
    venue = _portfolio_margin(adapter)
    balances, um_account = await calls.query(venue.account)
    return Found(
        PmAccount(
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            papi_balance=balances,
            papi_um_account=um_account,
        )
    )


def room_to_auto_collect(
    request: PmAutoCollect, adapter: Adapter, calls: VenueCalls
) -> AbstractAsyncContextManager[None]:
    """The room at the venue for `pm_auto_collect`."""
    return calls.holding(_portfolio_margin(adapter).room_to_collect(None))


def room_to_asset_collect(
    request: PmAssetCollect, adapter: Adapter, calls: VenueCalls
) -> AbstractAsyncContextManager[None]:
    """The room at the venue for `pm_asset_collect`; BNB is refused here already."""
    return calls.holding(_portfolio_margin(adapter).room_to_collect(request.asset))


async def pm_auto_collect(request: PmAutoCollect, adapter: Adapter, calls: VenueCalls) -> Done:
    """Sweep all futures balances but BNB into margin. Sent at most once."""
    venue = _portfolio_margin(adapter)
    confirmed = await carry_out(
        Change(send=venue.auto_collect, echoed=lambda echo: echo.accepted, retries=COLLECTION), calls
    )
    return Done(
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


async def pm_asset_collect(request: PmAssetCollect, adapter: Adapter, calls: VenueCalls) -> Done:
    """Sweep one asset into margin. Sent at most once; BNB is refused before any call."""
    venue = _portfolio_margin(adapter)
    venue.refuse_asset(request.asset)
    confirmed = await carry_out(
        Change(send=lambda: venue.asset_collect(request.asset), echoed=lambda echo: echo.accepted, retries=COLLECTION),
        calls,
    )
    return Done(
        message=f"Asset-collection triggered for {request.asset}",
        data=AssetCollection(
            success=True,
            exchange=adapter.exchange,
            exchange_account_id=request.exchange_account_id,
            asset=request.asset,
            response=_response(confirmed),
        ),
        applied={"collected": request.asset},
        confirmed=confirmed,
    )


def _response(confirmed: Confirmed) -> dict[str, object]:
    return dict(confirmed.raw)
