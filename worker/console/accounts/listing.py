"""`perps-dma accounts`: which there are, and what each can do."""

from typing import Any

from worker.accounts.account import Account
from worker.accounts.networks import LACKS
from worker.config.locations import load_accounts
from worker.config.settings import Settings
from worker.console.display import console, show_json, table
from worker.venues.port.adapter import Capability
from worker.venues.port.capabilities import account_type, capabilities_of

COLUMNS = ("account", "exchange", "network", "type", *(capability.replace("_", " ") for capability in Capability))


async def show_accounts(settings: Settings, *, as_json: bool) -> None:
    """Print the accounts with their capability matrix; no key is read out, no venue is asked."""
    accounts = load_accounts(settings).values()
    if as_json:
        show_json([_document(account) for account in accounts])
        return
    console.print(table(COLUMNS, map(_cells, accounts), folding=COLUMNS[4:]))
    used = {(account.exchange, account.network) for account in accounts}
    for exchange, network in sorted(used & LACKS.keys()):
        console.print(f"{exchange} {network} lacks {LACKS[exchange, network]}")


def _document(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "exchange": account.exchange,
        "network": account.network,
        "region": account.region,
        "portfolio_margin": account.portfolio_margin,
        "sandbox": account.base_url is not None,
        "capabilities": sorted(capabilities_of(account)),
        "lacks": LACKS.get((account.exchange, account.network)),
    }


def _cells(account: Account) -> list[str]:
    can = capabilities_of(account)
    return [
        account.id,
        account.exchange,
        "sandbox" if account.base_url else account.network,
        account_type(account),
        *("yes" if capability in can else "-" for capability in Capability),
    ]
