"""`perps-dma accounts`: which there are, and what each can do."""

from worker.console.display import console, show_json, table
from worker.locations import load_accounts
from worker.settings import Settings
from worker.venues.capabilities import account_type, capabilities_of
from worker.venues.seam import Capability


async def show_accounts(settings: Settings, *, as_json: bool) -> None:
    """Print the accounts with their capability matrix; no key is read out, no venue is asked."""
    accounts = load_accounts(settings)
    if as_json:
        show_json(
            [
                {
                    "id": account.id,
                    "exchange": account.exchange,
                    "portfolio_margin": account.portfolio_margin,
                    "sandbox": account.base_url is not None,
                    "capabilities": sorted(capabilities_of(account)),
                }
                for account in accounts.values()
            ]
        )
        return
    columns = ["account", "exchange", "type", *(capability.replace("_", " ") for capability in Capability)]
    rows = (
        [
            account.id,
            account.exchange + (" (sandbox)" if account.base_url else ""),
            account_type(account),
            *("yes" if capability in capabilities_of(account) else "-" for capability in Capability),
        ]
        for account in accounts.values()
    )
    console.print(table(columns, rows, folding=columns[3:]))
