"""The venues' official clients, as their documents say. What they raise for a refusal is one; all else says nothing.

OKX's and Hyperliquid's raise nothing for one: they hand the venue's answer on, and whoever calls looks at it.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

import eth_account
import gate_api
from binance_common.configuration import ConfigurationRestAPI
from binance_common.errors import BadRequestError, ClientError
from gate_api.exceptions import ApiException, GateApiException
from hyperliquid.exchange import Exchange
from hyperliquid.utils.error import ClientError as HyperliquidClientError
from okx.Account import AccountAPI
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP

from tests.benchmarks.truth.claims import Claim
from tests.benchmarks.truth.played import TIMEOUT_MS, ChangeKind
from tests.benchmarks.truth.stand import ASSET, LEVERAGE, Stand
from worker.accounts.account import Account

BAD_REQUESTS = range(400, 500)
"""What a client without a class for refusals is refused with."""

Call = Callable[[Account, ChangeKind], Claim]


BINANCE_CALLS: Mapping[ChangeKind, tuple[str, dict[str, Any]]] = MappingProxyType(
    {
        ChangeKind.LEVERAGE: ("change_initial_leverage", {"symbol": "ETHUSDT", "leverage": LEVERAGE}),
        ChangeKind.MARGIN_MODE: ("change_margin_type", {"symbol": "ETHUSDT", "margin_type": "ISOLATED"}),
        ChangeKind.AUTO_COLLECTION: ("fund_auto_collection", {}),
        ChangeKind.ASSET_COLLECTION: ("fund_collection_by_asset", {"asset": ASSET}),
    }
)


def _binance(account: Account, change: ChangeKind) -> Claim:
    package = "portfolio_margin" if account.portfolio_margin else "usds_futures"
    kind = "DerivativesTradingPortfolioMargin" if account.portfolio_margin else "DerivativesTradingUsdsFutures"
    configuration = ConfigurationRestAPI(
        api_key=account.reveal("api_key"),
        api_secret=account.reveal("secret"),
        base_path=account.base_url,
        timeout=TIMEOUT_MS,
        retries=0,
        keep_alive=False,
    )
    module: Any = import_module(f"binance_sdk_derivatives_trading_{package}")
    api = getattr(module, kind)(config_rest_api=configuration).rest_api
    name, arguments = BINANCE_CALLS[change]
    try:
        getattr(api, name)(**arguments).data()
    except (BadRequestError, ClientError):
        return Claim.REFUSED
    return Claim.APPLIED


def _bybit(account: Account, change: ChangeKind) -> Claim:
    client = HTTP(
        api_key=account.reveal("api_key"),
        api_secret=account.reveal("secret"),
        timeout=TIMEOUT_MS / 1_000,
        max_retries=1,
        log_requests=False,
    )
    client.endpoint = account.base_url
    try:
        if change is ChangeKind.LEVERAGE:
            wanted = {"buyLeverage": str(LEVERAGE), "sellLeverage": str(LEVERAGE)}
            client.set_leverage(category="linear", symbol="ETHUSDT", **wanted)
        else:
            client.set_margin_mode(setMarginMode="ISOLATED_MARGIN")
    except InvalidRequestError:
        return Claim.REFUSED
    return Claim.APPLIED


def _gate(account: Account, change: ChangeKind) -> Claim:
    configuration = gate_api.Configuration(
        host=f"{account.base_url}/api/v4", key=account.reveal("api_key"), secret=account.reveal("secret")
    )
    client = gate_api.ApiClient(configuration)
    api, limit = gate_api.FuturesApi(client), TIMEOUT_MS / 1_000
    try:
        if change is ChangeKind.LEVERAGE:
            wanted = {"cross_leverage_limit": str(LEVERAGE), "_request_timeout": limit}
            api.update_position_leverage("usdt", "ETH_USDT", "0", **wanted)
        else:
            mode = gate_api.FuturesPositionCrossMode("ISOLATED", "ETH_USDT")
            api.update_position_cross_mode("usdt", mode, _request_timeout=limit)
    except GateApiException:
        return Claim.REFUSED
    except ApiException as error:
        return Claim.REFUSED if error.status in BAD_REQUESTS else Claim.NOTHING
    finally:
        client.rest_client.pool_manager.clear()
    return Claim.APPLIED


def _okx(account: Account, change: ChangeKind) -> Claim:
    keys = [account.reveal(name) for name in ("api_key", "secret", "passphrase")]
    with AccountAPI(*keys, flag="0", domain=account.base_url) as client:
        client.timeout = TIMEOUT_MS / 1_000
        body = client.set_leverage(lever=str(LEVERAGE), mgnMode="cross", instId="ETH-USDT-SWAP")
    if not isinstance(body, dict) or "code" not in body:
        return Claim.NOTHING
    return Claim.APPLIED if body["code"] == "0" else Claim.REFUSED


def _hyperliquid(account: Account, change: ChangeKind) -> Claim:
    signer = eth_account.Account.from_key(account.reveal("secret"))
    client = Exchange(signer, account.base_url, account_address=account.account_address, timeout=TIMEOUT_MS / 1_000)
    with client.session, client.info.session:
        try:
            body = client.update_leverage(LEVERAGE, "ETH")
        except HyperliquidClientError:
            return Claim.REFUSED
    status = body.get("status") if isinstance(body, dict) else None
    return {"ok": Claim.APPLIED, "err": Claim.REFUSED}.get(str(status), Claim.NOTHING)


CALLS: Mapping[str, Call] = MappingProxyType(
    {"binance": _binance, "bybit": _bybit, "gate": _gate, "okx": _okx, "hyperliquid": _hyperliquid}
)


class BySdk:
    """Each call in a thread, for it blocks, and the venue lives in our loop."""

    name = "official SDK"

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        logging.getLogger("pybit").setLevel(logging.CRITICAL)

    def can(self, change: ChangeKind) -> bool:
        """All of them."""
        return True

    async def make(self, change: ChangeKind) -> Claim:
        """Call it. What it raises that is no refusal of its own says nothing, whatever it is."""
        account = self._stand.account(change)
        call = asyncio.to_thread(CALLS[self._stand.venue], account, change)
        try:
            return await call
        except (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, json.JSONDecodeError):
            return Claim.NOTHING
        except Exception as error:  # each client has classes of its own for what went wrong on the way
            if type(error).__module__.partition(".")[0] in OF_CLIENTS:
                return Claim.NOTHING
            raise

    async def close(self) -> None:
        """Every call has closed its own."""


OF_CLIENTS = frozenset(
    {"binance_common", "requests", "urllib3", "httpx", "httpcore", "pybit", "hyperliquid", "gate_api"}
)
"""Where what the clients raise comes from."""
