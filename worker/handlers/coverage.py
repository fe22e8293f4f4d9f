"""Saying in a header which parts of an account are told, and which are not and why."""

from collections.abc import Iterable, Mapping
from urllib.parse import quote

from worker.venues.port.adapter import Part

LONGEST = 2_000
"""Characters of one header. Hyperliquid has two hundred parts, and reasons may be long."""

PLAIN = " !#$&'()*+,-./:;<=>?@[]^_`{|}~\""
"""What stands in a header as it is; the rest, of any alphabet, is percent-encoded."""


def read_of(parts: Iterable[Part]) -> dict[str, str]:
    """The header that lists the parts which were read whole."""
    return _header("Coverage", ", ".join(part.name for part in parts if part.unread is None))


def unread_of(parts: Iterable[Part]) -> dict[str, str]:
    """The header that lists the parts which were not, each with the reason; no header where there are none."""
    return _header("Coverage-Unread", "; ".join(f"{part.name}: {part.unread}" for part in parts if part.unread))


def missing_totals(untold: Mapping[str, str]) -> dict[str, str]:
    """The header that lists the totals which are null, each with the reason; no header where there are none."""
    return _header("Totals-Missing", "; ".join(f"{name}: {why}" for name, why in untold.items()))


def _header(name: str, text: str) -> dict[str, str]:
    plain = quote(text, safe=PLAIN)
    if len(plain) > LONGEST:
        plain = plain[: LONGEST - 3].rpartition(" ")[0] + " ..."
    return {name: plain} if plain else {}
