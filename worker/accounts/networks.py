"""The networks of each venue: the real one, and those where money is play money.

What is offered is what ccxt can reach and sign for, and what the venues write of it: Bybit ("Demo Trading Service"),
OKX ("Demo Trading Services"), Hyperliquid ("API servers"). Each has accounts, keys and markets of its own.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.control import Exchange, Network

MAINNET: Network = "mainnet"

LACKS: Mapping[tuple[Exchange, Network], str] = MappingProxyType(
    {
        ("binance", "demo"): "no Portfolio Margin, and the rights of a key can't be checked",
        ("bybit", "testnet"): "no call that is used here; its markets and prices are its own",
        ("bybit", "demo"): "some calls, among them the margin mode of single symbols; its limits can't be raised",
        ("gate", "testnet"): "all markets but the perpetuals in USDT",
        ("okx", "demo"): "no call that is used here; it has fewer markets",
        ("hyperliquid", "testnet"): "no call that is used here; its markets and prices are its own",
    }
)
"""What is offered beside the real network, and what is missing there."""

INSTEAD: Mapping[tuple[Exchange, Network], str] = MappingProxyType(
    {
        ("binance", "testnet"): "its futures left the testnet for demo trading",
        ("okx", "testnet"): "OKX calls its own demo trading",
    }
)
"""Why a network that people ask for is not there."""


def networks_of(exchange: Exchange) -> tuple[Network, ...]:
    """What a venue offers, the real network first."""
    return (MAINNET, *(network for venue, network in LACKS if venue == exchange))


def require_network(exchange: Exchange, network: Network) -> None:
    """Raise ValueError, naming what there is instead, for a network that a venue does not offer."""
    if network in (offered := networks_of(exchange)):
        return
    reason = INSTEAD.get((exchange, network))
    because = f" ({reason})" if reason else ""
    raise ValueError(f"{exchange} offers no {network}{because}, only {' and '.join(offered)}")


def venue_label(exchange: str, network: Network) -> str:
    """A venue, with its network unless that is the one where money is real; the label `venue` of metrics and logs.

    >>> venue_label("okx", "mainnet"), venue_label("okx", "demo")
    ('okx', 'okx demo')
    """
    return exchange if network == MAINNET else f"{exchange} {network}"
