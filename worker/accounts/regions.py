"""The legal houses of each venue that has several: a key of one is none at another, for each has hosts of its own.

Their names stand in the table of venues, where accounts are read; the hosts with their sources in
`worker.venues.<venue>.hosts`.
"""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.control import Exchange, Network
from worker.accounts.networks import MAINNET
from worker.accounts.venues import VENUES

MAIN = "global"
"""The house where an account is that names no region."""

REGIONS: Mapping[Exchange, tuple[str, ...]] = MappingProxyType(
    {exchange: (MAIN, *facts.regions) for exchange, facts in VENUES.items()}
)
"""The regions of each venue, the main one first."""

WITH_NETWORKS: frozenset[tuple[Exchange, Network]] = frozenset({("okx", "demo")})
"""Networks of play money that are at each house's own hosts. Bybit's testnet and demo trading have hosts for all."""


def takes_region(exchange: Exchange, network: Network) -> bool:
    """Whether a network is at hosts of each region."""
    return network == MAINNET or (exchange, network) in WITH_NETWORKS


def require_region(exchange: Exchange, network: Network, region: str | None) -> None:
    """Raise ValueError, naming what there is, for a region that a venue does not have, or not on this network."""
    if region is None:
        return
    known = REGIONS[exchange]
    if region not in known:
        raise ValueError(f"{exchange} has no region {region!r}, only {', '.join(known)}")
    if not takes_region(exchange, network):
        raise ValueError(f"{exchange}'s {network} network is one for all regions; leave region out")
