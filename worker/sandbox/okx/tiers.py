"""Position tiers (Get position tiers, 2026-07): in contracts, by instrument family, of five families at most.

The tiers themselves are ours: an instrument's highest leverage up to a size, then half of it, then a fifth.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from worker.sandbox.okx.errors import OkxRefused
from worker.sandbox.okx.figures import plain
from worker.sandbox.okx.instruments import FUTURES, SWAP, OkxExchangeState, OkxInstrument
from worker.sandbox.okx.parameters import OkxParameters

MOST_FAMILIES = 5
STEPS = ((1, 1_000_000), (2, 5_000_000), (5, 20_000_000))
"""By what the highest leverage is divided, up to which value in quote currency."""

LOWEST_RATE = Decimal("0.4")
"""What of the initial margin at the highest leverage has to be kept."""


def position_tiers(exchange: OkxExchangeState, parameters: OkxParameters) -> list[dict[str, Any]]:
    """GET /public/position-tiers."""
    kind = parameters.choice("instType", (SWAP, FUTURES))
    parameters.choice("tdMode", ("cross", "isolated"))
    families = parameters.several("instFamily", MOST_FAMILIES) or parameters.several("uly", MOST_FAMILIES)
    if not families:
        raise OkxRefused("50014", "instFamily")
    listed = {row.instrument_family: row for row in exchange.of_type(kind) if row.max_leverage}
    if unknown := [name for name in families if name not in listed]:
        raise OkxRefused("51000", f"instFamily {unknown[0]}")
    return [row for name in families for row in _tiers(listed[name])]


def _tiers(instrument: OkxInstrument) -> Iterator[dict[str, Any]]:
    worth = instrument.contract_value * (1 if instrument.inverse else instrument.mark_price)
    lowest = 0
    for number, (divisor, value) in enumerate(STEPS, start=1):
        highest = int(value / worth)
        leverage = max(Decimal(instrument.max_leverage) / divisor, Decimal(1))
        yield {
            "uly": instrument.underlying,
            "instFamily": instrument.instrument_family,
            "instId": "",
            "tier": str(number),
            "minSz": str(lowest),
            "maxSz": str(highest),
            "mmr": plain(round(LOWEST_RATE / leverage, 6)),
            "imr": plain(round(1 / leverage, 6)),
            "maxLever": plain(leverage),
            "optMgnFactor": "0",
            "quoteMaxLoan": "",
            "baseMaxLoan": "",
        }
        lowest = highest
