"""The endpoints of a venue by ccxt's names for them."""

import re
from functools import cache
from typing import Any, NamedTuple

from ccxt.base.types import Entry

from worker.venues.port.errors import NotSupported

_BETWEEN_WORDS = re.compile(r"[^A-Za-z0-9]+")


class Endpoint(NamedTuple):
    """What ccxt needs to sign a request to an endpoint, and how it calls it."""

    name: str
    path: str
    api: Any
    method: str


@cache
def endpoint_of(exchange: type, name: str) -> Endpoint:
    """The endpoint that a class of ccxt's calls so. Raises NotSupported where it has none."""
    for base in exchange.__mro__:
        if isinstance(entry := vars(base).get(name), Entry):
            return Endpoint(name, entry.path, entry.api, entry.method)
    raise NotSupported(f"{exchange.__name__} has no {name} here")


@cache
def implicit_name(path: str, api: str | tuple[str, ...], method: str) -> str:
    """ccxt's name of an endpoint, by what it says of it when it calls it.

    >>> implicit_name("{settle}/positions/{contract}", ("private", "futures"), "GET")
    'privateFuturesGetSettlePositionsContract'
    >>> implicit_name("v5/position/set-leverage", "private", "POST")
    'privatePostV5PositionSetLeverage'
    """
    first, *families = (api,) if isinstance(api, str) else api
    words = (*families, method.lower(), *_BETWEEN_WORDS.split(path))
    return first + "".join(word[:1].upper() + word[1:] for word in words)
