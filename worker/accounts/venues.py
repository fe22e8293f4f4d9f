"""The table of venues: what has to be known of one before any of its code is loaded. A new venue is a row here.

All else is found by its name: `worker.venues.<name>` has the adapter, `worker.sandbox.<name>` the stand-in.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from schemas.control import Exchange, Network
from schemas.replies import AccountType


class Capability(StrEnum):
    """What an adapter can do for its account; what is not declared is refused before any call."""

    LEVERAGE = "leverage"
    MARGIN_MODE = "margin_mode"
    POSITION_MODE = "position_mode"
    LEVERAGE_TIERS = "leverage_tiers"
    POSITIONS = "positions"
    FUNDING_HISTORY = "funding_history"
    REALIZED_PNL = "realized_pnl"
    MARGIN_HEALTH = "margin_health"
    ISOLATED_MARGIN = "isolated_margin"
    PORTFOLIO_MARGIN = "portfolio_margin"


_READS = frozenset({Capability.POSITIONS, Capability.FUNDING_HISTORY, Capability.REALIZED_PNL})
_LEVERAGES = frozenset({Capability.LEVERAGE, Capability.LEVERAGE_TIERS})
_LEVERED = _READS | _LEVERAGES | {Capability.MARGIN_HEALTH}
_ALL_BUT_PM = _LEVERED | {Capability.MARGIN_MODE, Capability.POSITION_MODE, Capability.ISOLATED_MARGIN}

_KEY = ("api_key", "secret")


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueFacts:
    """The `credentials` that an account there needs, and what each type of account can do.

    `networks` are those of play money, each with what is missing there; `regions` the legal houses beside the main one.
    """

    credentials: tuple[str, ...]
    capabilities: Mapping[AccountType, frozenset[Capability]]
    networks: Mapping[Network, str] = field(default_factory=dict)
    regions: tuple[str, ...] = ()


VENUES: Mapping[Exchange, VenueFacts] = MappingProxyType(
    {
        "binance": VenueFacts(
            credentials=_KEY,
            capabilities={
                AccountType.STANDARD: _ALL_BUT_PM,
                # PAPI has no endpoint for the margin mode: all positions are cross.
                AccountType.PORTFOLIO_MARGIN: _LEVERED | {Capability.POSITION_MODE, Capability.PORTFOLIO_MARGIN},
            },
            networks={"demo": "no Portfolio Margin, and the rights of a key can't be checked"},
        ),
        "bybit": VenueFacts(
            credentials=_KEY,
            capabilities={AccountType.STANDARD: _ALL_BUT_PM},
            networks={
                "testnet": "no call that is used here; its markets and prices are its own",
                "demo": "some calls, among them the margin mode of single symbols; its limits can't be raised",
            },
            regions=("bytick", "nl", "tr", "kz", "ge", "ae", "eu", "id", "jp", "hk", "br", "ar"),
        ),
        "gate": VenueFacts(
            credentials=_KEY,
            capabilities={AccountType.STANDARD: _ALL_BUT_PM},
            networks={"testnet": "all markets but the perpetuals in USDT"},
            regions=("eu", "us"),
        ),
        "okx": VenueFacts(
            credentials=(*_KEY, "passphrase"),
            capabilities={AccountType.STANDARD: _ALL_BUT_PM},
            networks={"demo": "no call that is used here; it has fewer markets"},
            regions=("eea", "us"),
        ),
        "hyperliquid": VenueFacts(
            credentials=("secret", "account_address"),  # the private key of the signer, and whom it signs for
            # A position there is always one-way.
            capabilities={AccountType.STANDARD: _LEVERED | {Capability.ISOLATED_MARGIN}},
            networks={"testnet": "no call that is used here; its markets and prices are its own"},
        ),
    }
)
"""What is not among the capabilities is refused before any call.

Networks are what ccxt can reach and sign for, and what the venues write of it: Bybit ("Demo Trading Service"), OKX
("Demo Trading Services"), Hyperliquid ("API servers"). Each has accounts, keys and markets of its own.
"""
