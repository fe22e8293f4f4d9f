"""The networks of each venue: the real one, and those where money is play money."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from schemas.control import Exchange, Network
from worker.accounts.venues import VENUES

MAINNET: Network = "mainnet"

LACKS: Mapping[tuple[Exchange, Network], str] = MappingProxyType(
    {(exchange, network): lacks for exchange, facts in VENUES.items() for network, lacks in facts.networks.items()}
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
    return (MAINNET, *VENUES[exchange].networks)


def require_network(exchange: Exchange, network: Network) -> None:
    """Raise ValueError, naming what there is instead, for a network that a venue does not offer."""
    if network in (offered := networks_of(exchange)):
        return
    reason = INSTEAD.get((exchange, network))
    because = f" ({reason})" if reason else ""
    raise ValueError(f"{exchange} offers no {network}{because}, only {' and '.join(offered)}")


@cache
def venue_label(exchange: str, network: Network) -> str:
    """A venue, with its network unless that is the one where money is real; the label `venue` of metrics and logs.

    >>> venue_label("okx", "mainnet"), venue_label("okx", "demo")
    ('okx', 'okx demo')
    """
    return exchange if network == MAINNET else f"{exchange} {network}"
