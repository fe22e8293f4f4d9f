"""Refusing what a venue or an account type can't do, before any call."""

from worker.accounts.account import Account
from worker.venues.port.adapter import Adapter, Capability
from worker.venues.port.errors import NotSupported


def require(adapter: Adapter, capability: Capability, account: Account) -> None:
    """Raise NotSupported, saying why, unless the adapter declares the capability for its account."""
    if capability in adapter.capabilities:
        return
    raise NotSupported(f"{_what(account)} has no {capability.replace('_', ' ')}{_remedy(capability, account)}")


def _what(account: Account) -> str:
    kind = "Portfolio Margin account" if account.portfolio_margin else "account"
    return f"the {account.exchange} {kind} {account.id}"


def _remedy(capability: Capability, account: Account) -> str:
    if capability is Capability.PORTFOLIO_MARGIN:
        return "; if it is a Binance Portfolio Margin account, register it with portfolio_margin = true"
    if capability is Capability.MARGIN_MODE and account.portfolio_margin:
        return ": all its positions are cross margined"
    return ""
