"""What each venue lets each type of account do: the declarations of the adapters, told without loading any of them."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from schemas.control import Exchange
from schemas.replies import Capabilities, VenueCapabilities
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET, networks_of
from worker.venues.port.adapter import Capability


class AccountType(StrEnum):
    """The types of account that differ in what they can do."""

    STANDARD = "standard"
    PORTFOLIO_MARGIN = "portfolio margin"


_READS = frozenset({Capability.POSITIONS, Capability.FUNDING_HISTORY, Capability.REALIZED_PNL})
_ALL_BUT_PM = _READS | {Capability.LEVERAGE, Capability.MARGIN_MODE}

DECLARED: Mapping[tuple[Exchange, AccountType], frozenset[Capability]] = MappingProxyType(
    {
        ("binance", AccountType.STANDARD): _ALL_BUT_PM,
        # PAPI has no endpoint for the margin mode: all positions are cross.
        ("binance", AccountType.PORTFOLIO_MARGIN): _READS | {Capability.LEVERAGE, Capability.PORTFOLIO_MARGIN},
        ("bybit", AccountType.STANDARD): _ALL_BUT_PM,
        ("gate", AccountType.STANDARD): _ALL_BUT_PM,
        ("okx", AccountType.STANDARD): _ALL_BUT_PM,
        ("hyperliquid", AccountType.STANDARD): _READS | {Capability.LEVERAGE},
    }
)
"""The matrix. What is not in it is refused before any call."""


def account_type(account: Account) -> AccountType:
    """The type of a registered account."""
    return AccountType.PORTFOLIO_MARGIN if account.portfolio_margin else AccountType.STANDARD


def capabilities_of(account: Account) -> frozenset[Capability]:
    """What an account can do."""
    return DECLARED[account.exchange, account_type(account)]


def matrix() -> Capabilities:
    """All declarations, as the API tells them."""
    return Capabilities(
        venues=tuple(
            VenueCapabilities(
                exchange=exchange,
                account_type=kind,
                networks=networks_of(exchange) if kind is AccountType.STANDARD else (MAINNET,),
                **{str(capability): capability in declared for capability in Capability},
            )
            for (exchange, kind), declared in DECLARED.items()
        )
    )
