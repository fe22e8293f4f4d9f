"""ccxt's unified calls. One that returns says that it is done, an OperationFailed (NetworkError, …) says nothing.

Where ccxt has no unified call its implicit one is used, as people do: for the collections.
"""

import re
from typing import Any

import ccxt.async_support as ccxt

from tests.benchmarks.truth.claims import Claim
from tests.benchmarks.truth.played import TIMEOUT_MS, ChangeKind
from tests.benchmarks.truth.stand import ASSET, LEVERAGE, Stand
from worker.accounts.account import Account

OPTIONS: dict[str, dict[str, Any]] = {
    "binance": {"fetchMarkets": {"types": ["linear", "inverse"]}, "defaultType": "swap", "fetchMargins": False},
    "bybit": {"fetchMarkets": {"types": ["linear", "inverse"]}, "defaultType": "swap"},
    "gate": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap", "unifiedAccount": False},
    "okx": {"fetchMarkets": {"types": ["swap"]}, "defaultType": "swap"},
    "hyperliquid": {"builderFee": False, "approvedBuilderFee": True, "refSet": True, "enableUnifiedMargin": False},
}


class ByCcxt:
    """One client for each account."""

    name = "ccxt"

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._clients: dict[str, Any] = {}

    def can(self, change: ChangeKind) -> bool:
        """Gate has no margin mode in ccxt."""
        return not (change is ChangeKind.MARGIN_MODE and self._stand.venue == "gate")

    async def prepare(self, change: ChangeKind) -> None:
        """Load the markets, while nothing goes wrong."""
        account = self._stand.account(change)
        if account.id not in self._clients:
            client = client_of(account)
            await client.load_markets()
            self._clients[account.id] = client

    async def make(self, change: ChangeKind) -> Claim:
        """Call it."""
        client, symbol = self._clients[self._stand.account(change).id], self._stand.symbol
        try:
            match change:
                case ChangeKind.LEVERAGE:
                    await client.set_leverage(LEVERAGE, symbol, {"marginMode": "cross"})
                case ChangeKind.MARGIN_MODE:
                    await client.set_margin_mode("isolated", symbol)
                case ChangeKind.AUTO_COLLECTION:
                    await client.papiPostAutoCollection()
                case ChangeKind.ASSET_COLLECTION:
                    await client.papiPostAssetCollection({"asset": ASSET})
        except ccxt.NoChange:
            return Claim.APPLIED
        except ccxt.OperationFailed:  # NetworkError and its like
            return Claim.NOTHING
        except ccxt.BaseError:
            return Claim.REFUSED
        return Claim.APPLIED

    async def close(self) -> None:
        """Close the sessions."""
        for client in self._clients.values():
            await client.close()


def client_of(account: Account) -> Any:
    """A client as its documents say, but for the address."""
    client = getattr(ccxt, account.exchange)(
        {"enableRateLimit": False, "timeout": TIMEOUT_MS, "options": OPTIONS[account.exchange], **_keys(account)}
    )
    client.has["fetchCurrencies"] = account.exchange == "hyperliquid"
    client.urls["api"] = _rebased(client.urls["api"], str(account.base_url))
    return client


def _keys(account: Account) -> dict[str, str]:
    if account.exchange == "hyperliquid":
        return {"privateKey": account.reveal("secret"), "walletAddress": str(account.account_address)}
    ours = {"apiKey": "api_key", "secret": "secret", "password": "passphrase"}
    return {theirs: account.reveal(name) for theirs, name in ours.items() if account.reveal(name)}


def _rebased(urls: Any, base_url: str) -> Any:
    if isinstance(urls, dict):
        return {name: _rebased(url, base_url) for name, url in urls.items()}
    return re.sub(r"^https://[^/]+", base_url, urls)
