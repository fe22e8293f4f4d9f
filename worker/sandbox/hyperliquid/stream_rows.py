"""What Hyperliquid's subscriptions tell of an address: all there is, and what is new.

Source: documentation, "Subscriptions", with its data formats, and the schemas of @nktkas/hyperliquid 0.33.3; read
2026-11-29. Guesses, which no document settles: that a changed state is pushed at once and not only with the next
regular one; that a liquidation is told in all four of fills, events, ledger and state.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self, TypeVar

from schemas.base import Milliseconds
from worker.sandbox.hyperliquid import reports
from worker.sandbox.hyperliquid.account import Fill, HyperliquidAccountState, Payment
from worker.sandbox.hyperliquid.figures import wire
from worker.sandbox.hyperliquid.history import FILLS_AT_ONCE, NO_HASH, PAYMENTS_AT_ONCE, fill_row, payment_row
from worker.sandbox.hyperliquid.perps import Perpetuals

Row = dict[str, Any]

LIQUIDATED = "Liquidated"
"""How the direction of a fill begins by which a position was liquidated."""

Past = TypeVar("Past", Payment, Fill)


@dataclass(frozen=True, slots=True)
class SeenAddress:
    """What an address showed when its streams were told last."""

    payments: tuple[Payment, ...]
    fills: tuple[Fill, ...]
    balances: Mapping[str, Decimal]
    terms: Mapping[str, tuple[int, bool]]
    held: Mapping[str, tuple[Decimal, Decimal, Decimal]]

    @classmethod
    def of(cls, state: HyperliquidAccountState) -> Self:
        """What there is to tell now."""
        return cls(
            state.payments if isinstance(state.payments, tuple) else tuple(state.payments),
            state.fills if isinstance(state.fills, tuple) else tuple(state.fills),
            dict(state.balances),
            {coin: (terms.leverage, terms.cross) for coin, terms in state.terms.items()},
            {coin: (held.size, held.entry_price, held.margin) for coin, held in state.positions.items()},
        )

    def paid_since(self, before: Self) -> list[Payment]:
        """Payments that were not there before."""
        return [payment for payment in _added(before.payments, self.payments) if payment.kind == "funding"]

    def filled_since(self, before: Self) -> list[Fill]:
        """Fills that were not there before."""
        return _added(before.fills, self.fills)

    def moved_since(self, before: Self) -> list[tuple[str, Decimal]]:
        """By dex, how much more collateral there is than before."""
        dexes = before.balances.keys() | self.balances.keys()
        moved = ((dex, self.balances.get(dex, Decimal(0)) - before.balances.get(dex, Decimal(0))) for dex in dexes)
        return [(dex, amount) for dex, amount in sorted(moved) if amount]

    def differs(self, before: Self) -> bool:
        """Whether the state of the clearinghouse is another, prices aside."""
        return (self.balances, self.terms, self.held) != (before.balances, before.terms, before.held)


def _added(before: tuple[Past, ...], now: tuple[Past, ...]) -> list[Past]:
    return [] if now is before else list((Counter(now) - Counter(before)).elements())


def fill_rows(state: HyperliquidAccountState, fills: list[Fill]) -> list[Row]:
    """Fills; of a liquidation they tell whose it is and how it was done."""
    return [fill_row(fill) | _liquidation(state, fill) for fill in fills]


def _liquidation(state: HyperliquidAccountState, fill: Fill) -> Row:
    if not (fill.direction or "").startswith(LIQUIDATED):
        return {}
    return {"liquidation": {"liquidatedUser": state.address, "markPx": wire(fill.price), "method": "market"}}


def funding_rows(payments: list[Payment]) -> list[Row]:
    """Funding payments, which streams tell without the envelope that REST has around them."""
    told = (payment_row(payment) for payment in payments)
    return [{"time": row["time"]} | {name: row["delta"][name] for name in _FUNDING} for row in told]


_FUNDING = ("coin", "usdc", "szi", "fundingRate", "nSamples")


def ledger_rows(state: HyperliquidAccountState, fills: list[Fill], moved: list[tuple[str, Decimal]], now: int) -> Any:
    """Liquidations, and what came in or went out."""
    liquidated = [fill for fill in fills if (fill.direction or "").startswith(LIQUIDATED)]
    deltas = [_liquidated(state, liquidated)] if liquidated else []
    deltas += [
        {"type": "deposit" if amount > 0 else "withdraw", "usdc": wire(abs(amount))}
        | ({} if amount > 0 else {"nonce": now, "fee": "1.0"})
        for _, amount in moved
    ]
    return [{"time": now, "hash": NO_HASH, "delta": delta} for delta in deltas]


def _liquidated(state: HyperliquidAccountState, fills: list[Fill]) -> Row:
    return {
        "type": "liquidation",
        "liquidatedNtlPos": wire(sum((fill.price * fill.size for fill in fills), Decimal(0))),
        "accountValue": wire(state.balances.get("", Decimal(0))),
        "leverageType": "Cross" if "Cross" in (fills[0].direction or "") else "Isolated",
        "liquidatedPositions": [{"coin": fill.coin, "szi": wire(fill.start)} for fill in fills],
    }


def events(state: HyperliquidAccountState, fills: list[Fill], payments: list[Payment]) -> Iterator[Row]:
    """The frames of `userEvents`, which do not say whose they are."""
    if fills:
        yield {"fills": fill_rows(state, fills)}
    for row in funding_rows(payments):
        yield {"funding": row}
    liquidated = [fill for fill in fills if (fill.direction or "").startswith(LIQUIDATED)]
    if liquidated:
        told = _liquidated(state, liquidated)
        yield {
            "liquidation": {
                "lid": liquidated[0].tid,
                "liquidator": "0x" + "0" * 40,
                "liquidated_user": state.address,
                "liquidated_ntl_pos": told["liquidatedNtlPos"],
                "liquidated_account_value": told["accountValue"],
            }
        }


def snapshot_of_fills(state: HyperliquidAccountState) -> list[Row]:
    """The newest fills, the newest first."""
    return fill_rows(state, list(reversed(state.fills[-FILLS_AT_ONCE:])))


def snapshot_of_funding(state: HyperliquidAccountState) -> list[Row]:
    """The newest payments."""
    return funding_rows([payment for payment in state.payments[-PAYMENTS_AT_ONCE:] if payment.kind == "funding"])


def all_states(state: HyperliquidAccountState, listing: Perpetuals, now: Milliseconds) -> Row:
    """The account on each dex."""
    states = [[dex.name, reports.clearinghouse_state(state, dex, now)] for dex in listing.dexes if dex]
    return {"user": state.address, "clearinghouseStates": states}
