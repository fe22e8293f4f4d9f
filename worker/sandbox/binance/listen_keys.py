"""Listen keys: one for an account and a product, valid for an hour after it was asked for or kept alive.

Source: "Start User Data Stream", "Keepalive User Data Stream" and "Close User Data Stream" of USDⓈ-M, COIN-M and
Portfolio Margin, read 2026-11-29 in the official clients 18.1, 14.1 and 16.1.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas.base import Milliseconds
from worker.sandbox.binance.errors import BinanceRefused
from worker.sandbox.kit.clock import HOUR
from worker.sandbox.server.seeded_venue import random_key

VALIDITY = HOUR
KEY_LENGTH = 64


class Product(StrEnum):
    """Whose private stream a key opens."""

    UM = "um"
    CM = "cm"
    PM = "pm"


@dataclass(slots=True)
class ListenKey:
    """A key of an account. Whoever has it may listen, so that it is kept out of what is printed.

    One that was `withdrawn` opens nothing, and nobody is told.
    """

    key: str = field(repr=False)
    account: str
    product: Product
    expires: Milliseconds
    withdrawn: bool = False

    def opens(self, now: Milliseconds) -> bool:
        """Whether whoever listens with it hears anything."""
        return not self.withdrawn and now < self.expires


@dataclass(slots=True)
class ListenKeys:
    """The keys of all accounts."""

    _by_owner: dict[tuple[str, Product], ListenKey] = field(default_factory=dict)
    _by_key: dict[str, ListenKey] = field(default_factory=dict)

    @property
    def issued(self) -> tuple[str, ...]:
        """Every key that ever was issued."""
        return tuple(self._by_key)

    def start(self, account: str, product: Product, now: Milliseconds) -> str:
        """The key of an account: the one that is valid, prolonged, or a new one."""
        issued = self._valid(account, product, now)
        if issued is None:
            issued = ListenKey(random_key(KEY_LENGTH), account, product, now)
            self._by_owner[account, product] = self._by_key[issued.key] = issued
        issued.expires = now + VALIDITY
        return issued.key

    def keep(self, account: str, product: Product, now: Milliseconds) -> str:
        """Prolong the key that is valid. Raises BinanceRefused where there is none."""
        issued = self._valid(account, product, now)
        if issued is None:
            raise BinanceRefused(-1125)
        issued.expires = now + VALIDITY
        return issued.key

    def end(self, account: str, product: Product, now: Milliseconds) -> None:
        """Withdraw the key that is valid. Raises BinanceRefused where there is none."""
        self.keep(account, product, now)
        self._by_owner.pop((account, product)).withdrawn = True

    def find(self, key: str, product: Product) -> ListenKey | None:
        """A key as it was issued, valid or not; None for one that never was, or is another product's."""
        issued = self._by_key.get(key)
        return issued if issued is not None and issued.product is product else None

    def _valid(self, account: str, product: Product, now: Milliseconds) -> ListenKey | None:
        issued = self._by_owner.get((account, product))
        return issued if issued is not None and issued.opens(now) else None
