"""The four operations of a Binance Portfolio Margin account (papi)."""

import asyncio
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

from schemas.replies import CrossMarginBalance, FuturesBalance, PmAssetBalance, PmUmAccount
from worker.venues.client.transport import MeteredCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo
from worker.venues.port.errors import Ambiguous, NotSupported

NOT_COLLECTED = "BNB"
"""The one asset that neither collection moves (Fund Auto-collection, Fund Collection by Asset)."""

AUTO_COLLECTION, ASSET_COLLECTION = "papiPostAutoCollection", "papiPostAssetCollection"

COLLECTED: Row = {"msg": "success"}
"""The whole documented answer to a collection that was carried out."""


class BinancePortfolioMargin:
    """Balances and collections of one account. `um_assets` are those that USDⓈ-M markets settle in."""

    def __init__(self, transport: MeteredCalls, um_assets: frozenset[str]) -> None:
        self._transport = transport
        self._um_assets = um_assets

    async def balance(self) -> dict[str, PmAssetBalance]:
        """Balances by asset."""
        return {shape.text(row, "asset"): _asset_balance(row) for row in await self._balances()}

    async def account(self) -> tuple[tuple[dict[str, Any], ...], PmUmAccount]:
        """The raw balance rows, and the totals of the USDⓈ-M side made from them, um/account and account."""
        balances, um_account, account = await asyncio.gather(
            self._balances(), self._transport.call("papiGetUmAccount"), self._transport.call("papiGetAccount")
        )
        assets = shape.rows(shape.mapping(um_account, "um/account").get("assets"), "the assets of um/account")
        wallet = _total([row for row in balances if row.get("asset") in self._um_assets], "totalWalletBalance")
        profit = _total(assets, "crossUnPnl")
        whole = shape.mapping(account, "account")
        return tuple(balances), PmUmAccount(
            totalInitialMargin=format(_total(assets, "initialMargin"), "f"),
            totalMaintMargin=format(_total(assets, "maintMargin"), "f"),
            totalWalletBalance=format(wallet, "f"),
            totalUnrealizedProfit=format(profit, "f"),
            totalMarginBalance=format(wallet + profit, "f"),
            availableBalance=shape.text(whole, "totalAvailableBalance"),
            maxWithdrawAmount=shape.text(whole, "virtualMaxWithdrawAmount"),
        )

    def room_to_collect(self, asset: str | None) -> AbstractAsyncContextManager[None]:
        """Wait for the room that a collection of one asset, or of all, needs at Binance, and keep it for this task."""
        if asset is None:
            return self._transport.room(AUTO_COLLECTION)
        self.refuse_asset(asset)
        return self._transport.room(ASSET_COLLECTION)

    async def auto_collect(self) -> Echo:
        """Sweep every futures balance but BNB into margin. Moves money: never sent twice."""
        return _collected(await self._transport.call(AUTO_COLLECTION))

    def refuse_asset(self, asset: str) -> None:
        """Raise NotSupported for BNB."""
        if asset == NOT_COLLECTED:
            raise NotSupported(f"Binance can't collect {asset}; transfer it by hand", details={"asset": asset})

    async def asset_collect(self, asset: str) -> Echo:
        """Sweep one asset into margin. Moves money: never sent twice."""
        self.refuse_asset(asset)
        return _collected(await self._transport.call(ASSET_COLLECTION, {"asset": asset}))

    async def _balances(self) -> list[Row]:
        return shape.rows(await self._transport.call("papiGetBalance"), "balance")


def _collected(body: Any) -> Echo:
    if body != COLLECTED:
        raise Ambiguous("Binance's answer to the collection is not the documented one", raw=body)
    return Echo(raw=body, accepted=True)


def _total(rows: list[Row], name: str) -> Decimal:
    return sum((shape.decimal(row, name) for row in rows), Decimal(0))


def _asset_balance(row: Row) -> PmAssetBalance:
    return PmAssetBalance(
        cross_margin=CrossMarginBalance(
            total=shape.decimal(row, "crossMarginAsset"),
            free=shape.decimal(row, "crossMarginFree"),
            locked=shape.decimal(row, "crossMarginLocked"),
            borrowed=shape.decimal(row, "crossMarginBorrowed"),
            interest=shape.decimal(row, "crossMarginInterest"),
        ),
        um_futures=FuturesBalance(
            wallet=shape.decimal(row, "umWalletBalance"), unrealized_pnl=shape.decimal(row, "umUnrealizedPNL")
        ),
        cm_futures=FuturesBalance(
            wallet=shape.decimal(row, "cmWalletBalance"), unrealized_pnl=shape.decimal(row, "cmUnrealizedPNL")
        ),
        total_wallet_balance=shape.decimal(row, "totalWalletBalance"),
        negative_balance=shape.decimal(row, "negativeBalance"),
    )
