"""`perps-dma accounts`: which there are, and what each can do."""

from typing import Any

import orjson

from schemas.guardrails import UNGUARDED
from worker.accounts.account import Account
from worker.accounts.guardrails import canonical_of
from worker.accounts.networks import LACKS
from worker.accounts.venues import Capability
from worker.config.locations import displaced_accounts, load_accounts
from worker.config.settings import Settings
from worker.console.guardrails import guardrails_told
from worker.console.kit.display import console, show_json, table
from worker.venues.port.capabilities import account_type, capabilities_of

COLUMNS = ("account", "venue", "type", "can")
GUARDED = (*COLUMNS, "guardrails")


async def show_accounts(settings: Settings, *, as_json: bool) -> None:
    """Print the accounts with their capability matrix; no key is read out, no venue is asked."""
    accounts = tuple(load_accounts(settings).values())
    if as_json:
        show_json([_document(account) for account in accounts])
        return
    columns = GUARDED if any(map(_guarded, accounts)) else COLUMNS
    console.print(table(columns, (_cells(account)[: len(columns)] for account in accounts), folding=columns[2:]))
    used = {(account.exchange, account.network) for account in accounts}
    for exchange, network in sorted(used & LACKS.keys()):
        console.print(f"{exchange} {network} lacks {LACKS[exchange, network]}")
    if displaced := displaced_accounts(settings):
        console.print(f"{', '.join(displaced)}: as {settings.accounts} has it, and not the sandbox")


def _document(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "exchange": account.exchange,
        "network": account.network,
        "region": account.region,
        "portfolio_margin": account.portfolio_margin,
        "sandbox": account.base_url is not None,
        "guardrails": orjson.loads(canonical_of(account.guardrails)),
        "policy": account.policy.version,
        "auto_collect": account.auto_collect and str(account.auto_collect),
        "capabilities": sorted(capabilities_of(account)),
        "lacks": LACKS.get((account.exchange, account.network)),
    }


def _guarded(account: Account) -> bool:
    return account.guardrails != UNGUARDED


def _cells(account: Account) -> list[str]:
    can = capabilities_of(account)
    return [
        account.id,
        f"{account.exchange} sandbox" if account.base_url else account.venue,
        account_type(account) + (f", swept {account.auto_collect}" if account.auto_collect else ""),
        ", ".join(capability.replace("_", " ") for capability in Capability if capability in can),
        guardrails_told(account.guardrails),
    ]
