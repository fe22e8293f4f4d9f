"""Bybit's legal houses: each has hosts of its own, and knows the keys of its own customers only.

Sources: V5 "Integration Guidance" and its change log, bybit-api 4.7.7 (`apiRegion`) and pybit 5.17 (domain and tld),
read on 2026-11-29. Where no stream of its own is listed, a house uses the one of bybit.com. Testnet and demo trading
have one host for all but Hong Kong and Japan.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.control import Network
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET
from worker.accounts.regions import MAIN
from worker.venues.client.hosts import Host, as_stream

CHECKED = "2026-11-29"

STREAM = "wss://stream.bybit.com"


_GUIDE, _SDK = 'V5 "Integration Guidance"', "bybit-api 4.7.7"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host("https://api.bybit.com", STREAM, _GUIDE),
        "bytick": Host("https://api.bytick.com", STREAM, _GUIDE),
        "nl": Host("https://api.bybit.nl", STREAM, _GUIDE),
        "tr": Host("https://api.bybit.tr", "wss://stream.bybit.tr", f"{_SDK}; pybit 5.17 still has bybit-tr.com"),
        "kz": Host("https://api.bybit.kz", "wss://stream.bybit.kz", _GUIDE),
        "ge": Host("https://api.bybitgeorgia.ge", "wss://stream.bybitgeorgia.ge", "V5 change log of 2025-07-04"),
        "ae": Host("https://api.bybit.ae", STREAM, _SDK),
        "eu": Host("https://api.bybit.eu", STREAM, _SDK),
        "id": Host("https://api.bybit.id", "wss://stream.bybit.id", _SDK),
        "jp": Host("https://api.manepa.jp", "wss://stream.manepa.jp", _SDK),
        "hk": Host(
            "https://api.spark-fintech.com",
            "wss://stream.spark-fintech.com",
            _SDK,
            headers=MappingProxyType({"x-refer-site-id": "HKG"}),
        ),
        "br": Host("https://api.bybit.com", STREAM, _SDK, headers=MappingProxyType({"x-site-id": "BRA_BTL"})),
        "ar": Host("https://api.bybit.com", STREAM, _SDK, headers=MappingProxyType({"x-site-id": "ARG_BTL"})),
    }
)
"""The houses by region. The first one is where an account is that names none."""

PLAY_STREAMS: Mapping[Network, str] = MappingProxyType(
    {
        "testnet": "wss://stream-testnet.bybit.com",
        "demo": "wss://stream-demo.bybit.com",
    }
)
"""The streams of the networks of play money, one for all houses (V5 "Connect", "Demo Trading Service")."""

PRIVATE = "/v5/private"
"""The path of the private stream, the same at each house."""


def private_stream(account: Account) -> str:
    """Where an account's private stream is: at the house and on the network that its key belongs to.

    That a handshake needs none of the headers which requests to a house carry is a guess: no document speaks of it.
    """
    if account.base_url:
        return as_stream(account.base_url) + PRIVATE
    if account.network != MAINNET:
        return PLAY_STREAMS[account.network] + PRIVATE
    return HOSTS[account.region or MAIN].stream + PRIVATE
