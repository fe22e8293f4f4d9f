"""Hyperliquid's legal houses: as far as is known, one for all whose perpetuals can be traded here."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.client.hosts import Host

CHECKED = "2026-11-29"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host(
            "https://api.hyperliquid.xyz",
            "wss://api.hyperliquid.xyz",
            'documentation, "API servers"; "WebSocket"',
            "wss://api.hyperliquid-testnet.xyz",
        )
    }
)
"""The houses by region. The first one is where an account is that names none."""
