"""Binance's legal houses: as far as is known, one for all whose perpetuals can be traded here. And its streams."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from schemas.control import Network
from worker.accounts.networks import MAINNET
from worker.venues.client.hosts import Host

CHECKED = "2026-11-29"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host(
            "https://fapi.binance.com", "wss://fstream.binance.com", 'USDⓈ-M Futures documents, "General Info"'
        )
    }
)
"""The houses by region. The first one is where an account is that names none."""


class StreamAddress(NamedTuple):
    """Where a private stream is opened, and which source says so. No listen key is in it: it is subscribed to."""

    origin: str
    path: str
    source: str


_UM, _CM, _PM = "/private/stream", "/stream", "/pm/stream"
_ROUTED = 'USDⓈ-M Futures, "WebSocket Connect": the unrouted path was retired on 2026-04-23'
_SDK = "binance-sdk 18.1, 14.1 and 16.1, read 2026-11-29"

STREAMS: Mapping[tuple[Network, str], StreamAddress] = MappingProxyType(
    {
        (MAINNET, "um"): StreamAddress("wss://fstream.binance.com", _UM, _ROUTED),
        (MAINNET, "cm"): StreamAddress("wss://dstream.binance.com", _CM, _SDK),
        (MAINNET, "pm"): StreamAddress("wss://fstream.binance.com", _PM, _SDK),
        ("demo", "um"): StreamAddress("wss://fstream.binancefuture.com", _UM, _SDK),
        ("demo", "cm"): StreamAddress("wss://dstream.binancefuture.com", _CM, _SDK),
    }
)
"""Streams by network and feed. What the integration of COIN-M of 2026-06-30 means for its private stream was told
nowhere, and whether demo trading wants `/private`; both are as the official clients have them, and stand here to be
changed.
"""


def stream_url(network: Network, feed: str, base_url: str | None) -> str | None:
    """Where a feed is opened: at the venue, or at the stand-in that `base_url` names. None where there is none.

    >>> stream_url("mainnet", "um", None), stream_url("mainnet", "cm", "http://127.0.0.1:8081/")
    ('wss://fstream.binance.com/private/stream', 'ws://127.0.0.1:8081/stream')
    """
    address = STREAMS.get((network, feed))
    if address is None:
        return None
    origin = address.origin if base_url is None else "ws" + base_url.removeprefix("http").rstrip("/")
    return origin + address.path
