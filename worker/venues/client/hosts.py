"""Where the legal houses of a venue are reached. Each venue's own `hosts` has the table.

ccxt signs for the main house; a request to another is sent to that one's host instead. No venue signs its host.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from worker.accounts.account import Site
from worker.accounts.networks import MAINNET
from worker.venues.port.errors import NotSupported


class Host(NamedTuple):
    """Where a house is reached, by REST and by streams, and which document says so.

    `headers` go with each request to it; `demo_stream`, where money is play money, and `site`, where its owners log in,
    as far as it has them.
    """

    rest: str
    stream: str
    source: str
    demo_stream: str | None = None
    site: str | None = None
    headers: Mapping[str, str] = MappingProxyType({})


class Route(NamedTuple):
    """Requests to one origin go to another, with more headers."""

    origin: str
    to: str
    headers: Mapping[str, str]

    def url(self, url: str) -> str:
        """Where a request to a URL goes.

        >>> Route("https://www.okx.com", "https://eea.okx.com", {}).url("https://www.okx.com/api/v5/x?y=1")
        'https://eea.okx.com/api/v5/x?y=1'
        """
        return self.to + url.removeprefix(self.origin) if self.meets(url) else url

    def meets(self, url: str) -> bool:
        """Whether a URL is one of the origin."""
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}" == self.origin


def as_stream(base_url: str) -> str:
    """Where the streams of a stand-in are: at its own host and port.

    >>> as_stream("http://127.0.0.1:8081/"), as_stream("https://sandbox.example")
    ('ws://127.0.0.1:8081', 'wss://sandbox.example')
    """
    return "ws" + base_url.rstrip("/").removeprefix("http")


def route_to(origin: str, house: Host) -> Route | None:
    """How a house is reached from the origin that ccxt signs for; None where it is that."""
    if house.rest == origin and not house.headers:
        return None
    return Route(origin, house.rest, house.headers)


def stream_at(hosts: Mapping[str, Host], site: Site) -> str:
    """Where the streams of a site are, without a path. Those of an address of its own are at the same host and port.

    Raises NotSupported where the table knows none on a network of play money.
    """
    if site.base_url is not None:
        parts = urlsplit(site.base_url)
        return f"{'wss' if parts.scheme == 'https' else 'ws'}://{parts.netloc}"
    house = hosts[site.region or next(iter(hosts))]
    told = house.stream if site.network == MAINNET else house.demo_stream
    if told is None:
        raise NotSupported(f"no private stream of {site} is known")
    return told
