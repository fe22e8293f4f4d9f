"""Binance at one address: its markets, and adapters for its accounts."""

from worker.accounts.account import Account
from worker.venues.binance.adapter import BinanceAdapter
from worker.venues.binance.client import without_keys
from worker.venues.binance.instruments import BinanceMarkets, kind_of, listed, names_of
from worker.venues.parsing.markets import Unlisted
from worker.venues.reading.venue import LOAD_TIMEOUT_MS, ListedVenue


class BinanceVenue(ListedVenue[BinanceMarkets]):
    """USDⓈ-M and COIN-M. A family that is barred hides the other one's markets from nobody."""

    exchange = "binance"
    without_keys = staticmethod(without_keys)

    async def listing(self, unlisted: Unlisted, before: BinanceMarkets | None) -> BinanceMarkets:
        """The markets of both families."""
        found = await self._public.listings(LOAD_TIMEOUT_MS)
        raw = [listed(row, inverse=family == "inverse") for family, rows in found.rows.items() for row in rows]
        markets = BinanceMarkets.from_ccxt(raw, unlisted, kind_of=kind_of, names_of=names_of, venue="binance")
        markets.refused = found.refused
        return markets

    def seen(self, listing: BinanceMarkets) -> object:
        """The markets, and what the families say that tell none."""
        return listing, {family: error.message for family, error in listing.refused.items()}

    def made(self, account: Account, listing: BinanceMarkets) -> BinanceAdapter:
        """A new adapter."""
        return BinanceAdapter(account, self._public.for_account(account), listing)
