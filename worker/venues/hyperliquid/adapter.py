"""One Hyperliquid account behind the venue seam."""

import asyncio
from decimal import Decimal
from functools import partial
from typing import Any

from schemas.replies import Position
from schemas.requests import MarginMode, MarketType
from worker.accounts.account import Account
from worker.venues.client.transport import ClockedCalls
from worker.venues.hyperliquid import settings
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.hyperliquid.history import Funding, RealizedPnl
from worker.venues.hyperliquid.instruments import Instrument, Universe, coverage_of, id_of
from worker.venues.hyperliquid.positions import held_rows, position_in, position_of, size_of, state_of, terms_of
from worker.venues.hyperliquid.preflight import preflight
from worker.venues.parsing import fields as shape
from worker.venues.parsing.fields import Row
from worker.venues.port.adapter import (
    Echo,
    History,
    HistoryQuery,
    MarginSettings,
    Market,
    OpenPositions,
    PortfolioMargin,
    SymbolState,
)
from worker.venues.port.capabilities import capabilities_of
from worker.venues.port.check_results import CheckResult
from worker.venues.port.errors import NotSupported
from worker.venues.reading.parts import PartReader, RowsRead, understood
from worker.venues.reading.past_markets import past_market

ABREAST = 20
"""Dexes that an account is asked for at once. There may be some two hundred."""


class HyperliquidAdapter:
    """One account, or a vault or sub-account that it acts for. Raises AccessDenied for malformed credentials."""

    exchange = "hyperliquid"
    portfolio_margin: PortfolioMargin | None = None

    def __init__(self, account: Account, transport: ClockedCalls, universe: Universe) -> None:
        self._account_id = account.id
        self._registered = account
        self._who = credentials_of(account)
        self._transport = transport
        self._universe = universe
        self._reader = PartReader(self.exchange, account.id)
        self._abreast = asyncio.Semaphore(ABREAST)
        self.capabilities = capabilities_of(account)

    def market(self, symbol: str, market_type: MarketType) -> Market:
        """The market of a unified symbol. Raises UnknownSymbol, with what was probably meant, or NotSupported."""
        _refuse_futures(market_type)
        return self._universe.markets.find(symbol, market_type)

    def past_market(self, symbol: str, market_type: MarketType) -> Market | None:
        """A market that is listed no longer, as far as its records need it."""
        return past_market(symbol, market_type, id_of)

    async def check_leverage(self, market: Market, leverage: Decimal) -> None:
        """Raise ValueRefused, naming the range, for a leverage the market can't have."""
        await settings.check_leverage(self._transport, self._universe.of_market(market), leverage)

    async def set_leverage(self, market: Market, leverage: Decimal) -> Echo:
        """Set the leverage of a market and nothing else: the present margin mode is sent along."""
        return await settings.set_leverage(self._transport, self._who, self._universe.of_market(market), leverage)

    async def set_margin_mode(self, market: Market, mode: MarginMode) -> Echo:
        """Raise NotSupported: the venue has no action for it but one that also sets the leverage."""
        raise NotSupported("the margin mode of a Hyperliquid market can't be switched here")

    async def terms(self, market: Market) -> MarginSettings:
        """Leverage and margin mode now, with or without a position."""
        return await settings.read_terms(self._transport, self._who.owner, self._universe.of_market(market))

    async def symbol_state(self, market: Market) -> SymbolState:
        """Terms and position of a market."""
        instrument = self._universe.of_market(market)
        rows = await settings.read_positions(self._transport, self._who.owner, instrument)
        if rows:
            return state_of(rows, terms_of(rows[0]))
        return state_of(rows, await settings.read_flat_terms(self._transport, self._who.owner, instrument))

    async def positions(self, market_type: MarketType | None = None, market: Market | None = None) -> OpenPositions:
        """All open positions or those of one market; coverage names the dexes that were read."""
        _refuse_futures(market_type)
        dexes = self._universe.dexes if market is None else (self._universe.of_market(market).dex,)
        return await self._reader.positions({coverage_of(dex): partial(self._open_in, dex, market) for dex in dexes})

    async def funding_history(self, query: HistoryQuery) -> History:
        """Funding payments, received positive."""
        _refuse_futures(query.market_type)
        return await Funding(self._transport, self._who.owner, self._universe).history(query, self._reader)

    async def realized_pnl(self, query: HistoryQuery) -> History:
        """Realized profits and losses, gross of fees."""
        _refuse_futures(query.market_type)
        return await RealizedPnl(self._transport, self._who.owner, self._universe).history(query, self._reader)

    async def preflight(self) -> tuple[CheckResult, ...]:
        """What stands in the way of the account's commands. Only reads, and raises nothing that a venue answers."""
        return await preflight(self._transport, self._registered, self._who)

    async def _open_in(self, dex: str, only: Market | None) -> RowsRead[Position]:
        async with self._abreast:
            body = await settings.read_dex(self._transport, self._who.owner, dex)

        def position(held: Any) -> Position | None:
            row = position_in(held)
            if only and row.get("coin") != only.id:
                return None
            return position_of(row, self._listed(row), self._account_id) if size_of(row) else None

        return understood(held_rows(body), position)

    def _listed(self, row: Row) -> Instrument:
        coin = shape.text(row, "coin")
        if instrument := self._universe.of_coin(coin):
            return instrument
        raise self._universe.markets.unlisted("Hyperliquid", coin, row)


def _refuse_futures(market_type: MarketType | None) -> None:
    if market_type is MarketType.FUTURE:
        raise NotSupported("Hyperliquid has perpetuals only; leave market_type out or pass swap")
