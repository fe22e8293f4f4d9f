"""The four operations of a Binance Portfolio Margin account (papi).

Sources: Account Balance, Account Information, Get UM Account Detail, Fund Auto-collection and Fund Collection by Asset,
read 2026-11-29 in the official client 16.1. Account Information values its figures in USD, and its documented answer
has `"totalAvailableBalance": ""`. Contracts margined in BTC are listed under USDⓈ-M, so that this side holds unlike
currencies.
"""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from schemas.replies import CrossMarginBalance, FuturesBalance, PmAssetBalance, PmUmAccount
from worker.venues.binance.endpoints import spoken
from worker.venues.client.transport import MeteredCalls
from worker.venues.parsing import fields as shape
from worker.venues.parsing.amounts import CurrencyAmount, total
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import Echo, PmAccountRead
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, NotSupported, VenueError

NOT_COLLECTED = "BNB"
"""The one asset that neither collection moves (Fund Auto-collection, Fund Collection by Asset)."""

AUTO_COLLECTION, ASSET_COLLECTION = "papiPostAutoCollection", "papiPostAssetCollection"
BALANCE, UM_ACCOUNT, ACCOUNT = "papiGetBalance", "papiGetUmAccount", "papiGetAccount"

COLLECTED: Row = {"msg": "success"}
"""The whole documented answer to a collection that was carried out."""

OF_ASSETS = {
    "totalInitialMargin": "initialMargin",
    "totalMaintMargin": "maintMargin",
    "totalUnrealizedProfit": "crossUnPnl",
}
"""Totals that are made from the assets of um/account, and the field of each."""

OF_WHOLE = {"availableBalance": "totalAvailableBalance", "maxWithdrawAmount": "virtualMaxWithdrawAmount"}
"""Totals that the venue values itself, in USD, and the field of each in account."""

WALLET, MARGIN = "totalWalletBalance", "totalMarginBalance"
TOTALS = (*OF_ASSETS, WALLET, MARGIN, *OF_WHOLE)


class BinancePortfolioMargin:
    """Balances and collections of one account. `um_assets` are those that USDⓈ-M markets settle in."""

    def __init__(self, transport: MeteredCalls, um_assets: frozenset[str]) -> None:
        self._transport = transport
        self._um_assets = um_assets

    async def balance(self) -> dict[str, PmAssetBalance]:
        """Balances by asset."""
        with shape.ReadFrom(spoken(BALANCE)):
            return {shape.text(row, "asset"): _asset_balance(row) for row in await self._balances()}

    async def account(self) -> PmAccountRead:
        """The raw balance rows, and the totals of the USDⓈ-M side made from them, um/account and account.

        Where one of the other two can't be read, what is made of it is null.
        """
        balances, um_account, whole = await asyncio.gather(
            self._balances(), self._attempted(UM_ACCOUNT), self._attempted(ACCOUNT)
        )
        totals = _Totals()
        totals.take_from(whole, OF_WHOLE)
        totals.add_up(um_account, balances, self._um_assets)
        return PmAccountRead(tuple(balances), PmUmAccount(**totals.told), totals.untold)

    def room_to_collect(self, asset: str | None) -> AbstractAsyncContextManager[None]:
        """Wait for the room that a collection of one asset, or of all, needs at Binance, and keep it for this task."""
        if asset is None:
            return self._transport.room(AUTO_COLLECTION)
        self.refuse_asset(asset)
        return self._transport.room(ASSET_COLLECTION)

    async def auto_collect(self, door: Door) -> Echo:
        """Sweep every futures balance but BNB into margin. Moves money: never sent twice."""
        return _collected(AUTO_COLLECTION, await self._transport.change(door, AUTO_COLLECTION))

    def refuse_asset(self, asset: str) -> None:
        """Raise NotSupported for BNB."""
        if asset == NOT_COLLECTED:
            raise NotSupported(f"Binance can't collect {asset}; transfer it by hand", details={"asset": asset})

    async def asset_collect(self, asset: str, door: Door) -> Echo:
        """Sweep one asset into margin. Moves money: never sent twice."""
        self.refuse_asset(asset)
        return _collected(ASSET_COLLECTION, await self._transport.change(door, ASSET_COLLECTION, {"asset": asset}))

    async def _balances(self) -> list[Row]:
        return shape.rows(await self._transport.call(BALANCE), spoken(BALANCE))

    async def _attempted(self, name: str) -> Row | VenueError:
        try:
            return shape.mapping(await self._transport.call(name), spoken(name))
        except VenueError as error:
            return error


class _Totals:
    """Totals as they are `told`, all of them null at first, and why those are null that stay so."""

    def __init__(self) -> None:
        self.told: dict[str, str | None] = dict.fromkeys(TOTALS)
        self.untold: dict[str, str] = {}

    def take_from(self, whole: Row | VenueError, fields: dict[str, str]) -> None:
        """What the venue tells of the whole account."""
        for name, of in fields.items():
            if isinstance(whole, VenueError):
                self.untold[name] = whole.message
            elif value := whole.get(of):
                self.told[name] = str(value)
            else:
                self.untold[name] = f"{spoken(ACCOUNT)} tells no {of}"

    def add_up(self, um_account: Row | VenueError, balances: list[Row], um_assets: frozenset[str]) -> None:
        """Sums over the assets of the side, for each total whose amounts are all of one currency."""
        try:
            if isinstance(um_account, VenueError):
                raise um_account
            with shape.ReadFrom(spoken(UM_ACCOUNT)):
                assets = shape.rows(um_account.get("assets"), "its assets")
                sums = {name: self._sum(name, assets, of) for name, of in OF_ASSETS.items()}
                used = _currencies(assets, (*OF_ASSETS.values(), "crossWalletBalance"))
        except VenueError as error:
            self.untold |= dict.fromkeys((*OF_ASSETS, WALLET, MARGIN), error.message)
            return
        with shape.ReadFrom(spoken(BALANCE)):
            held = [row for row in balances if row.get("asset") in (used or um_assets)]
            wallet = self._sum(WALLET, held, WALLET)
        profit = sums["totalUnrealizedProfit"]
        if wallet is None or profit is None:
            self.untold[MARGIN] = self.untold.get(WALLET) or self.untold["totalUnrealizedProfit"]
        else:
            self._tell(MARGIN, (*wallet, *profit))

    def _sum(self, name: str, rows: list[Row], of: str) -> list[CurrencyAmount] | None:
        """Tell a total of a field over some assets, and give what it was made of; None where that is not known."""
        figures = [(row.get("asset"), shape.figure(row, of)) for row in rows]
        if untold := [asset for asset, figure in figures if figure is None]:
            self.untold[name] = f"{of} is not told of {untold[0]}"
            return None
        amounts = [CurrencyAmount(shape.text(row, "asset"), shape.decimal(row, of)) for row in rows]
        return amounts if self._tell(name, amounts) else None

    def _tell(self, name: str, amounts: Sequence[CurrencyAmount]) -> bool:
        added = total(amounts)
        if added is None:
            unlike = sorted({row.currency for row in amounts if row.amount})
            self.untold[name] = f"its amounts are in {' and '.join(unlike)}, and unlike currencies are not added"
            return False
        self.told[name] = format(added, "f")
        return True


def _currencies(rows: Iterable[Row], names: Iterable[str]) -> set[str]:
    """The currencies of which there is anything at all in one of these fields."""
    fields = tuple(names)
    return {shape.text(row, "asset") for row in rows if any(shape.figure(row, name) for name in fields)}


def _collected(name: str, body: Any) -> Echo:
    if body != COLLECTED:
        raise Ambiguous(f"Binance's answer to {spoken(name)} is not the documented one", raw=body)
    return Echo(raw=body, accepted=True)


def _asset_balance(row: Row) -> PmAssetBalance:
    return PmAssetBalance(
        cross_margin=CrossMarginBalance(
            total=shape.figure(row, "crossMarginAsset"),
            free=shape.figure(row, "crossMarginFree"),
            locked=shape.figure(row, "crossMarginLocked"),
            borrowed=shape.figure(row, "crossMarginBorrowed"),
            interest=shape.figure(row, "crossMarginInterest"),
        ),
        um_futures=FuturesBalance(
            wallet=shape.figure(row, "umWalletBalance"), unrealized_pnl=shape.figure(row, "umUnrealizedPNL")
        ),
        cm_futures=FuturesBalance(
            wallet=shape.figure(row, "cmWalletBalance"), unrealized_pnl=shape.figure(row, "cmUnrealizedPNL")
        ),
        total_wallet_balance=shape.figure(row, "totalWalletBalance"),
        negative_balance=shape.figure(row, "negativeBalance"),
    )
