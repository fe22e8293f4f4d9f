"""Gate's legal houses, each with hosts of its own: a key of one is unknown at another (INVALID_KEY)."""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.client.hosts import Host

CHECKED = "2026-11-29"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host(
            "https://api.gateio.ws",
            "wss://fx-ws.gateio.ws",
            "APIv4 documentation v4.106.88, access URLs; futures WebSocket v4",
            site="www.gate.com",
        ),
        "eu": Host(
            "https://api.gateeu.com",
            "wss://ws.gateeu.com",
            "Gate EU's APIv4 documentation; ccxt 4.5.90, gateeu, which has spot and margin alone",
            site="eu.gate.com",
        ),
        "us": Host(
            "https://api.gate.us",
            "wss://ws.gate.us",
            "Gate US' APIv4 documentation v4.90.1, which covers spot alone",
            site="us.gate.com",
        ),
    }
)
"""The houses by region. The first one is where an account is that names none."""

WITHOUT_DERIVATIVES = ("eu", "us")
"""Houses that list no contract, so that a key of theirs is of no use here."""


def without_derivatives() -> str:
    """Their hosts, in words."""
    return " and ".join(HOSTS[region].rest.removeprefix("https://") for region in WITHOUT_DERIVATIVES)
