"""What the stand-in venues do wrong, and the changes that meet it.

Every fault meets one change, before it is carried out or after. The bodies are those of each venue: what its documents
show for an unknown outcome, and a code that no document has.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

TIMEOUT_MS = 600
"""What each client may wait for an answer."""

LATE_MS = 1_500


class ChangeKind(StrEnum):
    """What is changed."""

    LEVERAGE = "leverage"
    MARGIN_MODE = "margin mode"
    AUTO_COLLECTION = "auto-collection"
    ASSET_COLLECTION = "asset collection"


VENUE_CHANGES: Mapping[str, tuple[ChangeKind, ...]] = MappingProxyType(
    {
        "binance": tuple(ChangeKind),
        "bybit": (ChangeKind.LEVERAGE, ChangeKind.MARGIN_MODE),
        "gate": (ChangeKind.LEVERAGE, ChangeKind.MARGIN_MODE),
        # OKX has no margin mode of a market, and Hyperliquid none that could be set alone.
        "okx": (ChangeKind.LEVERAGE,),
        "hyperliquid": (ChangeKind.LEVERAGE,),
    }
)

_UNSURE: Mapping[str, tuple[int, Any]] = MappingProxyType(
    {
        "binance": (503, {"code": -1000, "msg": "Unknown error, please check your request or try again later."}),
        "bybit": (200, {"retCode": 10016, "retMsg": "Server error.", "result": {}}),
        "gate": (500, {"label": "SERVER_ERROR", "message": "Internal error"}),
        "okx": (400, {"code": "50004", "msg": "API endpoint request timeout", "data": []}),
        "hyperliquid": (500, "null"),
    }
)
"""The venue's own words for an outcome that it does not know."""

_UNLISTED: Mapping[str, tuple[int, Any]] = MappingProxyType(
    {
        "binance": (400, {"code": -99_999, "msg": "Something new."}),
        "bybit": (200, {"retCode": 999_999, "retMsg": "Something new.", "result": {}}),
        "gate": (400, {"label": "NEVER_SEEN", "message": "Something new."}),
        "okx": (200, {"code": "99999", "msg": "Something new.", "data": []}),
        "hyperliquid": (200, {"status": "err", "response": "Something new."}),
    }
)
"""A code that no document has."""

NOTHING_WRONG = "nothing goes wrong"

KINDS = (
    "502, a page of the proxy",
    "504, nothing in it",
    "the venue does not know itself",
    "a code in no table",
    "200, a web page",
    "200, nothing in it",
    "the connection is cut",
    "cut within the answer",
    "the answer comes too late",
)


@dataclass(frozen=True, slots=True)
class Played:
    """One change at one venue, and what goes wrong with it: once, or whenever it is tried."""

    venue: str
    change: ChangeKind
    kind: str
    applied: bool
    for_good: bool

    def fault(self) -> dict[str, Any] | None:
        """The fault, as the sandbox is told it; None where nothing goes wrong."""
        if self.kind == NOTHING_WRONG:
            return None
        target = {"method": "POST", "apply": self.applied, "times": None if self.for_good else 1}
        return target | ({"path": "/exchange"} if self.venue == "hyperliquid" else {}) | self._misbehaviour()

    def _misbehaviour(self) -> dict[str, Any]:
        status, body = (_UNSURE if self.kind == KINDS[2] else _UNLISTED)[self.venue]
        return {
            KINDS[0]: {"fault": "status", "status": 502, "body": "<html>Bad Gateway</html>"},
            KINDS[1]: {"fault": "status", "status": 504, "body": ""},
            KINDS[2]: {"fault": "status", "status": status, "body": body},
            KINDS[3]: {"fault": "status", "status": status, "body": body},
            KINDS[4]: {"fault": "html"},
            KINDS[5]: {"fault": "empty"},
            KINDS[6]: {"fault": "reset"},
            KINDS[7]: {"fault": "reset_mid_body"},
            KINDS[8]: {"fault": "status", "status": 504, "body": "", "delay_ms": LATE_MS},
        }[self.kind]


def all_played(venue: str) -> Iterator[Played]:
    """All that goes wrong at a venue."""
    for change in VENUE_CHANGES[venue]:
        yield Played(venue, change, NOTHING_WRONG, applied=True, for_good=False)
        for kind in KINDS:
            for applied in (True, False):
                for for_good in (False, True):
                    yield Played(venue, change, kind, applied, for_good)
