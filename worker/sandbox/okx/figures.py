"""How OKX writes figures: as text, without an exponent or zeros that say nothing."""

from decimal import ROUND_HALF_EVEN, Decimal

PLACES = Decimal("0.0000000001")


def plain(value: Decimal) -> str:
    """As many decimals as needed, at most ten.

    >>> plain(Decimal("98000.00")), plain(Decimal(0)), plain(Decimal("0.00100"))
    ('98000', '0', '0.001')
    """
    return format(value.quantize(PLACES, ROUND_HALF_EVEN).normalize() + 0, "f")


def or_empty(value: Decimal | None) -> str:
    """A figure, or the empty text that stands for what does not apply."""
    return "" if value is None else plain(value)
