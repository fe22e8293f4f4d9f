"""Signed calls to Hyperliquid: ccxt's hyperliquid, with our nonces and our reading of its answers.

ccxt's class signs approvals of a builder fee and a referrer on its own account when markets are loaded with a key. Here
markets are loaded without any, and nothing but a change of leverage can be signed at all.
"""

import asyncio
import copy
from typing import Any, Self

from ccxt.async_support.hyperliquid import hyperliquid

from schemas.base import Milliseconds
from schemas.control import Network
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET
from worker.venues.client.connections import VenueConnections
from worker.venues.client.masking import SecretMask
from worker.venues.client.signing import SigningExchange, public_exchange, rebase
from worker.venues.client.transport import Transport
from worker.venues.hyperliquid.credentials import credentials_of
from worker.venues.hyperliquid.errors import judge
from worker.venues.hyperliquid.limits import INFO, LIMITS
from worker.venues.hyperliquid.signing import NonceSource, compile_ccxt, nonces_of
from worker.venues.limits.tables import User
from worker.venues.parsing import fields as shape
from worker.venues.port.errors import NotSupported
from worker.venues.reading.preflight import attempted

SIGNED_ACTIONS = frozenset({"updateLeverage", "updateIsolatedMargin"})
"""All that is ever signed."""

OPTIONS = {
    "defaultType": "swap",
    "builderFee": False,
    "approvedBuilderFee": True,
    "refSet": True,
    "enableUnifiedMargin": False,
    "maxRetriesOnFailure": 0,
}
"""No second sending, and all that makes ccxt believe its approvals were given long ago."""

LISTING = ("perpDexs", "spotMeta")
"""What has to be known to number the perpetuals that allPerpMetas tells of, and to name what they settle in."""


class _Signing(hyperliquid):  # type: ignore[misc]  # ccxt's classes are untyped
    """ccxt's hyperliquid that signs an action as it is sent, with a nonce of its signer's own source."""

    privateKey: str  # noqa: N815 - ccxt's name
    nonces: NonceSource

    def sign(self, path: str, api: Any, method: str = "GET", params: Any = None) -> Any:
        """A request as it is sent. Every sending of an action has a nonce and a signature of its own."""
        return super().sign(path, api, method, self._signed(params) if path == "exchange" else params)

    def sign_l1_action(self, action: Any, *more: Any) -> Any:
        """The signature of an action. Raises NotSupported for any that is not ours."""
        if action["type"] not in SIGNED_ACTIONS:
            raise NotSupported(f"an action {action['type']} is never signed here")
        return super().sign_l1_action(action, *more)

    def sign_user_signed_action(self, *_: Any) -> Any:
        """Raise NotSupported: these are transfers, withdrawals and approvals."""
        raise NotSupported("no transfer, withdrawal or approval is ever signed here")

    async def initialize_client(self) -> bool:
        """Nothing: ccxt would sign its approvals here."""
        return False

    def _signed(self, request: dict[str, Any]) -> dict[str, Any]:
        nonce = self.nonces.take(self.milliseconds() - int(self.options.get("timeDifference", 0)))
        vault = request["vaultAddress"]
        signature = self.sign_l1_action(request["action"], nonce, self.format_vault_address(vault))
        return request | {"nonce": nonce, "signature": signature}


class HyperliquidExchange(SigningExchange, _Signing):
    """ccxt's hyperliquid whose answers are judged by our table."""

    judge = staticmethod(judge)
    metered = LIMITS


class HyperliquidTransport(Transport):
    """Calls for one Hyperliquid account."""

    def for_account(self, account: Account) -> Self:
        """A transport that signs for an account. Raises AccessDenied for a malformed key or address."""
        credentials = credentials_of(account)
        twin = copy.copy(self._exchange)
        twin.options = dict(self._exchange.options)
        twin.privateKey, twin.walletAddress = credentials.private_key, credentials.owner
        twin.mask = SecretMask(credentials.private_key)
        twin.nonces = nonces_of(credentials.signer)
        twin.user = User(account.id, credentials.owner)
        return self._beside(twin)

    async def _listed(self, loader: Any) -> list[dict[str, Any]]:
        """What the venue lists, as it tells it. ccxt asks for each dex by itself, and up to 209 are too many.

        An error takes the place of an answer without which some perpetuals can still be read. Raises VenueError.
        """
        metas, *more = await asyncio.gather(
            loader.publicPostInfo({"type": "allPerpMetas"}), *(self._or_why_not(loader, kind) for kind in LISTING)
        )
        return [{"allPerpMetas": metas} | dict(zip(LISTING, more, strict=True))]

    async def _or_why_not(self, loader: Any, kind: str) -> Any:
        return await attempted(loader.publicPostInfo({"type": kind}))

    async def server_time(self, name: str) -> Milliseconds:
        """The venue's clock, as exchangeStatus tells it."""
        status = await self._send(INFO, {"type": "exchangeStatus"})
        return shape.milliseconds(shape.mapping(status, "exchangeStatus"), "time")


def without_keys(
    connections: VenueConnections, base_url: str | None, timeout_ms: Milliseconds, network: Network = MAINNET
) -> HyperliquidTransport:
    """A transport for public calls, from which those of the accounts are made."""
    compile_ccxt()
    exchange = public_exchange(HyperliquidExchange, OPTIONS, connections, base_url, network)
    if base_url:
        exchange.urls["api"] = rebase(exchange.urls["api"], base_url)
    return HyperliquidTransport(exchange, timeout_ms)
