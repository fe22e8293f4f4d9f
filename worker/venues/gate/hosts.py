"""Gate's legal houses, each with hosts of its own: a key of one is unknown at another (INVALID_KEY)."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.control import Network
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET
from worker.accounts.regions import MAIN
from worker.venues.client.hosts import Host, as_stream

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


PLAY_STREAMS: Mapping[Network, str] = MappingProxyType({"testnet": "wss://ws-testnet.gate.com/v4/ws"})
"""The streams of the networks of play money ("Futures WebSocket v4"; ccxt 4.5.90). There, paths name perpetuals too."""


def private_stream(account: Account, part: str) -> str:
    """Where the stream of a part of an account is: of `/futures/usdt`, `/delivery/usdt`, as REST paths name it.

    "Futures WebSocket v4" and "Delivery WebSocket v4" name `/v4/ws/usdt`, `/v4/ws/btc` and `/v4/ws/delivery/usdt`; that
    USD1 has one of the same form is a guess.
    """
    if account.network != MAINNET and not account.base_url:
        return PLAY_STREAMS[account.network] + part
    origin = as_stream(account.base_url) if account.base_url else HOSTS[account.region or MAIN].stream
    return f"{origin}/v4/ws{part.removeprefix('/futures')}"


def without_derivatives() -> str:
    """Their hosts, in words."""
    return " and ".join(HOSTS[region].rest.removeprefix("https://") for region in WITHOUT_DERIVATIVES)
