"""URLs of a PostgreSQL, as libpq reads them: `postgresql://user:password@host:port,host:port/name?key=value`.

Several hosts are tried in their order. Only one that can be written is taken, unless `target_session_attrs` says so.
"""

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

DEFAULT_PORT = 5432
ATTRIBUTES = ("any", "primary", "standby", "prefer-standby", "read-write", "read-only")
WRITABLE = ("read-write", "primary")


class Server(NamedTuple):
    """Where a server may be: a host name, an address, or the folder of its socket."""

    host: str
    port: int


def servers(url: str) -> list[Server]:
    """The hosts of a URL in their order; none where it leaves them to the library. Raises ValueError.

    >>> servers("postgresql://dma:secret@db-1,[::1]:6432/dma?target_session_attrs=primary")
    [Server(host='db-1', port=5432), Server(host='::1', port=6432)]
    >>> servers("postgresql:///dma?host=/run/postgresql&port=5433")
    [Server(host='/run/postgresql', port=5433)]
    """
    asked = _asked(url)
    hosts = [text for text in (_parts(url).hosts or asked.get("host", "")).split(",") if text]
    ports = [_port(text) for text in asked.get("port", "").split(",") if text]
    if len(ports) > 1 and len(ports) != len(hosts):
        raise ValueError("as many ports as hosts, or one for all")
    ports = ports if len(ports) > 1 else (ports or [DEFAULT_PORT]) * len(hosts)
    return [_server(text, port) for text, port in zip(hosts, ports, strict=True)]


def attributes(url: str) -> str:
    """What a server must be like for us. Raises ValueError."""
    asked = _asked(url).get("target_session_attrs", WRITABLE[0])
    if asked not in ATTRIBUTES:
        raise ValueError(f"target_session_attrs is one of {', '.join(ATTRIBUTES)}")
    return asked


def place(url: str) -> str:
    """Where a database is, without user and password.

    >>> place("postgresql://dma:secret@db-1:5432,db-2/dma?sslmode=require")
    'db-1:5432,db-2:5432/dma'
    """
    hosts = ",".join(f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in servers(url))
    return f"{hosts or 'local socket'}{_parts(url).path}"


def hostless(url: str) -> str:
    """The same without the hosts in front of its path, for a library that is told one host at a time.

    >>> hostless("postgresql://dma:secret@db-1,[::1]/dma?sslmode=require")
    'postgresql://dma:secret@/dma?sslmode=require'
    """
    parts = _parts(url)
    return f"{parts.scheme}://{parts.user}{parts.path}{parts.query}"


def require_sound(url: str) -> None:
    """Raise ValueError for what can't be taken apart. Whoever fails to do so later may show a piece of a password."""
    if "#" in url:
        raise ValueError("it has a fragment")
    if not all(0 < port < 65536 for _, port in servers(url)):
        raise ValueError("a port is a number from 1 to 65535")
    attributes(url)


class _Parts(NamedTuple):
    """`user` ends with its @, `path` begins with its slash, `query` with its question mark."""

    scheme: str
    user: str
    hosts: str
    path: str
    query: str


_URL = re.compile(r"(\w+)://([^/?#]*@)?([^/?#]*)([^?#]*)(\?[^#]*)?")


def _parts(url: str) -> _Parts:
    # Not the standard library's: it takes a list of hosts for one, and [::1] beside others for nonsense.
    found = _URL.match(url)
    if found is None:
        raise ValueError("it has another form")
    return _Parts(*(part or "" for part in found.groups()))


def _asked(url: str) -> dict[str, str]:
    query = _parts(url).query[1:]
    return {name: values[-1] for name, values in parse_qs(query, strict_parsing=True).items()} if query else {}


def _port(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise ValueError("a port is a number from 1 to 65535")
    return int(text)


def _server(text: str, port: int) -> Server:
    host, bracket, rest = text.rpartition("]")
    if not bracket:
        host, _, given = text.partition(":")
        return Server(unquote(host), _port(given) if given else port)
    return Server(host.removeprefix("["), _port(rest.removeprefix(":")) if rest else port)
