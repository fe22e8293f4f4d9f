"""What stands in the registry of accounts, and what each venue can do."""

from collections.abc import Iterator

from pydantic import BaseModel

from reference.markdown import code, codes, page, table
from worker.accounts.account import Account
from worker.accounts.networks import LACKS
from worker.accounts.regions import REGIONS
from worker.accounts.venues import VENUES, Capability

INTRODUCTION = """\
Every field of an account in the registry, and what each venue lets an account do. [Register
accounts](../how-to/accounts.md) shows a whole file."""

CAPABILITIES = """\
## What each venue can do

What is not there is refused before any call. `GET /capabilities` and `perps-dma accounts` tell the same of your
accounts; [Venues' peculiarities](../concepts/venues.md) says what each of them means."""

NETWORKS = """\
## Testnets and demo trading

As far as ccxt reaches them. Each has keys, markets and limits of its own, which are kept apart; what it lacks is
refused or left out."""

REGIONS_HEAD = """\
## Regions

The legal houses of a venue. A key of one is none at another; `perps-dma accounts check --regions` finds it."""

NOT_IN_THE_FILE = {"id", "base_url"}
"""The id is the table's name; an address is for the sandbox's accounts."""


def accounts_page() -> str:
    """The page."""
    networks = ((exchange, code(network), lacks) for (exchange, network), lacks in LACKS.items())
    regions = ((name, codes(houses)) for name, houses in REGIONS.items() if len(houses) > 1)
    return page(
        "Accounts and venues",
        INTRODUCTION,
        table(("field", "default", "meaning"), _fields()),
        CAPABILITIES,
        table(("venue", "account", *(one.replace("_", " ") for one in Capability)), _capabilities()),
        NETWORKS,
        table(("venue", "`network`", "what is missing there"), networks),
        REGIONS_HEAD,
        table(("venue", "`region`"), regions),
    )


def _fields() -> Iterator[tuple[str, str, str]]:
    for name, field in Account.model_fields.items():
        if name not in NOT_IN_THE_FILE:
            default = "required" if field.is_required() else _default(field.default)
            yield code(name), default, field.description or ""


def _default(value: object) -> str:
    """A default as it would be typed: of a table what it says, and `none` where it says nothing."""
    if isinstance(value, BaseModel):
        said = [f"{name} = {_text(part)}" for name, part in value if part not in (None, False, (), {})]
        return codes(said) or "none"
    return "none" if value in (None, (), {}) else code(_text(value))


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _capabilities() -> Iterator[tuple[str, ...]]:
    for exchange, facts in VENUES.items():
        for kind, declared in facts.capabilities.items():
            yield exchange, kind, *("yes" if one in declared else "-" for one in Capability)
