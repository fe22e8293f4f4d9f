"""The margin of an isolated position: reading it, adding to it, taking some out.

Source: exchange endpoint, "Update isolated margin", read 2026-11-30 with the official SDK 0.24: `ntli` counts
millionths of the collateral and is negative to take some out; `isBuy` has no effect. Markets whose `marginMode` is
strictIsolated let nobody take margin out; of others the initial margin has to stay, and a tenth of the position's value
("Margining"). Neither page has the sentences of these refusals: they are told as Hyperliquid says them. `rawUsd` of an
isolated position moves with its margin, its size and funding, and with no price.
"""

from decimal import Decimal

from worker.venues.client.transport import Calls, ChangingCalls
from worker.venues.hyperliquid.credentials import Credentials
from worker.venues.hyperliquid.instruments import Instrument
from worker.venues.hyperliquid.limits import EXCHANGE
from worker.venues.hyperliquid.positions import size_of, terms_of
from worker.venues.hyperliquid.terms.settings import read_positions
from worker.venues.parsing import fields as shape
from worker.venues.parsing.position_math import side_of
from worker.venues.port.adapter import Echo, IsolatedMargin
from worker.venues.port.door import Door
from worker.venues.port.errors import Ambiguous, ValueRefused
from worker.venues.reading.isolated import OpenSide, the_isolated

MILLION = 1_000_000


def check_amount(amount: Decimal) -> None:
    """Raise ValueRefused for more decimals than Hyperliquid takes."""
    if (amount * MILLION) % 1:
        raise ValueRefused(f"Hyperliquid moves margin in millionths, not {amount:f}", details={"step": "0.000001"})


async def read_margin(transport: Calls, owner: str, instrument: Instrument, side: str | None) -> IsolatedMargin:
    """The margin of an isolated position now. Raises VenueError."""
    rows = await read_positions(transport, owner, instrument)
    held = [OpenSide(side_of(size_of(row)), terms_of(row).margin_mode, row) for row in rows]
    meant = the_isolated(instrument.market, held, side)
    row = meant.row
    margin = shape.decimal(row, "marginUsed") - shape.decimal(row, "unrealizedPnl")
    raw_usd = shape.decimal(shape.mapping(row.get("leverage"), "the leverage of a position"), "rawUsd")
    return IsolatedMargin(meant.side, margin, instrument.market.settle, raw_usd, row)


async def move_margin(
    transport: ChangingCalls, door: Door, who: Credentials, instrument: Instrument, amount: Decimal
) -> Echo:
    """Move margin into a position, or out of it where the amount is negative. The answer states success alone."""
    action = {"type": "updateIsolatedMargin", "asset": instrument.asset, "isBuy": True, "ntli": int(amount * MILLION)}
    raw = shape.mapping(
        await transport.change(door, EXCHANGE, {"action": action, "vaultAddress": who.vault}), "updateIsolatedMargin"
    )
    if raw.get("status") != "ok":
        raise Ambiguous("Hyperliquid's answer to the margin is not the documented one", raw=raw)
    return Echo(raw=raw, accepted=True)
