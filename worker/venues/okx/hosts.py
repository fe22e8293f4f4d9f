"""OKX's legal houses: each has hosts of its own, and knows the keys of its own customers only (50119 elsewhere).

Demo trading is at the same REST hosts with a header, and has streams of its own. Sources: the overview of each house's
documents ("Production Trading Services", "Demo Trading Services"), okx-api 3.2.3 (`market`) and ccxt (myokx, okxus).
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

CHECKED = "2026-11-29"

DEMO_HEADERS: Mapping[str, str] = MappingProxyType({"x-simulated-trading": "1"})
"""What makes a request one of demo trading, at every host."""


class Host(NamedTuple):
    """Where a house is reached, by REST and by streams, which document says so, and the site its owners log in at."""

    rest: str
    stream: str
    demo_stream: str
    site: str
    source: str


HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host(
            "https://www.okx.com",
            "wss://ws.okx.com:8443",
            "wss://wspap.okx.com:8443",
            "www.okx.com",
            "https://www.okx.com/docs-v5/en/#overview, which names https://openapi.okx.com too",
        ),
        "eea": Host(
            "https://eea.okx.com",
            "wss://wseea.okx.com:8443",
            "wss://wseeapap.okx.com:8443",
            "my.okx.com",
            "https://my.okx.com/docs-v5/en/#overview",
        ),
        "us": Host(
            "https://us.okx.com",
            "wss://wsus.okx.com:8443",
            "wss://wsuspap.okx.com:8443",
            "app.okx.com",
            "https://app.okx.com/docs-v5/en/#overview",
        ),
    }
)
"""The houses by region. The first one is where an account is that names none."""
