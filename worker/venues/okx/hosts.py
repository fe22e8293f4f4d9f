"""OKX's legal houses: each has hosts of its own, and knows the keys of its own customers only (50119 elsewhere).

Demo trading is at the same REST hosts with a header, and has streams of its own. Sources: the overview of each house's
documents ("Production Trading Services", "Demo Trading Services"), okx-api 3.2.3 (`market`) and ccxt (myokx, okxus).
"""

from collections.abc import Mapping
from types import MappingProxyType

from worker.venues.client.hosts import Host

CHECKED = "2026-11-29"

HOSTS: Mapping[str, Host] = MappingProxyType(
    {
        "global": Host(
            "https://www.okx.com",
            "wss://ws.okx.com:8443",
            "https://www.okx.com/docs-v5/en/#overview, which names https://openapi.okx.com too",
            "wss://wspap.okx.com:8443",
            "www.okx.com",
        ),
        "eea": Host(
            "https://eea.okx.com",
            "wss://wseea.okx.com:8443",
            "https://my.okx.com/docs-v5/en/#overview",
            "wss://wseeapap.okx.com:8443",
            "my.okx.com",
        ),
        "us": Host(
            "https://us.okx.com",
            "wss://wsus.okx.com:8443",
            "https://app.okx.com/docs-v5/en/#overview",
            "wss://wsuspap.okx.com:8443",
            "app.okx.com",
        ),
    }
)
"""The houses by region. The first one is where an account is that names none."""
