"""What each venue lets each type of account do: the declarations of the adapters, told without loading any of them."""

from collections.abc import Mapping
from types import MappingProxyType

from schemas.control import Exchange
from schemas.replies import AccountType, Capabilities, VenueCapabilities
from worker.accounts.account import Account
from worker.accounts.networks import MAINNET, networks_of
from worker.accounts.venues import VENUES, Capability

DECLARED: Mapping[tuple[Exchange, AccountType], frozenset[Capability]] = MappingProxyType(
    {(exchange, kind): declared for exchange, facts in VENUES.items() for kind, declared in facts.capabilities.items()}
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
