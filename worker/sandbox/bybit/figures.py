"""How Bybit writes figures: as text, with the decimals that are needed."""

from decimal import ROUND_HALF_EVEN, Decimal

EIGHT_PLACES = Decimal("0.00000001")


def plain(value: Decimal) -> str:
    """At most eight decimals.

    >>> plain(Decimal("98000.00")), plain(Decimal(0)), plain(Decimal("0.0000000151"))
    ('98000', '0', '0.00000002')
    """
    return format(value.quantize(EIGHT_PLACES, ROUND_HALF_EVEN).normalize() + 0, "f")


def some(value: Decimal | None) -> str:
    """The same, and an empty text for a figure that does not apply."""
    return "" if value is None else plain(value)
