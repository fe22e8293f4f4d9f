"""Exchange accounts: what one is, and those that are served now."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schemas.control import Exchange, Network
from schemas.guardrails import UNGUARDED, Guardrails
from schemas.requests import PositionMode
from worker.accounts.guardrails import Policy
from worker.accounts.networks import MAINNET, require_network, venue_label
from worker.accounts.regions import require_region
from worker.accounts.slots import WrittenSlots
from worker.accounts.venues import VENUES
from worker.runtime.errors import ConfigurationError


class RegistryError(ConfigurationError):
    """The registry can't be used as it is; the message names the file, the account and the remedy."""


class Site(NamedTuple):
    """Where a venue is reached: which of its networks, and the address if it is not the venue's own."""

    exchange: Exchange
    network: Network = MAINNET
    base_url: str | None = None
    region: str | None = None

    @property
    def venue(self) -> str:
        """The venue and its network, without the address."""
        return venue_label(self.exchange, self.network)

    def __str__(self) -> str:
        """As people name it.

        >>> str(Site("okx")), str(Site("okx", "demo")), str(Site("okx", region="eea"))
        ('okx', 'okx demo', 'okx eea')
        """
        where = " ".join(filter(None, (self.venue, self.region)))
        return where if self.base_url is None else f"{where} at {self.base_url}"

    @property
    def seat(self) -> tuple[str, str, str | None]:
        """The same without the region, which only says which of its hosts are asked."""
        return self.exchange, self.network, self.base_url


class MarginThresholds(BaseModel):
    """From which margin ratio on an account's pools are told as in danger; 1 is liquidation.

    A level is left when the ratio has fallen below its threshold by `hysteresis`, so that one that wavers is told once.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    warn: Annotated[Decimal, Field(gt=0, lt=1)] = Decimal("0.5")
    critical: Annotated[Decimal, Field(gt=0, le=1)] = Decimal("0.8")
    hysteresis: Annotated[Decimal, Field(ge=0, lt=1)] = Decimal("0.05")

    @model_validator(mode="after")
    def _are_apart(self) -> Self:
        if self.warn >= self.critical:
            raise ValueError(f"warn ({self.warn}) must be below critical ({self.critical})")
        if self.hysteresis >= self.warn:
            raise ValueError(f"hysteresis ({self.hysteresis}) must be below warn ({self.warn})")
        return self


class Account(BaseModel):
    """One exchange account. `base_url` is set for sandbox accounts only.

    On Hyperliquid the signer (an agent wallet, whose private key is the `secret`) acts for `account_address`, which
    owns the positions, or for `vault_address`, a vault or sub-account of it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    exchange: Annotated[Exchange, Field(description="The venue: `binance`, `bybit`, `gate`, `okx` or `hyperliquid`")]
    network: Annotated[
        Network, Field(description="The venue's real network; or `testnet` or `demo`, where it has one")
    ] = MAINNET
    region: Annotated[
        str | None,
        Field(
            description="The legal house of the venue that the account is at, where that is not its main one: `eea` on "
            "OKX, `eu` on Bybit; `perps-dma accounts check --regions` finds it"
        ),
    ] = None
    user_id: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9]{1,64}$",
            description="Gate, OKX: the venue's own id of the user, so that its keys share one count of its "
            "limits from the "
            "start; learnt from answers otherwise",
        ),
    ] = None
    portfolio_margin: Annotated[bool, Field(description="Whether it is a Binance Portfolio Margin account")] = False
    margin_mode_scope: Annotated[
        Literal["account", "symbol"],
        Field(description="Where a venue changes margin mode for the whole account only, `symbol` refuses that"),
    ] = "account"
    position_mode: Annotated[
        PositionMode | None, Field(description="What the account is meant to be in; `accounts check` compares it")
    ] = None
    api_key: Annotated[
        SecretStr | None, Field(description="By reference (`env:NAME`, `file:PATH`) or sealed; none on Hyperliquid")
    ] = None
    secret: Annotated[
        SecretStr,
        Field(description="The same; on Hyperliquid the private key of an approved agent wallet, which signs"),
    ]
    passphrase: Annotated[SecretStr | None, Field(description="The same; on OKX alone")] = None
    account_address: Annotated[str | None, Field(description="Hyperliquid: who owns the positions")] = None
    vault_address: Annotated[str | None, Field(description="Hyperliquid: a vault or sub-account to act for")] = None
    guardrails: Annotated[
        Guardrails, Field(description="What commands of the account may do at most; `[guardrails]` has the defaults")
    ] = UNGUARDED
    auto_collect: Annotated[
        WrittenSlots | None, Field(description="When a Portfolio Margin account is swept by itself: `daily 00:05`")
    ] = None
    margin_thresholds: Annotated[
        MarginThresholds, Field(description="From which margin ratio on its pools are told as in danger")
    ] = MarginThresholds()
    base_url: str | None = None

    @cached_property
    def site(self) -> Site:
        """Where its venue is reached."""
        return Site(self.exchange, self.network, self.base_url, self.region)

    @cached_property
    def venue(self) -> str:
        """Its venue and network, as metrics and logs name them."""
        return self.site.venue

    @cached_property
    def policy(self) -> Policy:
        """What its commands may do at most, and the version of that."""
        return Policy.of(self.guardrails)

    def __copy__(self) -> Self:
        """An account alike, which may be given other fields: of what was computed from the old ones it has nothing."""
        copied = super().__copy__()
        for computed in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[computed]
        return copied

    def reveal(self, credential: str) -> str:
        """A credential in the clear, or nothing where the venue has none of the kind."""
        secret: SecretStr | None = getattr(self, credential)
        return secret.get_secret_value() if secret else ""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        missing = [name for name in VENUES[self.exchange].credentials if getattr(self, name) is None]
        if missing:
            raise ValueError(f"an account on {self.exchange} also needs {' and '.join(missing)}")
        require_network(self.exchange, self.network)
        require_region(self.exchange, self.network, self.region)
        if self.portfolio_margin and self.exchange != "binance":
            raise ValueError("portfolio_margin is an account type of Binance only")
        if self.portfolio_margin and self.network != MAINNET:
            raise ValueError(f"Binance has no Portfolio Margin on its {self.network} network, only on {MAINNET}")
        if self.auto_collect is not None and not self.portfolio_margin:
            raise ValueError("auto_collect is for Portfolio Margin accounts only: portfolio_margin = true")
        return self


@dataclass(frozen=True, slots=True)
class Replaced:
    """What another set of accounts has changed, by their ids."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]

    def __bool__(self) -> bool:
        """Whether anything is other than before."""
        return bool(self.added or self.changed or self.removed)


class Accounts(Mapping[str, Account]):
    """The accounts that are served now, by id. Whoever holds it sees them change, all at once.

    `problem` says why the registry as it is now is not in force; the accounts from before are. `edition` counts up
    whenever they change.
    """

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._by_id = _by_id(accounts)
        self._at = Counter(account.site for account in self._by_id.values())
        self._changed = asyncio.Event()
        self.problem: str | None = None
        self.edition = 0

    def __getitem__(self, account_id: str) -> Account:
        return self._by_id[account_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def replace(self, accounts: Iterable[Account]) -> Replaced:
        """Serve these from now on; what has not changed stays the same object. Raises RegistryError, and all stays."""
        before, after = self._by_id, _by_id(accounts)
        changed = tuple(name for name in after if name in before and after[name] != before[name])
        replaced = Replaced(
            added=tuple(name for name in after if name not in before),
            changed=changed,
            removed=tuple(name for name in before if name not in after),
        )
        self.problem = None
        if replaced:
            self.edition += 1
            kept = before.keys() - changed
            self._by_id = {name: before[name] if name in kept else account for name, account in after.items()}
            self._at = Counter(account.site for account in self._by_id.values())
            heard, self._changed = self._changed, asyncio.Event()
            heard.set()
        return replaced

    def count_at(self, site: Site) -> int:
        """How many accounts a site has."""
        return self._at[site]

    async def versions(self) -> AsyncIterator[None]:
        """Yields at once, and again whenever accounts have changed since; several changes may be told as one."""
        while True:
            changed = self._changed
            yield
            await changed.wait()

    def current(self, account: Account) -> Account:
        """An account with the credentials and guardrails of now, for work that began with those of then.

        One that was removed, or whose id means an account elsewhere now, stays what it was: its work is finished.
        """
        now = self._by_id.get(account.id)
        if now is account:
            return account
        return now if now is not None and now.site == account.site else account


def _by_id(accounts: Iterable[Account]) -> dict[str, Account]:
    rows = tuple(accounts)
    by_id = {account.id: account for account in rows}
    if len(by_id) < len(rows):
        twice = [name for name, count in Counter(account.id for account in rows).items() if count > 1]
        raise RegistryError(f"two accounts have the same id, {' and '.join(twice)}: give each an id of its own")
    return by_id
