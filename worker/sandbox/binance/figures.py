"""How Binance writes figures: strings, each field with its own number of decimals."""

from decimal import ROUND_HALF_EVEN, Decimal

EIGHT_PLACES = Decimal("0.00000001")
CENTS = Decimal("0.01")


def fixed(value: Decimal) -> str:
    """Always eight decimals: mark prices, profits, wallet balances.

    >>> fixed(Decimal("25.25"))
    '25.25000000'
    """
    return format(value.quantize(EIGHT_PLACES, ROUND_HALF_EVEN), "f")


def plain(value: Decimal) -> str:
    """As many decimals as needed, at most eight: entry prices, margins.

    >>> plain(Decimal("98000.00")), plain(Decimal(0))
    ('98000', '0')
    """
    return format(_stripped(value), "f")


def some(value: Decimal) -> str:
    """Eight decimals, but a bare 0 for nothing: margins and notionals of positionRisk v3."""
    return fixed(value) if value else "0"


def money(value: Decimal) -> str:
    """At least cents, at most eight decimals, a bare 0 for nothing: balances of Portfolio Margin.

    >>> money(Decimal("10000")), money(Decimal("0.005")), money(Decimal(0))
    ('10000.00', '0.005', '0')
    """
    stripped = _stripped(value)
    if not stripped:
        return "0"
    return format(stripped if stripped % CENTS else stripped.quantize(CENTS), "f")


def quantity(value: Decimal, precision: int) -> str:
    """A position's amount in the decimals of its contract.

    >>> quantity(Decimal("0.05"), 3)
    '0.050'
    """
    return format(value.quantize(Decimal(1).scaleb(-precision)), "f")


def _stripped(value: Decimal) -> Decimal:
    return value.quantize(EIGHT_PLACES, ROUND_HALF_EVEN).normalize() + 0
