"""How Hyperliquid writes figures: as text, with as many decimals as needed and at least one."""

from decimal import ROUND_HALF_EVEN, Decimal

MICRO = Decimal("0.000001")


def wire(value: Decimal) -> str:
    """A figure as the venue writes it, to a millionth.

    >>> wire(Decimal("98505")), wire(Decimal("0.0500")), wire(Decimal("-3.6253124"))
    ('98505.0', '0.05', '-3.625312')
    """
    text = format(value.quantize(MICRO, ROUND_HALF_EVEN).normalize() + 0, "f")
    return text if "." in text else text + ".0"
