"""Gate's legal houses, each with hosts of its own: a key of one is unknown at another (INVALID_KEY)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class GateHost(NamedTuple):
    """Where a house is reached; `derivatives` says whether it lists any, which nothing here can do without."""

    rest: str
    stream: str
    derivatives: bool
    source: str
    checked: str


HOSTS: Mapping[str, GateHost] = MappingProxyType(
    {
        "global": GateHost(
            "https://api.gateio.ws",
            "wss://fx-ws.gateio.ws",
            derivatives=True,
            source="APIv4 documentation v4.106.88, access URLs; futures WebSocket v4",
            checked="2026-11-29",
        ),
        "eu": GateHost(
            "https://api.gateeu.com",
            "wss://ws.gateeu.com",
            derivatives=False,
            source="Gate EU's APIv4 documentation (eu.gate.com); ccxt 4.5.90, gateeu, which has spot and margin alone",
            checked="2026-11-29",
        ),
        "us": GateHost(
            "https://api.gate.us",
            "wss://ws.gate.us",
            derivatives=False,
            source="Gate US' APIv4 documentation v4.90.1 (us.gate.com), which covers spot alone",
            checked="2026-11-29",
        ),
    }
)
"""Hosts by region. The first is where accounts are, unless something else is said."""


def without_derivatives() -> str:
    """The hosts of houses whose keys are of no use here, in words."""
    return " and ".join(host.rest.removeprefix("https://") for host in HOSTS.values() if not host.derivatives)
