"""Figures of positions with the same meaning and the same number of decimals on every venue."""

from decimal import ROUND_HALF_EVEN, Decimal

from schemas.replies import Side

USD_STABLECOINS = frozenset({"USDT", "USDC", "BUSD", "FDUSD", "USD1", "BFUSD", "USDH", "USDE", "USDT0"})
CENT, SATOSHI = Decimal("0.01"), Decimal("0.00000001")


def side_of(amount: Decimal) -> Side:
    """The side of an open position whose contracts are negative when it is short."""
    return "long" if amount > 0 else "short"


def percentage(profit: Decimal, notional: Decimal) -> Decimal | None:
    """Profit over notional in percent, both in quote currency; None without a notional.

    >>> percentage(Decimal("25.25"), Decimal("4925.25"))
    Decimal('0.51')
    """
    return (profit / notional * 100).quantize(CENT, ROUND_HALF_EVEN) if notional else None


def margin(held: Decimal, currency: str) -> Decimal:
    """Margin in a currency: cents for USD stablecoins, eight decimals for coins.

    >>> margin(Decimal("492.525"), "USDT"), margin(Decimal("0.0101522842"), "BTC")
    (Decimal('492.52'), Decimal('0.01015228'))
    """
    return held.quantize(CENT if currency in USD_STABLECOINS else SATOSHI, ROUND_HALF_EVEN)
